//! What is wrong with one logical line, before it is known where that line stands in the file.

use std::ops::Range;

use windlass_core::Finding;

use super::lines::Logical;

/// A mistake in a logical line. The range is in bytes of the line's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    rule: &'static str,
    message: String,
    help: Option<String>,
    range: Option<Range<usize>>,
}

impl Problem {
    pub(super) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), help: None, range: None }
    }

    /// An instruction whose arguments are too few, too many or of the wrong form.
    pub(super) fn arguments(message: impl Into<String>) -> Self {
        Self::new("dockerfile/arguments", message)
    }

    pub(super) fn at(mut self, range: Range<usize>) -> Self {
        self.range = Some(range);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Advice naming the nearest known word, where one is near.
    pub(super) fn nearest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match windlass_core::suggest::nearest(word, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// The same problem in a line that has `offset` more bytes in front.
    pub(super) fn shifted(mut self, offset: usize) -> Self {
        self.range = self.range.map(|range| range.start + offset..range.end + offset);
        self
    }

    pub(super) fn has_rule(&self, rules: &[&str]) -> bool {
        rules.contains(&self.rule)
    }

    pub(super) fn into_finding(self, logical: &Logical, file: &str) -> Finding {
        let place = logical.place(file, self.range.unwrap_or(0..logical.text.trim_end().len()));
        let finding = Finding::deny(self.rule, self.message).at(place);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}
