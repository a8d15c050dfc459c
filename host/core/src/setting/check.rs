//! Given settings against declared ones.

use super::{Assignment, Kind, Origin, Settings, Spec, Value};
use crate::finding::Finding;
use crate::secret::Secret;
use crate::suggest;

/// Checks what was given against what is declared, and fills in defaults. `owner` is named in messages.
///
/// When a setting is given twice, the first assignment holds; callers put them in order of precedence.
///
/// # Errors
/// All problems at once: unknown names (with the nearest known one), values of the wrong kind, values that are no
/// choice, required settings that are missing.
pub fn check(owner: &str, specs: &[Spec], given: &[Assignment]) -> Result<Settings, Vec<Finding>> {
    let mut settings = Settings::default();
    let mut findings = Vec::new();
    for assignment in given {
        let Some(spec) = find(specs, &assignment.name) else {
            findings.push(unknown(owner, specs, assignment));
            continue;
        };
        if settings.get(&spec.name).is_some() {
            continue;
        }
        match convert(spec, &assignment.value) {
            Ok(value) => settings.insert(&spec.name, value, assignment.origin.clone()),
            Err(message) => findings.push(located(Finding::deny("settings/value", message), assignment)),
        }
    }
    for spec in specs {
        if settings.get(&spec.name).is_some() {
            continue;
        }
        if let Some(value) = spec.default.as_ref().and_then(|text| read(spec.kind, text).ok()) {
            settings.insert(&spec.name, value, Origin::named("default"));
        } else if spec.required && !findings.iter().any(|f| f.subject.as_deref() == Some(&spec.name)) {
            let finding = Finding::deny("settings/missing", format!("`{}` is required by {owner}", spec.name));
            findings.push(finding.about(&spec.name).help(spec.help.clone()));
        }
    }
    if findings.is_empty() { Ok(settings) } else { Err(findings) }
}

fn find<'a>(specs: &'a [Spec], name: &str) -> Option<&'a Spec> {
    specs.iter().find(|spec| spec.name == name || spec.aliases.iter().any(|alias| alias == name))
}

fn unknown(owner: &str, specs: &[Spec], assignment: &Assignment) -> Finding {
    let names = specs.iter().flat_map(|spec| std::iter::once(&spec.name).chain(&spec.aliases)).map(String::as_str);
    let finding = Finding::deny("settings/unknown", format!("{owner} has no setting `{}`", assignment.name));
    let finding = match suggest::nearest(&assignment.name, names) {
        Some(known) => finding.help(format!("did you mean `{known}`?")),
        None => finding.help("see `windlass plugin inspect` for the settings there are"),
    };
    located(finding, assignment)
}

fn located(finding: Finding, assignment: &Assignment) -> Finding {
    let finding = finding.about(if assignment.origin.name.is_empty() { &assignment.name } else { &assignment.origin.name });
    match &assignment.origin.place {
        Some(place) => finding.at(place.clone()),
        None => finding,
    }
}

fn convert(spec: &Spec, value: &Value) -> Result<Value, String> {
    let converted = match (spec.kind, value) {
        (kind, Value::Text(text)) => read(kind, text).map_err(|why| format!("`{}` {why}", spec.name))?,
        (kind, value) if value.kind() == kind => value.clone(),
        (Kind::Text, Value::Integer(number)) => Value::Text(number.to_string()),
        (Kind::Text, Value::Flag(flag)) => Value::Text(flag.to_string()),
        (kind, value) => return Err(format!("`{}` must be {kind}, not {}", spec.name, value.kind())),
    };
    match &converted {
        Value::Text(text) if !spec.choices.is_empty() && !spec.choices.contains(text) => {
            Err(format!("`{}` is `{text}`, but must be one of {}", spec.name, spec.choices.join(", ")))
        }
        _ => Ok(converted),
    }
}

/// Reads a text as a kind: flags in Go's spelling, lists separated by commas, pairs as `key=value`.
fn read(kind: Kind, text: &str) -> Result<Value, String> {
    Ok(match kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Secret => Value::Secret(Secret::new(text)),
        Kind::Flag => Value::Flag(match text.trim() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" | "" => false,
            other => return Err(format!("must be true or false, not `{other}`")),
        }),
        Kind::Integer => Value::Integer(text.trim().parse().map_err(|_| format!("must be a whole number, not `{text}`"))?),
        Kind::Texts => Value::Texts(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()),
        Kind::Pairs => {
            let pair = |item: &str| match item.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
                _ => Err(format!("must be KEY=VALUE pairs, but `{item}` is none")),
            };
            Value::Pairs(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(pair).collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, kind: Kind, required: bool) -> Spec {
        Spec {
            name: name.to_owned(),
            aliases: Vec::new(),
            kind,
            default: None,
            required,
            choices: Vec::new(),
            help: String::new(),
        }
    }

    fn given(name: &str, text: &str) -> Assignment {
        Assignment { name: name.to_owned(), value: Value::Text(text.to_owned()), origin: Origin::named(name) }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let specs = [spec("region", Kind::Text, true), spec("account", Kind::Text, true), spec("scan", Kind::Flag, false)];
        let findings = check("ecr", &specs, &[given("regoin", "x"), given("scan", "maybe")]).unwrap_err();
        let text: Vec<String> =
            findings.iter().map(|f| format!("{} {}", f.message, f.help.clone().unwrap_or_default())).collect();
        assert_eq!(findings.len(), 4, "{text:?}");
        assert!(text[0].contains("did you mean `region`"), "{text:?}");
        assert!(text[1].contains("true or false, not `maybe`"), "{text:?}");
    }

    #[test]
    fn texts_are_read_as_the_declared_kind_and_the_first_assignment_holds() {
        let mut list = spec("tags", Kind::Texts, false);
        list.aliases.push("tag".to_owned());
        let specs =
            [list, spec("n", Kind::Integer, false), Spec { default: Some("true".to_owned()), ..spec("pull", Kind::Flag, false) }];
        let settings = check("step", &specs, &[given("tag", "a, b,"), given("tags", "c"), given("n", "7")]).unwrap();
        assert_eq!(settings.texts("tags"), ["a", "b"]);
        assert_eq!(settings.integer("n"), Some(7));
        assert!(settings.flag("pull"));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let settings = check("ecr", &[spec("key", Kind::Secret, true)], &[given("key", "canary")]).unwrap();
        assert!(!format!("{settings:?} {}", settings.get("key").unwrap().0).contains("canary"));
    }
}
