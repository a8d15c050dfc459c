//! What comes out of a plugin, checked on its way in: sizes against limits, texts without control characters, and nonsense
//! named as such.

use windlass_core::finding::{Finding, Place, Severity};

use crate::bindings::host::types as wit;
use crate::error::{PluginError, Problem};
use crate::limits::Limits;
use crate::text;

/// The answer of one function of one plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) function: &'static str,
    pub(crate) limits: &'a Limits,
}

impl Answer<'_> {
    pub(crate) fn error(&self, problem: Problem) -> PluginError {
        PluginError { plugin: self.plugin.to_owned(), function: self.function, problem }
    }

    pub(crate) fn nonsense(&self, what: impl Into<String>, expected: &str) -> PluginError {
        self.error(Problem::Nonsense { what: text::line(&what.into(), 500), expected: expected.to_owned() })
    }

    fn limited(&self, what: &str, text: &str) -> Result<(), PluginError> {
        if text.len() as u64 <= self.limits.text_bytes {
            return Ok(());
        }
        let what = format!("{what} of {} bytes", text.len());
        Err(self.error(Problem::TooMuch { what, limit: "text-bytes", allowed: self.limits.text_bytes }))
    }

    /// A text as it is, which is data and not shown as it is.
    pub(crate) fn data(&self, what: &str, text: String) -> Result<String, PluginError> {
        self.limited(what, &text)?;
        Ok(text)
    }

    /// A text of one line for people and files.
    pub(crate) fn line(&self, what: &str, text: String) -> Result<String, PluginError> {
        self.limited(what, &text)?;
        Ok(text::line(&text, usize::MAX))
    }

    /// A text of several lines for people.
    pub(crate) fn text(&self, what: &str, text: String) -> Result<String, PluginError> {
        self.limited(what, &text)?;
        Ok(text::lines(&text, usize::MAX))
    }

    /// A list, item by item.
    pub(crate) fn list<T, U>(
        &self,
        what: &str,
        items: Vec<T>,
        read: impl Fn(&Self, T) -> Result<U, PluginError>,
    ) -> Result<Vec<U>, PluginError> {
        if items.len() as u64 > self.limits.list_items {
            let what = format!("{} {what}", items.len());
            return Err(self.error(Problem::TooMuch { what, limit: "list-items", allowed: self.limits.list_items }));
        }
        items.into_iter().map(|item| read(self, item)).collect()
    }

    /// A list of texts of one line.
    pub(crate) fn texts(&self, what: &str, items: Vec<String>) -> Result<Vec<String>, PluginError> {
        self.list(what, items, |answer, item| answer.line(what, item))
    }

    /// A list of pairs of texts that are data.
    pub(crate) fn pairs(&self, what: &str, items: Vec<(String, String)>) -> Result<Vec<(String, String)>, PluginError> {
        self.list(what, items, |answer, (key, value)| Ok((answer.data(what, key)?, answer.data(what, value)?)))
    }

    pub(crate) fn findings(&self, findings: Vec<wit::Finding>) -> Result<Vec<Finding>, PluginError> {
        self.list("findings", findings, |answer, finding| answer.finding(finding))
    }

    /// The plugin's refusal.
    pub(crate) fn refusal(&self, findings: Vec<wit::Finding>) -> PluginError {
        match self.findings(findings) {
            Ok(findings) => self.error(Problem::Findings(findings)),
            Err(error) => error,
        }
    }

    fn finding(&self, told: wit::Finding) -> Result<Finding, PluginError> {
        let severity = match told.severity {
            wit::Severity::Warn => Severity::Warn,
            wit::Severity::Inform => Severity::Inform,
            wit::Severity::Deny | wit::Severity::Other(_) => Severity::Deny,
        };
        Ok(Finding {
            severity,
            rule: self.line("a finding's rule", told.rule)?,
            message: self.line("a finding's message", told.message)?,
            subject: told.subject.map(|subject| self.line("a finding's subject", subject)).transpose()?,
            place: told.place.map(|place| self.place(place)).transpose()?,
            help: told.help.map(|help| self.text("a finding's help", help)).transpose()?,
            attributes: self.list("attributes", told.attributes, |answer, (key, value)| {
                Ok((answer.line("an attribute", key)?, answer.text("an attribute", value)?))
            })?,
        })
    }

    fn place(&self, told: wit::Place) -> Result<Place, PluginError> {
        let file = self.line("a finding's file", told.file)?;
        Ok(Place { file, line: told.line, column: told.column, length: told.length })
    }
}

/// A place, on its way to a plugin.
pub(crate) fn place(place: &Place) -> wit::Place {
    wit::Place { file: place.file.clone(), line: place.line, column: place.column, length: place.length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> wit::Finding {
        wit::Finding {
            severity: wit::Severity::Other("fatal".to_owned()),
            rule: "x/y".to_owned(),
            message: message.to_owned(),
            subject: None,
            place: None,
            help: None,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn findings_are_cleaned_and_an_unknown_severity_denies() {
        let limits = Limits::default();
        let answer = Answer { plugin: "p", function: "f", limits: &limits };
        let findings = answer.findings(vec![told("\u{1b}[2Jgone\n")]).unwrap();
        assert_eq!((findings[0].message.as_str(), findings[0].severity), ("gone ", Severity::Deny));
    }

    #[test]
    fn long_texts_and_lists_name_their_limit() {
        let limits = Limits { text_bytes: 3, list_items: 1, ..Limits::default() };
        let answer = Answer { plugin: "p", function: "f", limits: &limits };
        let error = answer.findings(vec![told("four")]).unwrap_err().to_string();
        assert!(error.contains("plugin `p`, function `f`") && error.contains("a finding's message of 4 bytes"), "{error}");
        let error = answer.texts("tags", vec![String::new(), String::new()]).unwrap_err().to_string();
        assert!(error.contains("2 tags") && error.contains("`list-items` allows 1"), "{error}");
    }
}
