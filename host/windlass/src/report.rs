//! What a run has done, for machines and for the files that CI systems read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use windlass_core::{Digest, ExitCode, Finding, Plan, Platform};

use crate::failure::Failure;

/// The result of a run. It is what `--report` writes, and free of secrets.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Always 1; a change that breaks readers raises it.
    pub version: u32,
    /// `success`, or the name of the exit code.
    pub outcome: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// The image, when one was made.
    pub image: Option<ImageReport>,
    /// The references that point at the image now.
    pub pushed: Vec<String>,
    /// Pages about the image.
    pub links: Vec<Link>,
    /// What was created or changed at the registry besides, in words.
    pub prepared: Vec<String>,
    /// Every step of the build.
    pub steps: Vec<StepReport>,
    /// The plan that was carried out.
    pub plan: Option<Plan>,
    /// Errors and warnings.
    pub findings: Vec<Finding>,
    /// How long the run took, in seconds.
    pub seconds: f64,
}

/// The image that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageReport {
    /// The manifest's (or index's) digest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's (or index's) size in bytes.
    pub manifest_size: u64,
    /// The annotations of what points to the manifest (or index).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The configuration's digest; none for an index.
    pub config: Option<Digest>,
    /// The compressed size of all layers, in bytes.
    pub size: u64,
    /// How many layers there are, of all platforms.
    pub layers: usize,
    /// The image of each platform.
    pub platforms: Vec<PlatformReport>,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformReport {
    /// The platform.
    pub platform: Platform,
    /// The manifest's digest.
    pub digest: Digest,
    /// The configuration's digest.
    pub config: Digest,
}

/// One step of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// The instruction, as shown in progress.
    pub title: String,
    /// `run` or `cached`.
    pub outcome: String,
    /// Why it was run, such as `src/main.c changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cache that it was taken from, when that is not the store: a repository or a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A page about the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What it shows.
    pub title: String,
    /// Where it is.
    pub url: String,
}

impl Report {
    /// A report of a run that is about to begin.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            version: 1,
            outcome: String::new(),
            exit_code: 0,
            image: None,
            pushed: Vec::new(),
            links: Vec::new(),
            prepared: Vec::new(),
            steps: Vec::new(),
            plan: Some(plan),
            findings: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Notes how the run ended.
    pub(crate) fn finish(&mut self, failure: Option<&Failure>, took: Duration) {
        let code = failure.map_or(ExitCode::Success, |failure| failure.code);
        code.name().clone_into(&mut self.outcome);
        self.exit_code = code.code();
        self.findings.extend(failure.into_iter().flat_map(|failure| failure.findings.iter().cloned()));
        self.seconds = took.as_secs_f64();
    }
}
