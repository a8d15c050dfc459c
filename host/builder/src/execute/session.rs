//! What every step of a build shares.

mod cached;
mod names;
mod results;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;
use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Platform, Repository, Secret};
use windlass_layer::{Compression, OverlayXattrs, Ownership, SnapshotFormat};
use windlass_registry::image::Descriptor;
use windlass_registry::{Arrival, Blobs, Registry, layout};
use windlass_sandbox::{Cancel, Isolation, LimitGroup, Unlimited};

pub(crate) use cached::{Cached, Claim};
pub use results::NewLayer;
pub(crate) use results::{EntrySource, Made, Writing};

use super::error::{BuildError, Problem};
use super::remote::{Fetches, Remotes};
use super::remote_cache::{Origin, RemoteCache, Sharing};
use super::request::{Argument, BuildRequest};
use super::work::Work;
use crate::store::Store;

/// Where a build works and what it talks to.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// The store.
    pub store: Arc<Store>,
    /// Where base images come from.
    pub registry: Registry,
    /// What brings sources that lie elsewhere.
    pub remotes: Arc<dyn Remotes>,
    /// Where progress goes.
    pub events: EventSink,
    /// What stops running steps.
    pub cancel: Cancel,
    /// Who is told of each layer of the image that a step makes.
    pub new_layers: Option<UnboundedSender<NewLayer>>,
    /// Where results of steps are shared with other machines.
    pub remote_cache: Option<Arc<dyn RemoteCache>>,
}

/// The form that unpacked layers have under that isolation.
#[must_use]
pub fn snapshot_format(isolation: Isolation) -> SnapshotFormat {
    SnapshotFormat {
        ownership: if isolation == Isolation::SingleId { Ownership::Recorded } else { Ownership::Apply },
        overlay_xattrs: if isolation == Isolation::Root { OverlayXattrs::Trusted } else { OverlayXattrs::User },
    }
}

/// One build at work, for one platform.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) request: Arc<BuildRequest>,
    /// The platform that is built for.
    pub(crate) platform: Platform,
    pub(crate) store: Arc<Store>,
    pub(crate) blobs: Blobs,
    pub(crate) registry: Registry,
    pub(crate) remotes: Arc<dyn Remotes>,
    pub(crate) events: EventSink,
    pub(crate) cancel: Cancel,
    pub(crate) work: Work,
    pub(crate) format: SnapshotFormat,
    /// How layers are compressed.
    compression: Compression,
    /// What has been fetched for any of the platforms.
    pub(crate) fetches: Arc<Fetches>,
    new_layers: Option<UnboundedSender<NewLayer>>,
    /// What limits RUN steps, and which of the limits do not.
    pub(crate) limits: (Arc<LimitGroup>, Arc<[Unlimited]>),
    pub(crate) sharing: Arc<Sharing>,
    /// Told apart from other builds at the same time.
    nonce: String,
}

impl Session {
    /// A session for each platform that is asked for.
    pub(crate) fn for_each_platform(request: BuildRequest, workshop: &Workshop, work: &Work) -> Vec<Arc<Self>> {
        let request = Arc::new(request);
        let nonce = format!("{}-{}", std::process::id(), Timestamp::now().as_nanosecond());
        let format = snapshot_format(request.isolation());
        let (group, unlimited) = LimitGroup::create(&request.limits);
        let limits = (Arc::new(group), Arc::from(unlimited));
        let sharing = Arc::new(Sharing::new(workshop.remote_cache.clone()));
        let fetches = Arc::new(Fetches::default());
        // Layers that become one are seen by nobody, unless they are shared.
        let is_private = request.squash && workshop.remote_cache.is_none();
        let compression = if is_private { Compression::None } else { request.compression };
        let session = |(number, platform): (usize, &Platform)| {
            Arc::new(Self {
                request: Arc::clone(&request),
                platform: platform.clone(),
                store: Arc::clone(&workshop.store),
                blobs: workshop.store.blobs().clone(),
                registry: workshop.registry.clone(),
                remotes: Arc::clone(&workshop.remotes),
                events: workshop.events.clone(),
                cancel: workshop.cancel.clone(),
                work: work.clone(),
                format,
                compression,
                fetches: Arc::clone(&fetches),
                new_layers: workshop.new_layers.clone(),
                limits: limits.clone(),
                sharing: Arc::clone(&sharing),
                nonce: format!("{nonce}-{number}"),
            })
        };
        request.platforms.iter().enumerate().map(session).collect()
    }

    /// The same session, which tells nobody what it does.
    pub(crate) fn silent(&self) -> Self {
        Self { events: EventSink::silent(), ..self.clone() }
    }

    /// The same session, which writes layers of the image.
    pub(crate) fn for_the_image(&self) -> Self {
        Self { compression: self.request.compression, ..self.clone() }
    }

    /// How a stage is called in progress: with its platform where there are several.
    pub(crate) fn title(&self, stage: &str) -> String {
        if self.request.platforms.len() > 1 { format!("{} {stage}", self.platform) } else { stage.to_owned() }
    }

    /// Runs synchronous work on a thread of its own.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Arc<BuildError>> + Send + 'static,
    ) -> Result<T, Arc<BuildError>> {
        let threads = self.work.clone();
        let begun = move || if threads.is_stopped() { Err(stopped()) } else { work() };
        match self.work.start(begun).await {
            Ok(result) => result,
            Err(error) => Err(Arc::new(BuildError::Internal(error.to_string()))),
        }
    }

    /// Brings a blob of a repository into the store; it can be read meanwhile by the other end of `arrival`.
    pub(crate) async fn fetch(
        &self,
        origin: &Repository,
        blob: &Descriptor,
        arrival: Option<Arrival>,
    ) -> Result<(), Arc<BuildError>> {
        if self.blobs.holds(&blob.digest, blob.size) {
            return Ok(());
        }
        let task = self.events.start(Stage::Pull, format!("pull {} {}", origin.path(), short(blob.digest.hex())));
        let progress = |bytes: u64| task.progress(bytes, Some(blob.size));
        match self.registry.fetch_blob(origin, blob, &self.blobs, &progress, arrival).await {
            Ok(()) => {
                task.finish(Outcome::Done);
                Ok(())
            }
            Err(error) => {
                task.finish(Outcome::Failed(error.to_string()));
                Err(Arc::new(BuildError::Layer(Problem::from_error(error))))
            }
        }
    }

    /// Brings a blob into the store from where a remote cache found it, when that is no repository.
    pub(crate) async fn take_from(&self, origin: &Origin, blob: &Descriptor) -> Result<(), Arc<BuildError>> {
        let taken = match origin {
            Origin::Repository(repository) => return self.fetch(repository, blob, None).await,
            Origin::Layout(path) => layout::copy_blob(path, blob, &self.blobs).await.map_err(Problem::from_error),
            Origin::Absent { from } if !self.blobs.holds(&blob.digest, blob.size) => {
                Err(Problem::new(format!("{from} has no layer {}", blob.digest)))
            }
            Origin::Absent { .. } => Ok(()),
        };
        taken.map_err(|problem| Arc::new(BuildError::Layer(problem)))
    }

    /// The time that goes into the image for what is made now, in RFC 3339.
    pub(crate) fn now(&self) -> String {
        self.time().to_string()
    }

    /// The time of directories that are made now.
    pub(crate) fn timestamp(&self) -> windlass_layer::Timestamp {
        let time = self.time();
        windlass_layer::Timestamp { seconds: time.as_second(), nanoseconds: u32::try_from(time.subsec_nanosecond()).unwrap_or(0) }
    }

    fn time(&self) -> Timestamp {
        let now = Timestamp::now();
        match self.request.source_date_epoch.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(latest) => now.min(latest),
            None => now,
        }
    }

    /// Tells this build and platform apart from all others.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Every secret of this build, for taking them out of what is shown.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let arguments = self.request.arguments.iter().filter_map(|(_, value)| match value {
            Argument::Secret(secret) => Some(secret),
            Argument::Open(_) => None,
        });
        self.request.secrets.values().chain(arguments)
    }

    /// Whether the value of that build argument is not to be shown.
    pub(crate) fn is_secret_argument(&self, name: &str) -> bool {
        self.request.arguments.iter().any(|(known, value)| known == name && matches!(value, Argument::Secret(_)))
    }
}

/// What is told of work that was not begun because the build has failed or was cancelled.
fn stopped() -> Arc<BuildError> {
    Arc::new(BuildError::Cancelled)
}

fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
