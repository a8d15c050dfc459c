//! BuildKit's build checks: what is likely a mistake in a Dockerfile that can be built.
//!
//! The checks read nothing but the Dockerfile and the ignore rules. The variables of a base image are therefore not
//! known: one that only it could set is told as a note ([`windlass_core::Severity::Inform`]) and not as a warning.
//!
//! A message quotes what is written in the Dockerfile, never what variables make of it: their values may be secrets.

mod options;
mod rule;
mod stages;
mod text;

use windlass_core::{Finding, Place, Severity};

use crate::graph::{self, BuildGraph};
use crate::ignore::IgnoreRules;
use crate::parse::{Dockerfile, Statement};

pub use options::{BUILD_ARGUMENT, Options};
pub use rule::{PREFIX, RULES, Rule};

/// How many findings are told of one Dockerfile.
pub const MAXIMUM_FINDINGS: usize = 1000;

/// What is checked.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The file's bytes.
    pub source: &'a [u8],
    /// The same, read.
    pub dockerfile: &'a Dockerfile,
    /// What would be built. Without a target all stages are looked at.
    pub request: &'a graph::Request,
    /// The graph, where it could be made.
    pub graph: Option<&'a BuildGraph>,
    /// What the context leaves out.
    pub ignore: Option<&'a IgnoreRules>,
}

/// The options that count for a Dockerfile: those of the build argument, else those of the directive.
///
/// # Errors
/// A finding about the option that is none.
pub fn options(dockerfile: &Dockerfile, request: &graph::Request) -> Result<Options, Box<Finding>> {
    let wrong = |message: String| Finding::deny("dockerfile/check", message);
    let help = "write check=skip=RULE,RULE;error=true;experimental=RULE";
    if let Some(text) = request.build_arguments.get(BUILD_ARGUMENT) {
        return Options::parse(text).map_err(|message| Box::new(wrong(message).about(BUILD_ARGUMENT).help(help)));
    }
    let Some((text, line)) = &dockerfile.directives.check else { return Ok(Options::default()) };
    let place = Place { file: file(dockerfile).to_owned(), line: *line, column: 0, length: 0 };
    Options::parse(text).map_err(|message| Box::new(wrong(message).at(place).help(help)))
}

/// Everything that the checks find, in the order of the lines.
#[must_use]
pub fn check(subject: &Subject<'_>, options: &Options) -> Vec<Finding> {
    let mut report = Report { options, findings: Vec::new() };
    for finding in &subject.dockerfile.warnings {
        match finding.rule.strip_prefix(PREFIX) {
            Some(name) if !options.includes(name, false) => {}
            _ => report.findings.push(finding.clone()),
        }
    }
    text::check(subject, &mut report);
    stages::check(subject, &mut report);
    if options.is_error {
        let warnings = report.findings.iter_mut().filter(|finding| finding.severity == Severity::Warn);
        warnings.for_each(|finding| finding.severity = Severity::Deny);
    }
    report.findings.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
    report.findings
}

fn file(dockerfile: &Dockerfile) -> &str {
    dockerfile.stages.first().map_or("", |stage| stage.statement.place.file.as_str())
}

/// Collects findings of rules that count.
struct Report<'a> {
    options: &'a Options,
    findings: Vec<Finding>,
}

impl Report<'_> {
    /// Says that `statement` breaks the rule `name`; `word` is the part that is meant.
    fn add(&mut self, name: &str, statement: &Statement, word: Option<&str>, message: impl Into<String>) {
        self.push(name, statement, word, message, None);
    }

    /// The same as a note: it may well be right.
    fn note(&mut self, name: &str, statement: &Statement, word: &str, message: String) {
        let before = self.findings.len();
        self.push(name, statement, Some(word), message, None);
        self.findings[before..].iter_mut().for_each(|finding| finding.severity = Severity::Inform);
    }

    fn add_with_help(&mut self, name: &str, statement: &Statement, word: Option<&str>, message: String, help: &str) {
        self.push(name, statement, word, message, Some(help));
    }

    fn push(&mut self, name: &str, statement: &Statement, word: Option<&str>, message: impl Into<String>, help: Option<&str>) {
        let is_experimental = RULES.iter().any(|rule| rule.name == name && rule.is_experimental);
        if self.findings.len() >= MAXIMUM_FINDINGS || !self.options.includes(name, is_experimental) {
            return;
        }
        let place = word.and_then(|word| narrowed(statement, word)).unwrap_or_else(|| statement.place.clone());
        let finding = Finding::warn(&format!("{PREFIX}{name}"), message).at(place);
        self.findings.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
}

/// The place of a word of the statement's first line.
fn narrowed(statement: &Statement, word: &str) -> Option<Place> {
    let at = statement.text.find(word)?;
    let before = u32::try_from(statement.text[..at].chars().count()).ok()?;
    let length = u32::try_from(word.chars().count()).ok()?;
    (length > 0 && before + length <= statement.place.length).then(|| Place {
        column: statement.place.column + before,
        length,
        ..statement.place.clone()
    })
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
