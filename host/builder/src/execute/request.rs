//! What a build is asked for, and what it gives.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::agent::SshAgent;
use super::remote_cache::Origin;
use windlass_core::{Digest, Platform, Reference, Repository, Secret};
use windlass_dockerfile::Dockerfile;
use windlass_dockerfile::remote::RemoteSource;
use windlass_layer::Compression;
use windlass_registry::image::{Descriptor, ImageConfig};
use windlass_sandbox::{Limits, Probe, Ulimit};

/// A build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The Dockerfile, parsed.
    pub dockerfile: Arc<Dockerfile>,
    /// The Dockerfile's path: named in messages, and `<path>.dockerignore` may stand beside it.
    pub dockerfile_path: PathBuf,
    /// The context directory.
    pub context: PathBuf,
    /// Directories and images that stages and `--from` may name.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// The platforms to build for, at least one.
    pub platforms: Vec<Platform>,
    /// Values for ARG instructions.
    pub arguments: Vec<(String, Argument)>,
    /// Labels that are set on the image.
    pub labels: Vec<(String, String)>,
    /// Secrets for `RUN --mount=type=secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Agents for `RUN --mount=type=ssh`, by id.
    pub agents: BTreeMap<String, Arc<dyn SshAgent>>,
    /// Entries for `/etc/hosts` of RUN steps.
    pub hosts: Vec<(String, IpAddr)>,
    /// Name servers and search domains of RUN steps; this machine's when both are empty.
    pub dns: Dns,
    /// Whether no step is taken from the cache.
    pub no_cache: bool,
    /// Stages, by name or number, of which no step is taken from the cache.
    pub no_cache_stages: Vec<String>,
    /// Whether RUN steps that say nothing about it have a network.
    pub has_network: bool,
    /// Whether `RUN --security=insecure` is allowed.
    pub allows_insecure: bool,
    /// The size of `/dev/shm` in RUN steps, in bytes.
    pub shm_size: Option<u64>,
    /// What processes of RUN steps may use.
    pub ulimits: Vec<Ulimit>,
    /// What RUN steps may use together.
    pub limits: Limits,
    /// How RUN steps are isolated.
    pub probe: Probe,
    /// `SOURCE_DATE_EPOCH`: the latest time that stands anywhere in the image, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
    /// How layers are compressed.
    pub compression: Compression,
    /// Whether all layers that the build adds to the base become one.
    pub squash: bool,
}

/// A build argument's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Given in the open.
    Open(String),
    /// Not shown in messages and in the history.
    Secret(Secret),
}

impl Argument {
    /// The value, for the step that uses it.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Open(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// Name resolution of RUN steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
}

/// Something besides the context that files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// An image.
    Image(Reference),
    /// An image of an OCI layout on this machine.
    Layout(Layout),
    /// A git repository, or a file or archive on the web.
    Remote(RemoteSource),
    /// Nothing at all, as `docker-image://scratch` says.
    Nothing,
}

/// An image of an OCI layout: a directory or a tar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the layout is.
    pub path: PathBuf,
    /// The image's name in it, or its digest.
    pub image: LayoutImage,
}

/// Which image of a layout is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutImage {
    /// The only one, or the one that is called `latest`.
    Only,
    /// By its name or tag.
    Tag(String),
    /// By its digest.
    Digest(Digest),
}

impl Layout {
    /// Reads `DIR[:TAG|@DIGEST]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let whole = |path: &str, image| Some(Self { path: PathBuf::from(path), image }).filter(|_| !path.is_empty());
        if let Some((path, digest)) = text.split_once("@sha") {
            return whole(path, LayoutImage::Digest(Digest::parse(&format!("sha{digest}")).ok()?));
        }
        match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => whole(path, LayoutImage::Tag(tag.to_owned())),
            _ => whole(text, LayoutImage::Only),
        }
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "oci-layout://{}", self.path.display())?;
        match &self.image {
            LayoutImage::Only => Ok(()),
            LayoutImage::Tag(tag) => write!(f, ":{tag}"),
            LayoutImage::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// An image that was built. Its own layers are in the store; those of its base may still be at their registry.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The platform that it was built for.
    pub platform: Platform,
    /// The configuration, which the store holds too.
    pub config: ImageConfig,
    /// The configuration's descriptor.
    pub config_descriptor: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// Where each layer that may be missing from the store can be fetched from or mounted.
    pub origins: BTreeMap<Digest, Repository>,
    /// What each layer of a base image that nothing has unpacked yet has to unpack to: see [`super::CheckedBlobs`].
    pub unchecked: BTreeMap<Digest, Digest>,
    /// The base images that were used, as resolved.
    pub bases: Vec<(Reference, Digest)>,
    /// What became of each step, in the order of the Dockerfile.
    pub steps: Vec<(String, StepOutcome)>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was carried out, for the reason told: what the cache did not have, or what of its inputs is not as it was.
    Run(String),
    /// Its result was in the cache: the store, or where it says.
    Cached(Option<Origin>),
}
