//! The step: what is to be built and where it goes, typed and checked, whoever asked for it in whatever words.

mod annotation;
mod caches;
mod declared;
mod epoch;
mod export;
mod fields;
mod limits;
mod network;
mod read;
mod words;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use windlass_core::plan;
use windlass_core::{Platform, Repository, Secret};
use windlass_sandbox::{Limits, Ulimit};

pub use annotation::{Annotation, AnnotationPlace, parse_annotation};
pub use caches::{CachePlace, CacheSource, CacheTarget, parse_age, parse_cache_source, parse_cache_target, parse_repository};
pub use declared::specs;
pub use export::{Encoding, Export, ExportKind, Output, Place, parse_output};
pub use limits::{
    parse_control_group, parse_memory, parse_memory_and_swap, parse_period, parse_processors, parse_quota, parse_set,
    parse_shares,
};
pub use network::{HostAddress, HostEntry, SearchDomain, parse_name_server};
pub(crate) use read::read;
pub use words::{parse_provenance, parse_secret, parse_ssh, size};

/// A step. Paths are as given, relative to the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What it is called in messages.
    pub name: Option<String>,
    /// What is built.
    pub build: BuildSettings,
    /// The archive whose image is pushed in place of one that is built.
    pub archive: Option<PathBuf>,
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
    /// Annotations of manifests and indexes.
    pub annotations: Vec<Annotation>,
    /// Whether no step is taken from the cache.
    pub no_cache: bool,
    /// Stages of which no step is taken from the cache.
    pub no_cache_stages: Vec<String>,
    /// Whether all layers that the build adds to the base become one.
    pub squash: bool,
    /// Where results of steps are shared with other machines.
    pub shared_cache: Option<SharedCache>,
    /// Caches that are read.
    pub cache_from: Vec<CacheSource>,
    /// Caches that are written.
    pub cache_to: Vec<CacheTarget>,
    /// Whether base images are asked for anew. The embedded engine always asks which digest a tag has.
    pub pull: bool,
    /// Whether RUN steps that say nothing about it have no network.
    pub no_network: bool,
    /// Whether `RUN --security=insecure` is allowed.
    pub allows_insecure: bool,
    /// The size of `/dev/shm` in RUN steps, in bytes.
    pub shm_size: Option<u64>,
    /// What processes of RUN steps may use.
    pub ulimits: Vec<Ulimit>,
    /// What RUN steps may use together.
    pub limits: Limits,
    /// Entries of `/etc/hosts` for RUN steps.
    pub add_hosts: Vec<HostEntry>,
    /// Name servers for RUN steps.
    pub dns: Vec<IpAddr>,
    /// Search domains for RUN steps.
    pub dns_search: Vec<SearchDomain>,
    /// Secrets for RUN steps.
    pub secrets: Vec<BuildSecret>,
    /// Agents for RUN steps.
    pub ssh: Vec<SshSource>,
    /// A private key for RUN steps, which an agent of ours holds.
    pub ssh_key: Option<Secret>,
    /// Further contexts by name.
    pub contexts: Vec<(String, String)>,
    /// Whether and in how much detail the image says where it comes from.
    pub provenance: Option<Provenance>,
    /// Whether the image says what it is made of.
    pub sbom: bool,
    /// The time that a reproducible build sets everywhere, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
}

impl BuildSettings {
    /// The platforms to build for, each once: this machine's when none is given.
    #[must_use]
    pub fn target_platforms(&self) -> Vec<Platform> {
        let mut platforms: Vec<Platform> = Vec::new();
        for platform in &self.platforms {
            if !platforms.contains(platform) {
                platforms.push(platform.clone());
            }
        }
        if platforms.is_empty() { vec![Platform::host()] } else { platforms }
    }
}

/// A cache of steps' results in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCache {
    /// The repository; `cache` below the first destination when there is none.
    pub repository: Option<Repository>,
    /// How old an entry may be.
    pub max_age: Duration,
}

impl SharedCache {
    /// How old an entry may be when nothing is said about it: two weeks, as with kaniko.
    pub const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
}

/// The provenance that is attached to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// How much it tells.
    pub detail: Detail,
    /// A URI for who builds, whom readers of it trust; empty when nobody has told.
    pub builder_id: String,
}

/// How much provenance tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Base images, the Dockerfile and the target.
    Min,
    /// Build arguments and labels too; never the values of secret ones.
    Max,
}

impl BuildSettings {
    /// The repositories that results of steps are written to, besides the image's own.
    pub(crate) fn cache_repositories(&self) -> Vec<&Repository> {
        let shared = self.shared_cache.iter().filter_map(|cache| cache.repository.as_ref());
        let mut repositories: Vec<_> = shared.chain(self.cache_to.iter().filter_map(CacheTarget::repository)).collect();
        repositories.sort();
        repositories.dedup();
        repositories
    }

    /// Whether a registry has results of steps, or gets them.
    pub(crate) fn caches_in_registries(&self) -> bool {
        !self.cache_repositories().is_empty() || self.cache_from.iter().any(|source| source.repository().is_some())
    }

    /// Whether attestations are attached to the image.
    #[must_use]
    pub fn is_attested(&self) -> bool {
        self.sbom || self.provenance.is_some()
    }
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

/// An ssh agent for RUN steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSource {
    /// Its id.
    pub id: String,
    /// The socket of an agent, or key files; the agent of `SSH_AUTH_SOCK` when there is none.
    pub paths: Vec<PathBuf>,
}

/// Where a build secret comes from. It is read when a step asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// The variable of that name where it is set, else the file.
    Either(String),
}

/// Files that are written besides the image in the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The image or its files, on this machine.
    pub exports: Vec<Export>,
    /// The form in which the image is pushed.
    pub pushed: Encoding,
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
    /// The form of the image that digests, report and files tell of: as it is pushed, else as it is first written.
    #[must_use]
    pub fn told(&self, push: bool) -> Encoding {
        let is_image = |export: &&Export| !matches!(export.kind, ExportKind::Directory | ExportKind::Tar);
        let first = self.exports.iter().find(is_image).filter(|_| !push);
        first.map_or(self.pushed, |export| export.encoding)
    }

    /// The exports of that kind.
    pub fn exports_of(&self, kind: ExportKind) -> impl Iterator<Item = &Export> {
        self.exports.iter().filter(move |export| export.kind == kind)
    }

    /// Whether standard output carries an export, and nothing else may be written there.
    #[must_use]
    pub fn takes_standard_output(&self) -> bool {
        self.exports.iter().any(|export| export.place == Place::StandardOutput)
    }

    /// Every file and directory that is written, for the plan.
    #[must_use]
    pub fn planned(&self) -> Vec<plan::Output> {
        let single = [
            ("artifact-file", &self.artifact_file),
            ("digest-file", &self.digest_file),
            ("iidfile", &self.image_id_file),
            ("image-name-with-digest-file", &self.name_with_digest_file),
            ("image-name-tag-with-digest-file", &self.name_tag_with_digest_file),
            ("metadata-file", &self.metadata_file),
            ("report", &self.report),
        ];
        let output = |kind: &str, path: String| plan::Output { kind: kind.to_owned(), path };
        let exports = self.exports.iter().map(|export| output(export.kind.name(), export.place.to_string()));
        let files = self.output_files.iter().map(|path| output("output-file", path.display().to_string()));
        let single = single.into_iter().filter_map(|(kind, path)| Some(output(kind, path.as_ref()?.display().to_string())));
        exports.chain(files).chain(single).collect()
    }
}
