//! Settings: what a plugin or the step declares, what a user gave, and the check of one against the other.

mod check;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::finding::Place;
use crate::secret::Secret;

pub use check::check;

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// A whole number.
    Integer,
    /// A list of texts.
    Texts,
    /// A list of `key=value` pairs; keys may repeat.
    Pairs,
    /// A text that must not be shown and that plugins cannot read.
    Secret,
}

/// A value of one of the kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// For [`Kind::Text`].
    Text(String),
    /// For [`Kind::Flag`].
    Flag(bool),
    /// For [`Kind::Integer`].
    Integer(i64),
    /// For [`Kind::Texts`].
    Texts(Vec<String>),
    /// For [`Kind::Pairs`].
    Pairs(Vec<(String, String)>),
    /// For [`Kind::Secret`].
    Secret(Secret),
}

/// One setting as its owner declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The name, in kebab-case.
    pub name: String,
    /// Other names that mean the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The type.
    pub kind: Kind,
    /// What holds when it is not given, as a user would type it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether a run without it is refused.
    #[serde(default)]
    pub required: bool,
    /// The only values allowed, where there are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// One or two sentences for users.
    pub help: String,
}

/// Where a value came from, in words a user knows: a field of a file, a variable, an option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Such as `spec.region`, `PLUGIN_REGION`, `--build-arg` or `default`.
    pub name: String,
    /// Where that stands, when it stands in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A value that a user gave for a setting, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The setting's name or one of its aliases.
    pub name: String,
    /// The value; a [`Value::Text`] is read as the declared kind.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Checked settings: every name is a declared one and every value is of the declared kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<String, (Value, Origin)>,
}

impl Settings {
    /// The value of `name` and where it came from.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(&Value, &Origin)> {
        self.values.get(name).map(|(value, origin)| (value, origin))
    }

    /// The text of `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)?.0 {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the flag `name` is set; a flag that was not given is not.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some((Value::Flag(true), _)))
    }

    /// The number given for `name`.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)?.0 {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The list given for `name`; empty when none was.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some((Value::Texts(texts), _)) => texts,
            _ => &[],
        }
    }

    /// The pairs given for `name`; empty when none were.
    #[must_use]
    pub fn pairs(&self, name: &str) -> &[(String, String)] {
        match self.get(name) {
            Some((Value::Pairs(pairs), _)) => pairs,
            _ => &[],
        }
    }

    /// The secret given for `name`.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        match self.get(name)?.0 {
            Value::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// Every name that has a value, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Every name with its value and origin, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value, &Origin)> {
        self.values.iter().map(|(name, (value, origin))| (name.as_str(), value, origin))
    }

    /// Sets `name`, which the caller knows to be declared with that kind.
    pub fn insert(&mut self, name: impl Into<String>, value: Value, origin: Origin) {
        self.values.insert(name.into(), (value, origin));
    }
}

impl Value {
    /// The kind this is a value of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Flag(_) => Kind::Flag,
            Self::Integer(_) => Kind::Integer,
            Self::Texts(_) => Kind::Texts,
            Self::Pairs(_) => Kind::Pairs,
            Self::Secret(_) => Kind::Secret,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Flag => "true or false",
            Self::Integer => "a whole number",
            Self::Texts => "a list",
            Self::Pairs => "a map",
            Self::Secret => "a secret",
        })
    }
}

/// The value as a user would type it; a secret is not shown.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Texts(texts) => f.write_str(&texts.join(",")),
            Self::Pairs(pairs) => {
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}={value}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Secret(secret) => write!(f, "{secret}"),
        }
    }
}

impl Origin {
    /// An origin that is a name only.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), place: None }
    }
}
