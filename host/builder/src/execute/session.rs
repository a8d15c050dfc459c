//! What every step of a build shares.

use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;
use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Finding, Platform, Repository, Secret};
use windlass_layer::{Compression, DiffError, Entry, LayerOptions, Listing, OverlayXattrs, Ownership, Snapshot, SnapshotFormat};
use windlass_registry::image::Descriptor;
use windlass_registry::{Arrival, Blobs, Registry, layout};
use windlass_sandbox::{Cancel, Isolation, LimitGroup, Unlimited};

use super::error::{BuildError, Problem};
use super::layer::{BlobFuture, BuildLayer};
use super::lineage::Continues;
use super::remote::{Fetches, Remotes};
use super::remote_cache::{Found, Origin, RemoteCache, Sharing, Whence};
use super::request::{Argument, BuildRequest, StepOutcome};
use super::work::Work;
use crate::store::{KeyBuilder, SnapshotId, StepKey, StepLayer, StepRecord, Store};

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
    /// Who is told of each layer of the image that a step makes, as soon as its blob is in the store.
    pub finished_layers: Option<UnboundedSender<Descriptor>>,
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
    finished_layers: Option<UnboundedSender<Descriptor>>,
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
                finished_layers: workshop.finished_layers.clone(),
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

    /// Whether any cache may know of a step, so that only looking for it can tell.
    pub(crate) fn may_have_results(&self) -> bool {
        self.store.has_steps() || self.sharing.is_shared()
    }

    /// The unpacked layer of that name, if it is there and whole.
    pub(crate) fn snapshot(&self, id: &SnapshotId) -> Option<Snapshot> {
        let root = self.store.sound_snapshot(id, &self.events)?;
        Some(Snapshot::open(root, self.format))
    }

    /// Compresses a layer in the background and records under `keys` what the step has made.
    pub(crate) fn write_layer(self: &Arc<Self>, made: Made) -> BlobFuture {
        let session = Arc::clone(self);
        let written = self.work.start_in_turn(move || session.write_layer_now(made));
        let ended = |error: tokio::task::JoinError| Err(Arc::new(BuildError::Internal(error.to_string())));
        let blob = written.map(move |joined| joined.flatten().unwrap_or_else(ended)).boxed().shared();
        // Its result is shared when it is there, also where no image waits for it.
        self.sharing.wait_for(blob.clone().map(drop).boxed());
        blob
    }

    fn write_layer_now(&self, made: Made) -> Result<Arc<StepLayer>, Arc<BuildError>> {
        let wrong = |error: Problem| Arc::new(BuildError::Layer(error));
        let options = LayerOptions {
            compression: self.compression,
            latest_modification: self.request.source_date_epoch,
            ..LayerOptions::default()
        };
        let writer = self.blobs.writer().map_err(|error| wrong(Problem::from_error(error)))?;
        let mut writer = self.work.watched(writer);
        let blob = match made.entries {
            EntrySource::Listed(listing) => windlass_layer::write_layer(&listing, &options, &mut writer),
            EntrySource::Read(entries) => windlass_layer::write_changes(entries, &options, &mut writer),
        };
        let blob = blob.map_err(|error| wrong(Problem::from_error(error)))?;
        (made.verify)().map_err(wrong)?;
        writer.into_inner().commit_as(&blob.digest).map_err(|error| wrong(Problem::from_error(error)))?;
        let layer = StepLayer::of(blob, made.snapshot);
        let continues = made.keys.first().and_then(|key| made.continues.key(key, &layer.diff_id));
        self.record(&made.keys, &StepRecord { layer: Some(layer.clone()), created: made.created, continues })?;
        Ok(Arc::new(layer))
    }

    /// Tells of a layer of the image when its blob is there.
    pub(crate) fn tell_when_finished(&self, layer: &Arc<BuildLayer>) {
        let Some(listener) = self.finished_layers.clone().filter(|_| layer.origin().is_none()) else { return };
        let layer = Arc::clone(layer);
        tokio::spawn(async move {
            if let Ok(blob) = layer.blob().await {
                // Whoever has stopped listening needs to know no more.
                let _ = listener.send(Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size));
            }
        });
    }

    /// Records what a step has made: under its key, which comes first in `keys`, and under shortcuts to that.
    pub(crate) fn record(&self, keys: &[StepKey], record: &StepRecord) -> Result<(), Arc<BuildError>> {
        for key in keys {
            let continues = record.continues.or_else(|| keys.first().filter(|first| *first != key).copied());
            let record = StepRecord { continues, ..record.clone() };
            let key = self.blob_key(key);
            self.store.record_step(&key, &record).map_err(|error| Arc::new(BuildError::Store(error)))?;
            self.sharing.tell(key, &record, Whence::Made);
        }
        Ok(())
    }

    /// The key of a step's blob. What a step makes of the files does not depend on how the layer is compressed and which
    /// times it may have; its blob does.
    pub(super) fn blob_key(&self, key: &StepKey) -> StepKey {
        let (compression, source_date_epoch) = (self.compression, self.request.source_date_epoch);
        if compression == Compression::default() && source_date_epoch.is_none() {
            return *key;
        }
        KeyBuilder::new("blob")
            .field("step", key.as_bytes())
            .field("compression", format!("{compression:?}"))
            .field("epoch", format!("{source_date_epoch:?}"))
            .finish()
    }

    /// The record of a step, when the cache may be used and still has the whole layer.
    fn cached_here(&self, blob_key: &StepKey) -> Option<StepRecord> {
        let record = self.store.step(blob_key, &self.events)?;
        let here = record.layer.as_ref().is_none_or(|layer| self.blobs.holds(&layer.digest, layer.size));
        here.then_some(record)
    }

    /// What is known of a step: here, or where results are shared. Nobody is asked who cannot know because it `is_new`.
    pub(crate) async fn cached(&self, key: &StepKey, is_new: bool) -> Option<Cached> {
        let blob_key = self.blob_key(key);
        if let Some(record) = self.cached_here(&blob_key) {
            self.sharing.tell(blob_key, &record, Whence::Stored);
            return Some(Cached { record, claim: None });
        }
        if is_new {
            return None;
        }
        let Found { mut record, origin } = self.sharing.find(&blob_key).await?;
        self.sharing.tell(blob_key, &record, Whence::Found(origin.clone()));
        match &mut record.layer {
            Some(layer) => {
                let unique = format!("-{}", layer.diff_id.hex().get(..32).unwrap_or_default());
                layer.snapshot = Some(self.named_snapshot(&record.continues.unwrap_or(*key), &unique));
            }
            // There is nothing to be checked later; a store that cannot be written is asked again.
            None => drop(self.store.record_step(&blob_key, &record)),
        }
        let claim = Claim { key: blob_key, record: record.clone(), origin };
        Some(Cached { record, claim: Some(claim) })
    }

    /// The same for a shortcut: whoever hears of results hears of what it stands for too, as when the step was run.
    pub(crate) async fn cached_by_shortcut(&self, key: &StepKey, is_new: bool) -> Option<Cached> {
        let cached = self.cached(key, is_new).await?;
        if let Some(target) = cached.record.continues {
            let record = StepRecord { continues: None, ..cached.record.clone() };
            self.sharing.tell(self.blob_key(&target), &record, cached.whence());
        }
        Some(cached)
    }

    /// Tells of a shortcut to a result that was found elsewhere. It is no record of ours before its layer has been compared.
    pub(crate) fn tell_of_shortcut(&self, shortcut: &StepKey, alias: &StepRecord, whence: Whence) {
        self.sharing.tell(self.blob_key(shortcut), alias, whence);
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

    /// The name of the directory that a step's layer is kept in. Its form depends on the isolation.
    pub(crate) fn snapshot_id(&self, key: &StepKey) -> SnapshotId {
        self.named_snapshot(key, "")
    }

    /// The name for a step that runs although the cache may know it: what the cache knows stays as it is.
    pub(crate) fn fresh_snapshot_id(&self, key: &StepKey) -> SnapshotId {
        self.named_snapshot(key, &format!("-{}", self.nonce))
    }

    /// The name that belongs to a layer of the cache, in the form of this build's isolation.
    pub(crate) fn recorded_snapshot_id(&self, key: &StepKey, layer: &StepLayer) -> SnapshotId {
        let plain = self.named_snapshot(key, "");
        let unique = layer.snapshot.as_ref().and_then(|id| id.as_str().get(plain.as_str().len()..));
        self.named_snapshot(key, unique.unwrap_or_default())
    }

    fn named_snapshot(&self, key: &StepKey, unique: &str) -> SnapshotId {
        let form = match (self.format.ownership, self.format.overlay_xattrs) {
            (Ownership::Recorded, _) => "s",
            // Without a user namespace, ids on disk are what they are in the image.
            (Ownership::Apply, OverlayXattrs::User) if self.request.isolation().is_plain() => "c",
            (Ownership::Apply, OverlayXattrs::User) => "u",
            (Ownership::Apply, OverlayXattrs::Trusted) => "r",
        };
        SnapshotId::parse(&format!("{key}-{form}{unique}")).expect("hexadecimal digits, letters and dashes are a snapshot's name")
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

/// What is known of a step.
pub(crate) struct Cached {
    pub(crate) record: StepRecord,
    /// Whose word it is, when it is not the store's.
    pub(crate) claim: Option<Claim>,
}

impl Cached {
    /// The layer of the step `key` on those `below`, if it made one, and what became of the step.
    pub(crate) fn layer(
        self,
        session: &Session,
        key: &StepKey,
        below: Vec<Arc<BuildLayer>>,
    ) -> (Option<Arc<BuildLayer>>, StepOutcome) {
        let Self { record, claim } = self;
        let outcome = StepOutcome::Cached(claim.as_ref().map(|claim| claim.origin.clone()));
        let layer = record.layer.map(|layer| {
            let id = session.recorded_snapshot_id(key, &layer);
            match claim {
                Some(claim) => BuildLayer::claimed(id, layer, claim, below),
                None => BuildLayer::cached(id, layer, below),
            }
        });
        (layer, outcome)
    }

    /// How it came to be known.
    pub(crate) fn whence(&self) -> Whence {
        self.claim.as_ref().map_or(Whence::Stored, |claim| Whence::Found(claim.origin.clone()))
    }
}

/// What a remote cache says of a step. Its layer counts once it has been compared with what is said of it.
pub(crate) struct Claim {
    /// The key that it was found under.
    pub(super) key: StepKey,
    pub(super) record: StepRecord,
    pub(crate) origin: Origin,
}

impl Session {
    /// The layer is what was claimed: from now on the store knows the step too.
    pub(super) fn confirm(&self, claim: &Claim) {
        // A store that cannot be written only asks again.
        let _ = self.store.record_step(&claim.key, &claim.record);
    }

    /// The layer is not what was claimed, or cannot be had: the step is made again.
    pub(super) fn distrust(&self, claim: &Claim, error: &BuildError) {
        if self.cancel.is_cancelled() {
            return;
        }
        self.sharing.distrust(claim.key, &claim.origin, error);
        if matches!(claim.origin, Origin::Absent { .. }) {
            return;
        }
        let message = format!("an entry of the cache {} is not used: {}", claim.origin, error.short());
        self.events.notice(Finding::warn("cache/unusable-entry", message).about(claim.key.to_string()));
    }
}

/// Where the entries of a layer that is to be written come from.
pub(crate) enum EntrySource {
    /// They are in memory, their contents where they come from.
    Listed(Arc<Listing>),
    /// They are read off the layer's directory, or made while they are written.
    Read(Box<dyn Iterator<Item = Result<Entry, DiffError>> + Send>),
}

/// A layer that a step has made.
pub(crate) struct Made {
    /// Its entries.
    pub(crate) entries: EntrySource,
    /// The keys it is recorded under.
    pub(crate) keys: Vec<StepKey>,
    /// What later steps build on.
    pub(crate) continues: Continues,
    /// The directory it was left in, when that is not the one that its key names.
    pub(crate) snapshot: Option<SnapshotId>,
    /// When it was made.
    pub(crate) created: String,
    /// Makes sure, once it has been written, that its files are still what the key stands for.
    pub(crate) verify: Box<dyn FnOnce() -> Result<(), Problem> + Send>,
}

/// What is told of work that was not begun because the build has failed or was cancelled.
fn stopped() -> Arc<BuildError> {
    Arc::new(BuildError::Cancelled)
}

fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
