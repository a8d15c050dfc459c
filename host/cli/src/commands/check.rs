//! `windlass build --check`

use std::io::IsTerminal;
use std::process::ExitCode;

use windlass::check::{Checked, check};
use windlass::step::BuildSettings;
use windlass_core::Severity;

use super::{error_text, output_text};
use crate::arguments::CheckFormat;
use crate::{errors, json, sarif};

/// The findings are what was asked for: they go to standard output in every format, and how many there are to standard error.
pub(crate) fn main(build: &BuildSettings, format: CheckFormat) -> ExitCode {
    let checked = check(build);
    output_text(&match format {
        CheckFormat::Text => text(&checked, std::io::stdout().is_terminal()),
        CheckFormat::Json => json::document(&serde_json::json!({"findings": checked.findings, "outcome": checked.code.name()})),
        CheckFormat::Sarif => json::document(&sarif::log(&checked.findings)),
    });
    error_text(&summary(&checked));
    ExitCode::from(checked.code.code())
}

fn text(checked: &Checked, colour: bool) -> String {
    let mut text = String::new();
    for finding in &checked.findings {
        text += &errors::in_full(finding, colour);
        text += &format!("  rule: {}\n\n", finding.rule);
    }
    text
}

fn summary(checked: &Checked) -> String {
    if checked.findings.is_empty() {
        return "the checks found nothing\n".to_owned();
    }
    let count = |severity: Severity| checked.findings.iter().filter(|finding| finding.severity == severity).count();
    let [errors, warnings, notes] = [Severity::Deny, Severity::Warn, Severity::Inform].map(count);
    format!("the checks found {errors} errors, {warnings} warnings, {notes} notes\n")
}
