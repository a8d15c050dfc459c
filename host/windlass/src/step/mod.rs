//! The step: what is to be built and where it goes, typed and checked, whoever asked for it in whatever words.

mod declared;
mod read;

use std::path::PathBuf;
use std::time::Duration;

use windlass_core::plan::Output;
use windlass_core::{Platform, Secret};

pub use declared::specs;
pub(crate) use read::read;
pub use read::{parse_host, parse_secret};

/// A step. Paths are as given, relative to the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What it is called in messages.
    pub name: Option<String>,
    /// What is built.
    pub build: BuildSettings,
    /// Tags as the user gave them; checked when the plan is made.
    pub tags: Vec<String>,
    /// Whether the image is pushed.
    pub push: bool,
    /// Whether the step ends when a tag exists already.
    pub skip_push_if_tag_exists: bool,
    /// What is written besides.
    pub outputs: Outputs,
    /// How registries are reached.
    pub registries: RegistrySettings,
    /// How long everything may take.
    pub timeout: Option<Duration>,
}

/// What is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildSettings {
    /// The context directory.
    pub context: PathBuf,
    /// The Dockerfile, when it is not `Dockerfile` in the context.
    pub dockerfile: Option<PathBuf>,
    /// The target stage.
    pub target: Option<String>,
    /// The platforms; empty for this machine's.
    pub platforms: Vec<Platform>,
    /// Build arguments.
    pub arguments: Vec<BuildArgument>,
    /// Labels of the image.
    pub labels: Vec<(String, String)>,
    /// Annotations of the manifest.
    pub annotations: Vec<(String, String)>,
    /// Whether no step is taken from the cache.
    pub no_cache: bool,
    /// Whether base images are asked for anew.
    pub pull: bool,
    /// `HOST:ADDRESS` entries for RUN steps.
    pub add_hosts: Vec<(String, String)>,
    /// Name servers for RUN steps.
    pub dns: Vec<String>,
    /// Search domains for RUN steps.
    pub dns_search: Vec<String>,
    /// Secrets for RUN steps.
    pub secrets: Vec<BuildSecret>,
    /// A private key for RUN steps.
    pub ssh_key: Option<Secret>,
    /// Further contexts by name.
    pub contexts: Vec<(String, String)>,
    /// The time that a reproducible build sets everywhere, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
}

/// The value of one ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildArgument {
    /// The ARG's name.
    pub name: String,
    /// Its value.
    pub value: ArgumentValue,
}

/// A build argument's value, which is shown only when the user wrote it openly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentValue {
    /// Given in the open.
    Open(String),
    /// Taken from the environment, and not shown.
    Secret(Secret),
}

impl BuildArgument {
    /// The value as it may be shown; none for a secret one.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        match &self.value {
            ArgumentValue::Open(text) => Some(text.clone()),
            ArgumentValue::Secret(_) => None,
        }
    }
}

/// A secret for RUN steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSecret {
    /// Its id.
    pub id: String,
    /// Where it comes from.
    pub source: SecretSource,
}

/// Where a build secret comes from. It is read when a step asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment.
    Variable(String),
    /// A file.
    File(PathBuf),
}

/// Files that are written besides the image in the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// OCI layouts.
    pub oci_layouts: Vec<PathBuf>,
    /// OCI layouts as tar files.
    pub oci_archives: Vec<PathBuf>,
    /// Docker archives.
    pub docker_archives: Vec<PathBuf>,
    /// Harness's artifact file.
    pub artifact_file: Option<PathBuf>,
    /// The digest.
    pub digest_file: Option<PathBuf>,
    /// The configuration's digest.
    pub image_id_file: Option<PathBuf>,
    /// `REPOSITORY@DIGEST` lines.
    pub name_with_digest_file: Option<PathBuf>,
    /// `REPOSITORY:TAG@DIGEST` lines.
    pub name_tag_with_digest_file: Option<PathBuf>,
    /// Dotenv files that outputs are appended to (`DRONE_OUTPUT`, `GITHUB_OUTPUT`).
    pub output_files: Vec<PathBuf>,
    /// buildx's metadata file.
    pub metadata_file: Option<PathBuf>,
    /// The JSON report.
    pub report: Option<PathBuf>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// `HOST` and the URL that it is reached at.
    pub map: Vec<(String, String)>,
    /// Mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// Hosts spoken to over plain HTTP.
    pub insecure: Vec<String>,
    /// Whether the destination is spoken to over plain HTTP.
    pub insecure_push: bool,
    /// Whether base images' registries are spoken to over plain HTTP.
    pub insecure_pull: bool,
    /// Whether the destination's certificate is not checked.
    pub skip_tls_verify_push: bool,
    /// Whether certificates are not checked when pulling.
    pub skip_tls_verify_pull: bool,
    /// Certificate authorities by host.
    pub certificates: Vec<(String, PathBuf)>,
    /// Client certificates and keys by host.
    pub client_certificates: Vec<(String, PathBuf, PathBuf)>,
    /// How often a failed push is tried again.
    pub push_retries: Option<u32>,
    /// How often a failed pull is tried again.
    pub pull_retries: Option<u32>,
}

impl Outputs {
    /// Every file and directory that is written, for the plan.
    #[must_use]
    pub fn planned(&self) -> Vec<Output> {
        let several = [
            ("oci", &self.oci_layouts),
            ("oci-tar", &self.oci_archives),
            ("docker-tar", &self.docker_archives),
            ("output-file", &self.output_files),
        ];
        let single = [
            ("artifact-file", &self.artifact_file),
            ("digest-file", &self.digest_file),
            ("iidfile", &self.image_id_file),
            ("image-name-with-digest-file", &self.name_with_digest_file),
            ("image-name-tag-with-digest-file", &self.name_tag_with_digest_file),
            ("metadata-file", &self.metadata_file),
            ("report", &self.report),
        ];
        let output = |kind: &str, path: &PathBuf| Output { kind: kind.to_owned(), path: path.display().to_string() };
        let several = several.into_iter().flat_map(|(kind, paths)| paths.iter().map(move |path| output(kind, path)));
        several.chain(single.into_iter().filter_map(|(kind, path)| path.as_ref().map(|path| output(kind, path)))).collect()
    }
}
