//! A step taken apart: fields and variables become inputs, and what is left is told.

use windlass_drone_settings::{Given, Input, nothing, translate, variables};
use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::core::suggest::nearest;
use windlass_plugin_sdk::dialect::{Assignment, Outcome, Target, Translation, Value, Verdict};

use crate::expressions;
use crate::fields::{Becomes, FIELDS, Field, PIPELINE_PARTS, StepType, TYPES};

/// What stands in front of the plugin variables of a step. Those of its stage and of the environment have nothing there.
pub(crate) const VARIABLES: &str = "spec.envVariables.";

const HOST: &str = "spec.host";
const PROJECT: &str = "spec.projectID";

/// What a step means. `written` holds every name of the step with its value, and the plugin variables of the environment.
pub(crate) fn read(written: &[(String, Given)]) -> Translation {
    let mut findings = Vec::new();
    let Some(kind) = step_type(written, &mut findings) else {
        return Translation { findings, ..nothing() };
    };
    let mut made = translate(&kind.variant(), &inputs(written, kind));
    name_project(written, kind, &mut made);
    for (name, given) in written {
        if !made.outcomes.iter().any(|outcome| outcome.name == *name) {
            let verdict = verdict(name, given, kind, &mut findings);
            made.outcomes.push(Outcome { name: name.clone(), verdict });
        }
        if let Some(Field { becomes: Becomes::Step(setting), .. }) = field(name, kind) {
            step_setting(name, setting, given, &mut made);
        }
    }
    missing(written, kind, &made, &mut findings);
    unreplaced(written, &made, &mut findings);
    // Missing fields are told as fields, not as the variables that they become.
    made.findings.retain(|finding| {
        !(finding.rule == "settings/missing" && matches!(finding.subject.as_deref(), Some("PLUGIN_REPO" | "PLUGIN_REGISTRY")))
    });
    findings.append(&mut made.findings);
    Translation { findings, ..made }
}

fn field(name: &str, kind: StepType) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name && field.on.contains(&kind))
}

fn value<'a>(written: &'a [(String, Given)], name: &str) -> Option<&'a Given> {
    written.iter().find(|(known, _)| known == name).map(|(_, given)| given)
}

fn deny(rule: &str, subject: &str, message: String, help: impl Into<String>) -> Finding {
    Finding::deny(rule, message).about(subject).help(help)
}

fn step_type(written: &[(String, Given)], findings: &mut Vec<Finding>) -> Option<StepType> {
    let known = || TYPES.iter().map(|(name, _)| *name);
    let all = || known().collect::<Vec<_>>().join(", ");
    let Some(Given::Text(text)) = value(written, "type") else {
        let message = "`type` is missing: it says which kind of step this is".to_owned();
        findings.push(deny("harness-step/type", "type", message, format!("set it to one of {}", all())));
        return None;
    };
    let found = TYPES.iter().find(|(name, _)| *name == text.trim()).map(|(_, kind)| *kind);
    if found.is_none() {
        let help = match nearest(text.trim(), known()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("Windlass runs {}", all()),
        };
        findings.push(deny(
            "harness-step/type",
            "type",
            format!("a step of type `{}` does not build and push an image", text.trim()),
            help,
        ));
    }
    found
}

fn inputs(written: &[(String, Given)], kind: StepType) -> Vec<Input> {
    let mut inputs = Vec::new();
    let project = project(written, kind);
    for (name, given) in written {
        let input = |variable: &str, given: &Given, rank| Input {
            variable: variable.to_owned(),
            origin: name.clone(),
            rank,
            given: given.clone(),
        };
        if let Some(Field { becomes: Becomes::Variable(variable), .. }) = field(name, kind) {
            inputs.push(input(variable, &in_project(name, given, project), 0));
            if *variable == "PLUGIN_CACHE_REPO" {
                inputs.push(input("PLUGIN_ENABLE_CACHE", &Given::Text("true".to_owned()), 0));
            }
        } else if let Some((rank, variable)) = variable(name) {
            inputs.push(input(variable, given, rank));
        }
    }
    inputs
}

/// The plugin variable that a name stands for, and its rank: the step's own come before those of its surroundings.
fn variable(name: &str) -> Option<(u8, &str)> {
    match name.strip_prefix(VARIABLES) {
        Some(variable) => Some((1, variable)),
        None => (is_variable(name) && (name.starts_with("PLUGIN_") || is_known(name))).then_some((2, name)),
    }
}

/// Whether a name looks like that of a variable.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_known(name: &str) -> bool {
    variables::all().any(|variable| variable.names.contains(&name))
}

/// The Google Cloud project, in the steps that have one.
fn project(written: &[(String, Given)], kind: StepType) -> Option<&str> {
    match field(PROJECT, kind).and_then(|_| value(written, PROJECT)) {
        Some(Given::Text(project)) => Some(project.trim().trim_start_matches('/')).filter(|project| !project.is_empty()),
        _ => None,
    }
}

/// Google's registries are `HOST/PROJECT`.
fn in_project(name: &str, given: &Given, project: Option<&str>) -> Given {
    match (name, given, project) {
        (HOST, Given::Text(host), Some(project)) if !host.trim().is_empty() => {
            Given::Text(format!("{}/{project}", host.trim().trim_end_matches('/')))
        }
        _ => given.clone(),
    }
}

/// Says that the registry was made of the project as well.
fn name_project(written: &[(String, Given)], kind: StepType, made: &mut Translation) {
    if project(written, kind).is_some() {
        let joined = made.assignments.iter_mut().filter(|assignment| assignment.from.iter().any(|name| name == HOST));
        joined.for_each(|assignment| assignment.from.push(PROJECT.to_owned()));
    }
}

fn verdict(name: &str, given: &Given, kind: StepType, findings: &mut Vec<Finding>) -> Verdict {
    if let Some(field) = field(name, kind) {
        return match field.becomes {
            Becomes::Ignored => Verdict::Ignored(reason(field.help)),
            Becomes::Holds => holder(name, given, findings),
            Becomes::Variable(_) | Becomes::Step(_) | Becomes::Choice => Verdict::Used,
        };
    }
    if PIPELINE_PARTS.iter().any(|part| name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))) {
        return Verdict::Ignored("it is for the pipeline that runs the step".to_owned());
    }
    if is_variable(name) {
        return Verdict::Ignored("it is no setting of a plugin".to_owned());
    }
    let near = near(name, kind);
    let help = match &near {
        Some(known) => format!("did you mean `{known}`?"),
        None => "see `windlass plugin inspect harness-step` for the fields there are".to_owned(),
    };
    findings.push(deny("settings/unknown", name, format!("this kind of step has no field `{name}`"), help));
    Verdict::Unknown(near)
}

/// A field that holds others has no value, unless it holds nothing.
fn holder(name: &str, given: &Given, findings: &mut Vec<Finding>) -> Verdict {
    if !matches!(given, Given::Text(text) if text.trim().is_empty()) {
        let message = format!("`{name}` holds fields, and no value of its own");
        findings.push(Finding::deny("settings/value", message).about(name));
    }
    Verdict::Ignored("it is empty".to_owned())
}

/// The nearest field. What most of them begin with does not count, else everything would be near.
fn near(name: &str, kind: StepType) -> Option<String> {
    const PREFIX: &str = "spec.";
    let known = FIELDS.iter().filter(|field| field.on.contains(&kind)).map(|field| field.name);
    match name.strip_prefix(PREFIX) {
        Some(rest) => nearest(rest, known.filter_map(|known| known.strip_prefix(PREFIX))).map(|found| format!("{PREFIX}{found}")),
        None => nearest(name, known.map(|known| known.strip_prefix(PREFIX).unwrap_or(known))).map(|found| {
            // A field of the specification that stands beside it.
            if FIELDS.iter().any(|field| field.name == found) { found.to_owned() } else { format!("{PREFIX}{found}") }
        }),
    }
}

fn step_setting(name: &str, setting: &str, given: &Given, made: &mut Translation) {
    match given {
        Given::Text(text) if !text.trim().is_empty() => made.assignments.push(Assignment {
            target: Target::Step,
            name: setting.to_owned(),
            value: Value::Text(text.trim().to_owned()),
            from: vec![name.to_owned()],
        }),
        Given::Text(_) => {}
        _ => made.findings.push(Finding::deny("settings/value", format!("`{name}` must be a text")).about(name)),
    }
}

fn missing(written: &[(String, Given)], kind: StepType, made: &Translation, findings: &mut Vec<Finding>) {
    let is_given = |name: &str| {
        written.iter().any(|(known, given)| {
            known == name && !Input { variable: String::new(), origin: String::new(), rank: 0, given: given.clone() }.is_empty()
        })
    };
    for field in FIELDS.iter().filter(|field| field.required.contains(&kind) && !is_given(field.name)) {
        // The variable itself will do as well, and tags may come from a policy.
        let elsewhere = |target: &Target, name: &str| {
            made.assignments.iter().any(|a| a.target == *target && a.name == name && !a.from.is_empty())
        };
        let there = match field.name {
            "spec.tags" => !made.tag_policies.is_empty() || elsewhere(&Target::Step, "tags"),
            "spec.region" | "spec.account" | HOST | PROJECT => elsewhere(&Target::Adapter, "registry"),
            "spec.imageName" | "spec.repository" | "spec.repo" => elsewhere(&Target::Adapter, "repository"),
            _ => false,
        };
        if !there {
            findings.push(deny("settings/missing", field.name, format!("`{}` is missing", field.name), field.help));
        }
    }
}

fn unreplaced(written: &[(String, Given)], made: &Translation, findings: &mut Vec<Finding>) {
    for (name, given) in written {
        if !made.outcomes.iter().any(|outcome| outcome.name == *name && outcome.verdict == Verdict::Used) {
            continue;
        }
        let texts: Vec<&str> = match given {
            Given::Text(text) => vec![text],
            Given::Texts(texts) => texts.iter().map(String::as_str).collect(),
            Given::Pairs(pairs) => pairs.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect(),
            Given::Secret | Given::Hidden => Vec::new(),
        };
        for expression in texts.into_iter().filter_map(expressions::first) {
            let message = format!("`{name}` still has the expression `{expression}`, which only Harness can replace");
            let help = "let Harness run the step, or put the value in its place".to_owned();
            findings.push(deny("harness-step/expression", name, message, help));
        }
    }
}

fn reason(help: &str) -> String {
    let mut letters = help.trim_end_matches('.').chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
