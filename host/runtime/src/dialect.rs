//! Dialects: settings as some CI writes them become typed settings.

use std::sync::Arc;

use wasmtime::component::Resource;
use windlass_core::setting::{Assignment, Origin, Value};
use windlass_core::{Finding, Redactor, Secret};

use crate::answer::Answer;
use crate::bindings::dialect::exports::windlass::plugin::translator as wit;
use crate::call;
use crate::context::Context;
use crate::description::Capability;
use crate::error::{PluginError, Problem};
use crate::host::handle::{RawHandle, SourceHandle};
use crate::host::raw_settings::{Raw, RawName, RawValue};
use crate::host::source::SourceFacts;
use crate::linker::Linked;
use crate::plugin::Plugin;
use crate::role::Role;

const TRANSLATE: &str = "translate";

/// What settings mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// What they set, in order of precedence. Not yet checked against what the targets declare.
    pub assignments: Vec<TargetAssignment>,
    /// What became of every raw name, in the order written.
    pub outcomes: Vec<Outcome>,
    /// The registry adapter that the step wants.
    pub adapter: Option<String>,
    /// The tag policies that the step wants, in order.
    pub tag_policies: Vec<String>,
    /// The engine mapper that the step wants; absent for the embedded engine.
    pub engine: Option<String>,
    /// What is worth saying; one that denies stops the run.
    pub findings: Vec<Finding>,
    /// Further facts by name.
    pub attributes: Vec<(String, String)>,
}

/// One setting for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAssignment {
    /// Whose setting.
    pub target: Target,
    /// Name, value and origin.
    pub assignment: Assignment,
    /// The raw names that it was made of; empty for a default of the dialect.
    pub from: Vec<String>,
}

/// Whose setting is set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The step's own.
    Step,
    /// The registry adapter's.
    Adapter,
    /// The tag policy of this name.
    TagPolicy(String),
    /// The engine mapper's.
    Engine,
    /// The policy of this name.
    Policy(String),
    /// The credentials for base images.
    BaseImageCredentials,
    /// The credentials for pushing.
    PushCredentials,
}

/// What became of a raw name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The raw name.
    pub name: String,
    /// Where it stands.
    pub origin: Origin,
    /// The value as it was written; `[redacted]` for a secret, absent for a name that the dialect does not declare.
    pub value: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Whether a raw name counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Used,
    /// It has no effect here, for this reason.
    Ignored(String),
    /// It is not known; the nearest name that is.
    Unknown(Option<String>),
}

/// Asks a dialect what settings mean. Secrets are moved into the assignments here, without the dialect seeing them.
///
/// # Errors
/// What the dialect finds wrong, with places; or what went wrong with the dialect.
pub async fn translate(plugin: &Plugin, context: &Context, raw: &Raw, source: &SourceFacts) -> Result<Translation, PluginError> {
    let Linked::Dialect(linked) = plugin.linked() else { return Err(plugin.wrong_role(TRANSLATE, Role::Dialect)) };
    let linked = linked.clone();
    let names = Arc::new(raw.names(&plugin.description().settings));
    let (handle, source) = (RawHandle(Arc::clone(&names)), SourceHandle(Arc::new(source.clone())));
    let (told, _) = call::run(plugin.loaded(), TRANSLATE, plugin.state(context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let raw = Resource::new_borrow(store.data_mut().push(handle)?.rep());
            let source = Resource::new_borrow(store.data_mut().push(source)?.rep());
            instance.windlass_plugin_translator().call_translate(&mut *store, raw, source).await
        })
    })
    .await?;
    let answer = plugin.answer(TRANSLATE);
    let reading = Reading { answer, plugin, context, names: &names };
    match told {
        Ok(told) => reading.translation(told).await,
        Err(findings) => Err(answer.refusal(findings)),
    }
    .map(|translation| Translation { findings: placed(translation.findings, raw, &names), ..translation })
    .map_err(|error| match error.problem {
        Problem::Findings(findings) => PluginError { problem: Problem::Findings(placed(findings, raw, &names)), ..error },
        _ => error,
    })
}

/// The findings with the places of the raw names that they are about. A secret that was also written where none belongs,
/// which a dialect repeats as a wrong value, is taken out.
fn placed(findings: Vec<Finding>, raw: &Raw, names: &[RawName]) -> Vec<Finding> {
    let secrets: Vec<Secret> = names.iter().filter_map(RawName::secret).collect();
    let secrets = Redactor::new(&secrets);
    let redact = |text: &str| secrets.redact(text).into_owned();
    let place = |finding: Finding| Finding {
        place: finding.place.or_else(|| raw.place(finding.subject.as_deref()?)),
        message: redact(&finding.message),
        help: finding.help.map(|help| redact(&help)),
        ..finding
    };
    findings.into_iter().map(place).collect()
}

/// Reads a dialect's answer.
struct Reading<'a> {
    answer: Answer<'a>,
    plugin: &'a Plugin,
    context: &'a Context,
    names: &'a [RawName],
}

impl Reading<'_> {
    async fn translation(&self, told: wit::Translation) -> Result<Translation, PluginError> {
        let answer = &self.answer;
        let mut assignments = Vec::new();
        let mut problems = Vec::new();
        for told in answer.list("assignments", told.assignments, |_, told| Ok(told))? {
            match self.assignment(told).await {
                Ok(assignment) => assignments.extend(assignment),
                Err(PluginError { problem: Problem::Findings(findings), .. }) => problems.extend(findings),
                Err(error) => return Err(error),
            }
        }
        if !problems.is_empty() {
            return Err(answer.error(Problem::Findings(problems)));
        }
        Ok(Translation {
            assignments,
            outcomes: self.outcomes(told.outcomes)?,
            adapter: told.adapter.map(|name| answer.line("an adapter's name", name)).transpose()?,
            tag_policies: answer.texts("tag policies", told.tag_policies)?,
            engine: told.engine.map(|name| answer.line("an engine's name", name)).transpose()?,
            findings: answer.findings(told.findings)?,
            attributes: answer.pairs("attributes", told.attributes)?,
        })
    }

    async fn assignment(&self, told: wit::Assignment) -> Result<Option<TargetAssignment>, PluginError> {
        let answer = &self.answer;
        let from = answer.list("raw names", told.from, |_, name| self.known(&name).map(|raw| raw.name.clone()))?;
        let origin = match from.first() {
            Some(name) => self.known(name)?.origin.clone(),
            None => Origin::named(format!("default of {}", self.plugin.name())),
        };
        let Some(value) = self.value(told.value, &from).await? else { return Ok(None) };
        let target = match told.target {
            wit::Target::Step => Target::Step,
            wit::Target::Adapter => Target::Adapter,
            wit::Target::TagPolicy(name) => Target::TagPolicy(answer.line("a tag policy's name", name)?),
            wit::Target::Engine => Target::Engine,
            wit::Target::Policy(name) => Target::Policy(answer.line("a policy's name", name)?),
            wit::Target::BaseImageCredentials => Target::BaseImageCredentials,
            wit::Target::PushCredentials => Target::PushCredentials,
            wit::Target::Other(kind) => {
                return Err(answer.nonsense(format!("a setting for `{kind}`"), "a target that this version knows"));
            }
        };
        let assignment = Assignment { name: answer.line("a setting's name", told.name)?, value, origin };
        Ok(Some(TargetAssignment { target, assignment, from }))
    }

    fn known(&self, name: &str) -> Result<&RawName, PluginError> {
        let found = self.names.iter().find(|raw| raw.name == name);
        found.ok_or_else(|| self.answer.nonsense(format!("the raw name `{name}`"), "one that was written"))
    }

    async fn value(&self, told: wit::Value, from: &[String]) -> Result<Option<Value>, PluginError> {
        let answer = &self.answer;
        Ok(Some(match told {
            wit::Value::Text(text) => Value::Text(answer.data("a value", text)?),
            wit::Value::Flag(flag) => Value::Flag(flag),
            wit::Value::Integer(number) => Value::Integer(number),
            wit::Value::Texts(texts) => Value::Texts(answer.list("values", texts, |answer, text| answer.data("a value", text))?),
            wit::Value::Pairs(pairs) => Value::Pairs(answer.pairs("pairs", pairs)?),
            wit::Value::SecretOf(name) => match &self.known(&name)?.value {
                RawValue::Text(text) => Value::Secret(Secret::new(text.clone())),
                RawValue::Texts(_) | RawValue::Map(_) => {
                    return Err(self.refuse("settings/value", format!("`{name}` must be a text"), &name));
                }
            },
            wit::Value::File(path) => return self.file(&path, from).await,
            wit::Value::Other(kind) => {
                return Err(answer.nonsense(format!("a value of the kind `{kind}`"), "a kind that this version knows"));
            }
        }))
    }

    /// The text of a file that the user or a grant names; nothing when a granted one does not exist.
    async fn file(&self, path: &str, from: &[String]) -> Result<Option<Value>, PluginError> {
        let namer = from.iter().find(|name| {
            self.names.iter().any(|raw| raw.name == **name && raw.is_given() && raw.value == RawValue::Text(path.to_owned()))
        });
        let granted = self.context.is_granted(self.plugin.description(), &Capability::File(path.to_owned()));
        if namer.is_none() && !granted {
            return Err(self.answer.nonsense(format!("the file `{path}`"), "one that a setting names or a grant allows"));
        }
        let subject = namer.map_or(path, String::as_str);
        let found = match &self.context.files {
            Some(files) => files.read(path).await,
            None => Ok(None),
        };
        match found {
            Ok(Some(text)) => Ok(Some(Value::Text(text))),
            Ok(None) if namer.is_none() => Ok(None),
            Ok(None) => Err(self.refuse("settings/file", format!("the file `{path}` does not exist"), subject)),
            Err(why) => Err(self.refuse("settings/file", format!("the file `{path}` cannot be read: {why}"), subject)),
        }
    }

    fn refuse(&self, rule: &str, message: String, subject: &str) -> PluginError {
        self.answer.error(Problem::Findings(vec![Finding::deny(rule, message).about(subject)]))
    }

    /// The outcomes in the order written: every raw name exactly once.
    fn outcomes(&self, told: Vec<wit::Outcome>) -> Result<Vec<Outcome>, PluginError> {
        let answer = &self.answer;
        let told = answer.list("outcomes", told, |answer, told| {
            let verdict = match told.verdict {
                wit::Verdict::Used => Verdict::Used,
                wit::Verdict::Ignored(reason) => Verdict::Ignored(answer.line("a reason", reason)?),
                wit::Verdict::Unknown(nearest) => Verdict::Unknown(nearest.map(|name| answer.line("a name", name)).transpose()?),
                wit::Verdict::Other(kind) => {
                    return Err(answer.nonsense(format!("the verdict `{kind}`"), "one that this version knows"));
                }
            };
            Ok((told.name, verdict))
        })?;
        if let Some((name, _)) = told.iter().find(|(name, _)| !self.names.iter().any(|raw| raw.name == *name)) {
            return Err(answer.nonsense(format!("an outcome for `{name}`"), "only names that were written"));
        }
        let outcome = |raw: &RawName| {
            let mut found = told.iter().filter(|(name, _)| *name == raw.name);
            match (found.next(), found.next()) {
                (Some((_, verdict)), None) => Ok(Outcome {
                    name: raw.name.clone(),
                    origin: raw.origin.clone(),
                    value: raw.shown(),
                    verdict: verdict.clone(),
                }),
                (None, _) => Err(answer.nonsense(format!("no outcome for `{}`", raw.name), "every name exactly once")),
                _ => Err(answer.nonsense(format!("two outcomes for `{}`", raw.name), "every name exactly once")),
            }
        };
        self.names.iter().map(outcome).collect()
    }
}
