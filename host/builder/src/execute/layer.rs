//! A layer of a stage, in as many forms as someone has asked for: its blob, a form that can be looked into, a directory.

mod entries;
mod outline;
mod unpack;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, future};
use tokio::sync::OnceCell;
use windlass_core::{Digest, Repository};
use windlass_layer::{Layer, Limits, Listing, Snapshot, View};
use windlass_registry::image::Descriptor;
use windlass_registry::{Arrival, Arriving};

use super::error::{BuildError, Problem};
use super::remote_cache::Origin;
use super::session::{Claim, Session, Writing};
use crate::store::{SnapshotId, StepLayer};
pub(crate) use outline::{LayersBelow, keep_outlines};

/// A blob that is known, or being written while the build goes on.
pub(crate) type BlobFuture = Shared<BoxFuture<'static, Result<Arc<StepLayer>, Arc<BuildError>>>>;

/// A layer; clones of the `Arc` share its forms.
pub(crate) struct BuildLayer {
    snapshot: SnapshotId,
    blob: BlobFuture,
    /// The repository that the blob can be fetched from, for a layer of a base image.
    origin: Option<Repository>,
    /// Whether somebody else made it, whose word on what it unpacks to has to be checked.
    is_foreign: bool,
    /// What a remote cache says of it, for a layer of one.
    claim: Option<Claim>,
    /// Set once a claimed layer has been compared without being unpacked.
    compared: OnceCell<()>,
    /// What a step has listed, for a layer that is not a directory yet.
    entries: Option<Arc<Listing>>,
    /// What is below it, which a directory may have to look into while it is made.
    below: Vec<Arc<BuildLayer>>,
    form: OnceCell<Layer>,
    directory: OnceCell<Snapshot>,
    /// What a remote cache tells of a layer that is not on this machine, once it has been asked.
    outline: OnceCell<Option<Layer>>,
    /// Whether the remote cache has been offered its outline.
    is_offered: AtomicBool,
    /// The bytes of a layer that is being written, for whoever asks first.
    bytes: Mutex<Option<Arriving>>,
}

impl BuildLayer {
    /// A layer that the cache has: its blob is known.
    pub(crate) fn cached(snapshot: SnapshotId, blob: StepLayer, below: Vec<Arc<Self>>) -> Arc<Self> {
        Self::known(snapshot, (ready(blob), None), None, false, None, below)
    }

    /// A layer that is made while it is written: whoever wants to look into it waits for its blob.
    pub(crate) fn streamed(snapshot: SnapshotId, Writing { blob, bytes }: Writing, below: Vec<Arc<Self>>) -> Arc<Self> {
        Self::known(snapshot, (blob, Some(bytes)), None, false, None, below)
    }

    /// A layer of a base image, whose blob is in the store or can be fetched from `origin`.
    pub(crate) fn base(snapshot: SnapshotId, blob: StepLayer, origin: Option<Repository>, below: Vec<Arc<Self>>) -> Arc<Self> {
        Self::known(snapshot, (ready(blob), None), origin, true, None, below)
    }

    /// A layer that a remote cache has.
    pub(crate) fn claimed(snapshot: SnapshotId, blob: StepLayer, claim: Claim, below: Vec<Arc<Self>>) -> Arc<Self> {
        let origin = match &claim.origin {
            Origin::Repository(repository) => Some(repository.clone()),
            Origin::Layout(_) | Origin::Absent { .. } => None,
        };
        Self::known(snapshot, (ready(blob), None), origin, true, Some(claim), below)
    }

    fn known(
        snapshot: SnapshotId,
        (blob, bytes): (BlobFuture, Option<Arriving>),
        origin: Option<Repository>,
        is_foreign: bool,
        claim: Option<Claim>,
        below: Vec<Arc<Self>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            snapshot,
            blob,
            origin,
            is_foreign,
            claim,
            compared: OnceCell::new(),
            entries: None,
            below,
            form: OnceCell::new(),
            directory: OnceCell::new(),
            outline: OnceCell::new(),
            is_offered: AtomicBool::new(false),
            bytes: Mutex::new(bytes),
        })
    }

    /// A layer that a step has just listed; its blob is on its way.
    pub(crate) fn listed(snapshot: SnapshotId, writing: Writing, entries: Arc<Listing>, below: Vec<Arc<Self>>) -> Arc<Self> {
        let Writing { blob, bytes } = writing;
        let form = OnceCell::new_with(Some(Layer::listing(Arc::clone(&entries))));
        let entries = Some(entries);
        Arc::new(Self {
            snapshot,
            blob,
            origin: None,
            is_foreign: false,
            claim: None,
            compared: OnceCell::new(),
            entries,
            below,
            form,
            directory: OnceCell::new(),
            outline: OnceCell::new(),
            is_offered: AtomicBool::new(false),
            bytes: Mutex::new(Some(bytes)),
        })
    }

    /// A layer that stands in a directory, as a RUN leaves it; its blob is on its way.
    pub(crate) fn left(
        id: SnapshotId,
        Writing { blob, bytes }: Writing,
        snapshot: Snapshot,
        below: Vec<Arc<Self>>,
    ) -> Result<Arc<Self>, BuildError> {
        let form = OnceCell::new_with(Some(Layer::directory(&snapshot).map_err(failed)?));
        let directory = OnceCell::new_with(Some(snapshot));
        Ok(Arc::new(Self {
            snapshot: id,
            blob,
            origin: None,
            is_foreign: false,
            claim: None,
            compared: OnceCell::new(),
            entries: None,
            below,
            form,
            directory,
            outline: OnceCell::new(),
            is_offered: AtomicBool::new(false),
            bytes: Mutex::new(Some(bytes)),
        }))
    }

    /// The bytes of a layer that is being written, once.
    pub(crate) fn take_bytes(&self) -> Option<Arriving> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The blob, when it has been written.
    pub(crate) async fn blob(&self) -> Result<Arc<StepLayer>, Arc<BuildError>> {
        self.blob.clone().await
    }

    /// Whether it came with a base image.
    pub(crate) fn is_of_a_base(&self) -> bool {
        self.is_foreign && self.claim.is_none()
    }

    /// The repository that the blob can be fetched from, when it may not be in the store.
    pub(crate) fn origin(&self) -> Option<&Repository> {
        self.origin.as_ref()
    }

    /// What the layer has to unpack to, unless it was compared already. For a layer that somebody else made.
    pub(crate) fn unchecked(&self, session: &Session, blob: &StepLayer) -> Option<Digest> {
        let known = !self.is_foreign || self.compared.initialized() || session.store.snapshot(&self.snapshot).is_some();
        (!known).then(|| blob.diff_id.clone())
    }

    /// Sees to it that the image can have the layer: one of a remote cache is fetched and compared, unless it may stay there.
    pub(crate) async fn settled(&self, session: &Arc<Session>) -> Result<(), Arc<BuildError>> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let blob = self.blob().await?;
        if session.sharing.may_stay(&blob, &claim.origin).await {
            return Ok(());
        }
        let compared = self.compared.get_or_try_init(|| async {
            let compared = match self.unchecked(session, &blob) {
                Some(_) => self.fetched_and_compared(session, Arc::clone(&blob)).await,
                // Unpacked, it was compared; but its blob may be gone.
                None => self.fetch(session, &blob, None).await,
            };
            settle(session, claim, compared)
        });
        compared.await.copied()
    }

    async fn fetched_and_compared(&self, session: &Arc<Session>, blob: Arc<StepLayer>) -> Result<(), Arc<BuildError>> {
        self.fetch(session, &blob, None).await?;
        let worker = session.clone();
        session
            .blocking(move || {
                let file = worker.blobs.file(&blob.digest).map_err(failed)?;
                let found = windlass_layer::diff_id(file, Limits::default()).map_err(failed)?;
                check_diff_id(&found, &blob.digest, &blob.diff_id).map_err(|problem| Arc::new(BuildError::Layer(problem)))
            })
            .await
    }

    /// Brings the blob into the store when it is elsewhere; one that comes from a repository can be read meanwhile.
    async fn fetch(&self, session: &Session, blob: &StepLayer, arrival: Option<Arrival>) -> Result<(), Arc<BuildError>> {
        let descriptor = Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size);
        match (&self.origin, self.claim.as_ref().map(|claim| &claim.origin)) {
            (Some(origin), _) => session.fetch(origin, &descriptor, arrival).await,
            (None, Some(origin)) => session.take_from(origin, &descriptor).await,
            (None, None) => Ok(()),
        }
    }

    /// A form that can be looked into.
    pub(crate) async fn form(&self, session: &Arc<Session>) -> Result<Layer, Arc<BuildError>> {
        let form = self.form.get_or_try_init(|| async {
            let snapshot = self.directory.get_or_try_init(|| self.unpacked(session)).await?;
            Layer::directory(snapshot).map_err(|error| Arc::new(failed(error)))
        });
        form.await.cloned()
    }

    /// The directory that an overlay takes.
    pub(crate) async fn directory(&self, session: &Arc<Session>) -> Result<PathBuf, Arc<BuildError>> {
        let snapshot = self.directory.get_or_try_init(|| async {
            match self.form.get() {
                Some(form) => match form.snapshot() {
                    Some(snapshot) => Ok(snapshot.clone()),
                    None => self.materialised(session).await,
                },
                None => self.unpacked(session).await,
            }
        });
        Ok(snapshot.await?.files())
    }

    /// Writes a listing as a directory.
    async fn materialised(&self, session: &Arc<Session>) -> Result<Snapshot, Arc<BuildError>> {
        let below = view_of(&self.below, session).await?;
        let Some(entries) = self.entries.clone() else {
            return Err(Arc::new(BuildError::Internal("a layer has no entries".to_owned())));
        };
        let (id, store, format) = (self.snapshot.clone(), session.clone(), session.format);
        session
            .blocking(move || {
                if let Some(snapshot) = store.snapshot(&id) {
                    return Ok(snapshot);
                }
                let made = store.store.create_snapshot(&id, |root| {
                    let snapshot = Snapshot::create(root, format).map_err(Problem::from_error)?;
                    windlass_layer::materialise(&entries, &snapshot, Some(&below)).map_err(Problem::from_error)
                });
                Ok(Snapshot::open(made.map_err(failed)?, format))
            })
            .await
    }

    /// The directory of a layer whose blob is known, fetched and unpacked when it has to be.
    ///
    /// Layers are unpacked side by side. None keeps a thread, or the turn of another one, while it waits for those below.
    fn unpacked<'a>(&'a self, session: &'a Arc<Session>) -> BoxFuture<'a, Result<Snapshot, Arc<BuildError>>> {
        async move {
            // Several images may have the layer.
            let _alone = session.work.alone_with(&self.snapshot).await;
            let (id, worker) = (self.snapshot.clone(), session.clone());
            if let Some(snapshot) = session.blocking(move || Ok(worker.snapshot(&id))).await? {
                return Ok(snapshot);
            }
            let distrusted = session.sharing.distrusted();
            let made = self.made_from_blob(session).await;
            match &self.claim {
                // What is wrong with a layer below is no fault of this one.
                Some(claim) if distrusted == session.sharing.distrusted() => settle(session, claim, made),
                _ => made,
            }
        }
        .boxed()
    }
}

/// A blob that is known.
fn ready(blob: StepLayer) -> BlobFuture {
    future::ready(Ok(Arc::new(blob))).boxed().shared()
}

/// What becomes of a claim, once its layer has been looked at.
fn settle<T>(session: &Session, claim: &Claim, made: Result<T, Arc<BuildError>>) -> Result<T, Arc<BuildError>> {
    match &made {
        Ok(_) => session.confirm(claim),
        Err(error) => session.distrust(claim, error),
    }
    made
}

/// Compares what the layer `digest` has unpacked to with what the image's configuration says.
pub(super) fn check_diff_id(found: &Digest, digest: &Digest, expected: &Digest) -> Result<(), Problem> {
    if found == expected {
        return Ok(());
    }
    let message = format!(
        "layer {digest} unpacks to {found}, but the image's configuration says {expected}; the image is damaged or was tampered with"
    );
    Err(Problem::new(message).help("push the base image anew, or name another one"))
}

/// What the layers hold together.
pub(crate) async fn view_of(layers: &[Arc<BuildLayer>], session: &Arc<Session>) -> Result<View, Arc<BuildError>> {
    let forms = future::try_join_all(layers.iter().map(|layer| layer.form(session))).await?;
    Ok(View::new(forms))
}

/// The directories for an overlay, the topmost first.
pub(crate) async fn directories(layers: &[Arc<BuildLayer>], session: &Arc<Session>) -> Result<Vec<PathBuf>, Arc<BuildError>> {
    let mut directories = future::try_join_all(layers.iter().map(|layer| layer.directory(session))).await?;
    directories.reverse();
    Ok(directories)
}

/// An error of the store or of a layer, outside any instruction.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> BuildError {
    BuildError::Layer(Problem::from_error(error))
}
