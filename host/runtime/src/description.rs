//! What a plugin says about itself, checked and in our own types.

use serde::Serialize;
use windlass_core::Finding;
use windlass_core::setting::{self, Assignment, Kind, Origin, Settings, Spec, Value};

use crate::answer::Answer;
use crate::bindings::host::description as wit;
use crate::error::PluginError;

/// What a plugin is, which settings it has, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The name in kebab-case.
    pub name: String,
    /// The version, as in Semantic Versioning.
    pub version: String,
    /// One line that says what it does.
    pub summary: String,
    /// Where its documentation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
    /// Its settings; in a dialect, the names it understands.
    pub settings: Vec<Spec>,
    /// What it asks for outside its sandbox.
    pub grants: Vec<Grant>,
}

/// Something outside its sandbox that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Its name, unique in the plugin.
    pub name: String,
    /// What is asked for.
    pub capability: Capability,
    /// Why.
    pub reason: String,
    /// For an endpoint: the JSON pointers of what the plugin may read of its answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
}

/// What a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "value")]
pub enum Capability {
    /// Requests to this origin; the host name `{registry}` stands for the destination's registry.
    Endpoint(String),
    /// The ECR API.
    AwsEcr,
    /// A look at the destination.
    RegistryView,
    /// A CI variable.
    Variable(String),
    /// A file of the working directory, moved into a setting.
    File(String),
    /// Something that this host does not know, and never grants.
    Other(String),
}

impl Description {
    /// Checks given settings against the declared ones; see [`windlass_core::setting::check`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check(&self, given: &[Assignment]) -> Result<Settings, Vec<Finding>> {
        setting::check(&format!("plugin `{}`", self.name), &self.settings, given)
    }

    /// Reads what a plugin answered.
    pub(crate) fn read(answer: &Answer<'_>, told: wit::Description) -> Result<Self, PluginError> {
        let name = answer.line("a name", told.name)?;
        if !is_kebab_case(&name) || name.len() > 64 {
            return Err(answer.nonsense(format!("the name `{name}`"), "kebab-case of at most 64 characters"));
        }
        let version = answer.line("a version", told.version)?;
        if !is_version(&version) {
            return Err(answer.nonsense(format!("the version `{version}`"), "MAJOR.MINOR.PATCH, as in Semantic Versioning"));
        }
        let documentation = told.documentation.map(|url| answer.line("a documentation link", url)).transpose()?;
        if let Some(url) = documentation.as_ref().filter(|url| !url.starts_with("https://")) {
            return Err(answer.nonsense(format!("the documentation link `{url}`"), "an HTTPS address"));
        }
        let settings = answer.list("settings", told.settings, |answer, told| setting(answer, told))?;
        let grants = answer.list("grants", told.grants, |answer, told| grant(answer, told))?;
        let description =
            Self { name, version, summary: answer.line("a summary", told.summary)?, documentation, settings, grants };
        description.refuse_doubles(answer)?;
        Ok(description)
    }

    fn refuse_doubles(&self, answer: &Answer<'_>) -> Result<(), PluginError> {
        let names = self.settings.iter().flat_map(|spec| std::iter::once(&spec.name).chain(&spec.aliases));
        let kinds: [(&str, Vec<&String>); 2] =
            [("setting", names.collect()), ("grant", self.grants.iter().map(|grant| &grant.name).collect())];
        for (kind, mut names) in kinds {
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(answer.nonsense(format!("the {kind} `{}` twice", twice[0]), "every name once"));
            }
        }
        Ok(())
    }
}

fn setting(answer: &Answer<'_>, told: wit::Setting) -> Result<Spec, PluginError> {
    let spec = Spec {
        name: answer.line("a setting's name", told.name)?,
        aliases: answer.texts("aliases", told.aliases)?,
        kind: match told.kind {
            wit::SettingKind::Text => Kind::Text,
            wit::SettingKind::Flag => Kind::Flag,
            wit::SettingKind::Integer => Kind::Integer,
            wit::SettingKind::Texts => Kind::Texts,
            wit::SettingKind::Pairs => Kind::Pairs,
            wit::SettingKind::Secret => Kind::Secret,
            wit::SettingKind::Other(kind) => {
                return Err(answer.nonsense(format!("a setting of the kind `{kind}`"), "a kind that this version knows"));
            }
        },
        default: told.default.map(|text| answer.text("a default", text)).transpose()?,
        required: told.required,
        choices: answer.texts("choices", told.choices)?,
        help: answer.text("a setting's help", told.help)?,
    };
    if spec.name.is_empty() || spec.aliases.iter().any(String::is_empty) {
        return Err(answer.nonsense("a setting without a name".to_owned(), "a name"));
    }
    if spec.kind == Kind::Secret && spec.default.is_some() {
        return Err(answer.nonsense(format!("a default for the secret `{}`", spec.name), "no default"));
    }
    if let Some(default) = &spec.default {
        let given = Assignment { name: spec.name.clone(), value: Value::Text(default.clone()), origin: Origin::named("default") };
        if let Err(findings) = setting::check("the plugin", std::slice::from_ref(&spec), &[given]) {
            let why = findings.first().map(ToString::to_string).unwrap_or_default();
            return Err(answer.nonsense(format!("a default that does not fit: {why}"), "a value that the setting takes"));
        }
    }
    Ok(spec)
}

fn grant(answer: &Answer<'_>, told: wit::Grant) -> Result<Grant, PluginError> {
    let text = |text| answer.line("what a grant is for", text);
    Ok(Grant {
        name: answer.line("a grant's name", told.name)?,
        capability: match told.capability {
            wit::Capability::Endpoint(origin) => Capability::Endpoint(text(origin)?),
            wit::Capability::AwsEcr => Capability::AwsEcr,
            wit::Capability::RegistryView => Capability::RegistryView,
            wit::Capability::Variable(name) => Capability::Variable(text(name)?),
            wit::Capability::File(path) => Capability::File(text(path)?),
            wit::Capability::Other(kind) => Capability::Other(text(kind)?),
        },
        reason: answer.line("a grant's reason", told.reason)?,
        readable: answer.texts("readable pointers", told.readable)?,
    })
}

fn is_kebab_case(name: &str) -> bool {
    !name.is_empty()
        && name.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

fn is_version(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}
