//! How a run ends when it does not end well.

use windlass_builder::execute::BuildError;
use windlass_core::{ExitCode, Finding, Redactor, chain};
use windlass_engines::EngineError;

use crate::outputs::OutputError;
use crate::publish::PublishError;

/// The end of a run: what to tell the user, and what to tell the CI.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", summary(findings))]
pub struct Failure {
    /// The exit code.
    pub code: ExitCode,
    /// Every problem.
    pub findings: Vec<Finding>,
    /// The last lines that a failed step printed.
    pub output: Vec<String>,
}

impl Failure {
    /// A failure with these findings.
    #[must_use]
    pub fn new(code: ExitCode, findings: Vec<Finding>) -> Self {
        Self { code, findings, output: Vec::new() }
    }

    /// A failure with one finding.
    #[must_use]
    pub fn one(code: ExitCode, finding: Finding) -> Self {
        Self::new(code, vec![finding])
    }

    /// The same failure without the secrets that `redactor` knows.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |finding: Finding| Finding {
            message: redactor.redact(&finding.message).into_owned(),
            help: finding.help.map(|help| redactor.redact(&help).into_owned()),
            ..finding
        };
        Self { findings: self.findings.into_iter().map(clean).collect(), ..self }
    }

    /// The end of a run that the user or a time limit stopped.
    #[must_use]
    pub fn cancelled(why: &str) -> Self {
        Self::one(ExitCode::Cancelled, Finding::deny("run/cancelled", why.to_owned()))
    }
}

fn summary(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<&BuildError> for Failure {
    fn from(error: &BuildError) -> Self {
        if error.is_cancelled() {
            return Self::cancelled("the build was cancelled");
        }
        let code = match error.registry() {
            Some(registry) if registry.is_about_credentials() => ExitCode::Credentials,
            _ if error.is_about_the_dockerfile() => ExitCode::Plan,
            _ => ExitCode::Build,
        };
        Self { code, findings: error.findings(), output: error.output().to_vec() }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        if matches!(error, EngineError::Cancelled) {
            return Self::cancelled("the build was cancelled");
        }
        let finding = Finding::deny("engine/failed", chain(&error));
        let finding = match error.help() {
            Some(help) => finding.help(help),
            None => finding,
        };
        Self { code: ExitCode::Build, findings: vec![finding], output: error.output().to_vec() }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match &error {
            PublishError::Export { .. } => Self::one(ExitCode::Output, Finding::deny("export/failed", chain(&error))),
            PublishError::Push { source, .. } => {
                let code = if source.is_about_credentials() { ExitCode::Credentials } else { ExitCode::Push };
                let finding = Finding::deny("push/failed", chain(&error));
                let finding = match source.help() {
                    Some(help) => finding.help(help),
                    None => finding,
                };
                Self::one(code, finding)
            }
        }
    }
}

impl From<Vec<OutputError>> for Failure {
    fn from(errors: Vec<OutputError>) -> Self {
        let findings =
            errors.iter().map(|error| Finding::deny("output/failed", chain(error)).help("the image itself was made")).collect();
        Self::new(ExitCode::Output, findings)
    }
}
