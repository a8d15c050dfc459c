//! Findings: what a stage or a plugin has to say about an input, in one form for all of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Inform,
    /// Likely a mistake; the run goes on.
    Warn,
    /// The run must not go on.
    Deny,
}

/// Where in a file something stands. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 when the whole line is meant.
    pub column: u32,
    /// How many characters are meant; 0 when that is not known.
    pub length: u32,
}

/// One thing that was found: what is wrong or worth saying, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// A stable identifier in kebab-case, `area/what`, such as `settings/unknown`.
    pub rule: String,
    /// What is the matter: a lower-case fragment without a full stop.
    pub message: String,
    /// The setting or path it concerns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<Place>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
    /// Further facts by name, for what later versions want to say.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attributes: Vec<(String, String)>,
}

impl Finding {
    fn new(severity: Severity, rule: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            rule: rule.to_owned(),
            message: message.into(),
            subject: None,
            place: None,
            help: None,
            attributes: Vec::new(),
        }
    }

    /// A finding that stops the run.
    #[must_use]
    pub fn deny(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Deny, rule, message)
    }

    /// A finding that is printed while the run goes on.
    #[must_use]
    pub fn warn(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warn, rule, message)
    }

    /// A finding for whoever wants to know.
    #[must_use]
    pub fn inform(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Inform, rule, message)
    }

    /// The same finding about `subject`, a setting or a path.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same finding at `place`.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same finding with advice on how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}: ", place.file, place.line)?;
        }
        if let Some(subject) = self.subject.as_ref().filter(|subject| !self.message.contains(subject.as_str())) {
            write!(f, "{subject}: ")?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_place_and_subject_once() {
        let place = Place { file: "step.yaml".to_owned(), line: 3, column: 1, length: 0 };
        let finding = Finding::deny("settings/unknown", "unknown field `regoin`").about("regoin").at(place);
        assert_eq!(finding.to_string(), "step.yaml:3: unknown field `regoin`");
        assert_eq!(Finding::warn("x", "must be set").about("region").to_string(), "region: must be set");
    }
}
