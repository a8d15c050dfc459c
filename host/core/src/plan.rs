//! The plan: everything that a run will do, printable and free of secrets, before anything outside changes.

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Place};
use crate::platform::Platform;
use crate::reference::Repository;
use crate::tag::Tag;

/// A complete plan. It is what `windlass plan --format json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where the image goes; empty when it stays here.
    pub destinations: Vec<Destination>,
    /// Whether the image is pushed to the destinations.
    pub push: bool,
    /// What builds.
    pub engine: Engine,
    /// The plugins that had or will have a say, in the order in which they are asked.
    pub plugins: Vec<PluginUse>,
    /// What is built.
    pub build: Build,
    /// The files that are written besides.
    pub outputs: Vec<Output>,
    /// Every setting that was given: what became of it and where it came from.
    pub settings: Vec<PlannedSetting>,
    /// What is worth saying about the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// A repository and the tags that will point at the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The registry's host.
    pub registry: String,
    /// The repository's path.
    pub repository: String,
    /// The tags, in the order in which they are moved.
    pub tags: Vec<Tag>,
    /// The registry adapter that answers for it.
    pub adapter: String,
    /// The kind of registry, for the artifact file: `ECR`, `Docker`, ….
    pub kind: String,
}

/// The build engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// `windlass` for the embedded builder, else the engine's name.
    pub name: String,
    /// The command line, for an outside engine; slots that the host fills stand as `{slot}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How the image comes back, for an outside engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_off: Option<String>,
}

/// A plugin that takes part in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginUse {
    /// Its name.
    pub name: String,
    /// Its world: `dialect`, `registry-adapter`, `tag-policy`, `engine-mapper` or `policy`.
    pub role: String,
    /// Its version.
    pub version: String,
    /// The sha256 digest of the component.
    pub digest: String,
    /// `built in`, or the file it came from.
    pub source: String,
}

/// What is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The context directory, as given.
    pub context: String,
    /// The Dockerfile, as it will be opened; nothing when an image is only pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The archive whose image is only pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The target stage, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The platforms.
    pub platforms: Vec<Platform>,
    /// Build arguments; the value of one that is secret is not here.
    pub build_args: Vec<(String, Option<String>)>,
    /// Labels that are set on the image.
    pub labels: Vec<(String, String)>,
    /// Whether all layers that the build adds to the base become one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub squash: bool,
    /// The repository that results of steps are shared in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_repository: Option<Repository>,
    /// Caches that are read besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<String>,
    /// Caches that are written besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_to: Vec<String>,
    /// The base images that the needed stages begin with, as far as they are known before the build.
    pub bases: Vec<Base>,
}

/// A base image of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The image as the Dockerfile names it, variables expanded.
    pub reference: String,
    /// Its repository, where it is an image and not `scratch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// Where the Dockerfile names it.
    pub place: Place,
}

/// A file or directory that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Such as `oci`, `docker-tar`, `artifact-file` or `digest-file`.
    pub kind: String,
    /// Where.
    pub path: String,
}

/// What became of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSetting {
    /// The name as the user wrote it: a field, a variable, an option.
    pub origin: String,
    /// Where that stands in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What became of it.
    pub state: SettingState,
    /// The settings it became, as `owner.name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub becomes: Vec<String>,
    /// The value, as a user would type it; `[redacted]` for a secret, absent for what is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why it is ignored, or the nearest known name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingState {
    /// It counts.
    Used,
    /// It is known, and has no effect here.
    Ignored,
    /// Nobody knows it.
    Unknown,
}
