//! What can go wrong in a build.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use windlass_core::{Finding, Place, chain};

use crate::store::StoreError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile cannot be built as it is; every problem at once.
    #[error("the Dockerfile cannot be built")]
    Dockerfile(Vec<Finding>),
    /// An instruction failed.
    #[error("{instruction}")]
    At {
        /// The instruction in short.
        instruction: String,
        /// Where it stands.
        place: Place,
        /// Why.
        source: Arc<BuildError>,
    },
    /// What was wrong, in words, where the caller knows the place.
    #[error(transparent)]
    Unplaced(Problem),
    /// A base image cannot be had.
    #[error("cannot get the base image {reference}")]
    Base {
        /// The image.
        reference: String,
        /// Where the Dockerfile names it.
        place: Place,
        /// What the registry said.
        #[source]
        source: Box<windlass_registry::Error>,
    },
    /// The context cannot be read.
    #[error("cannot use the build context")]
    Context(#[source] Problem),
    /// A layer cannot be unpacked, written or read.
    #[error("cannot handle a layer")]
    Layer(#[source] Problem),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// A step would have to be carried out, in a rehearsal where nothing is.
    #[error("a step is not in the cache")]
    NotCached,
    /// A thread of the build ended by itself.
    #[error("a part of the build ended unexpectedly: {0}")]
    Internal(String),
}

/// What helps when there is no space left.
pub(crate) const FULL: &str = "there is no space left on the disk: free some, or put the store on a larger one with --store";

/// Whether there being no space left is among an error's causes.
fn is_full(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What was wrong with one instruction: a message, advice, and the cause.
#[derive(Debug)]
pub struct Problem {
    message: String,
    help: Option<String>,
    output: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    cancelled: bool,
}

impl Problem {
    /// A problem that is told in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, output: Vec::new(), source: None, cancelled: false }
    }

    /// A problem that an error of another crate tells, with its causes.
    pub fn from_error(error: impl StdError + Send + Sync + 'static) -> Self {
        let message = error.to_string();
        let help = is_full(&error).then(|| FULL.to_owned());
        Self { help, source: Some(Box::new(error)), ..Self::new(message) }
    }

    /// The end of a build that the user stopped.
    pub(crate) fn cancelled() -> Self {
        Self { cancelled: true, ..Self::new("the build was cancelled") }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem as a finding of that rule, when it is about no instruction.
    #[must_use]
    pub fn finding(self, rule: &str) -> Finding {
        let message = chain(&self);
        advised(Finding::deny(rule, message), self.help)
    }

    /// The same, with what it is about in front.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same with the last lines that a process printed.
    #[must_use]
    pub fn output(mut self, lines: Vec<String>) -> Self {
        self.output = lines;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Problem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The message of a wrapped error is ours already; what is below it is the cause.
        self.source.as_ref().and_then(|source| source.source())
    }
}

impl BuildError {
    /// Whether the user stopped the build.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::At { source, .. } => source.is_cancelled(),
            Self::Unplaced(problem) | Self::Context(problem) | Self::Layer(problem) => problem.cancelled,
            _ => false,
        }
    }

    /// Whether a registry that holds a layer did not answer or refuses: the next layer would fare no better.
    #[must_use]
    pub(crate) fn is_of_a_silent_registry(&self) -> bool {
        use windlass_registry::Error;
        let cause = match self {
            Self::At { source, .. } => return source.is_of_a_silent_registry(),
            Self::Layer(problem) => problem.source.as_deref(),
            _ => None,
        };
        let error = cause.and_then(|cause| cause.downcast_ref::<Error>());
        error.is_some_and(|error| {
            !matches!(
                error,
                Error::NotFound { .. } | Error::DigestMismatch { .. } | Error::SizeMismatch { .. } | Error::TooLarge { .. }
            )
        })
    }

    /// Whether nothing was built because the Dockerfile is wrong.
    #[must_use]
    pub fn is_about_the_dockerfile(&self) -> bool {
        matches!(self, Self::Dockerfile(_))
    }

    /// The last lines that the failed step printed.
    #[must_use]
    pub fn output(&self) -> &[String] {
        match self {
            Self::At { source, .. } => source.output(),
            Self::Unplaced(problem) => &problem.output,
            _ => &[],
        }
    }

    /// The error of the registry, when it is one.
    #[must_use]
    pub fn registry(&self) -> Option<&windlass_registry::Error> {
        match self {
            Self::At { source, .. } => source.registry(),
            Self::Base { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What was wrong, on one line.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::At { source, .. } => source.short(),
            Self::Dockerfile(findings) => findings.first().map(ToString::to_string).unwrap_or_default(),
            other => chain(other),
        }
    }

    /// The error as findings: what failed, where, and how to mend it.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Dockerfile(findings) => findings.clone(),
            Self::At { instruction, place, source } => {
                source.findings().into_iter().map(|finding| at(finding, instruction, place)).collect()
            }
            Self::Base { reference, place, source } => {
                let message = format!("cannot get the base image {reference}: {}", chain(source.as_ref()));
                vec![advised(Finding::deny("build/base", message).about(reference).at(place.clone()), source.help())]
            }
            Self::Unplaced(problem) => vec![advised(Finding::deny("build/step", chain(problem)), problem.help.clone())],
            Self::Context(problem) => vec![advised(Finding::deny("build/context", chain(problem)), problem.help.clone())],
            Self::Layer(problem) => vec![advised(Finding::deny("build/layer", chain(problem)), problem.help.clone())],
            other => vec![Finding::deny("build/failed", chain(other))],
        }
    }
}

fn at(finding: Finding, instruction: &str, place: &Place) -> Finding {
    if finding.place.is_some() {
        return finding;
    }
    let keyword = instruction.split_whitespace().next().unwrap_or_default();
    Finding { message: format!("{keyword} failed: {}", finding.message), ..finding }.at(place.clone())
}

fn advised(finding: Finding, help: Option<String>) -> Finding {
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}
