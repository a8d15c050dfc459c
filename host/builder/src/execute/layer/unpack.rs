//! The directory of a layer that is a blob: begun while the blob comes in, and shown to nobody before all of it is right.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use windlass_layer::{Snapshot, SnapshotError, UnpackError, UnpackOptions, Unpacked, View};
use windlass_registry::{Arriving, arriving};

use super::{BuildLayer, check_diff_id, failed, view_of};
use crate::execute::error::{BuildError, Problem};
use crate::execute::session::Session;
use crate::store::{Begun, SnapshotId, StepLayer, Unfinished};

/// How often one looks whether another process has come to the end of a layer.
const GLANCE: Duration = Duration::from_millis(20);

impl BuildLayer {
    /// The directory of a layer, made from its blob.
    pub(super) async fn made_from_blob(&self, session: &Arc<Session>) -> Result<Snapshot, Arc<BuildError>> {
        let blob = self.blob().await?;
        let unfinished = match begin(session, &self.snapshot).await? {
            Begun::Complete(snapshot) => return Ok(Snapshot::open(snapshot, session.format)),
            Begun::Unfinished(unfinished) => unfinished,
        };
        let (unfinished, first) = self.fetched_and_unpacked(session, &blob, unfinished).await?;
        let unfinished = match first {
            Tried::Whole => unfinished,
            Tried::Unpacked(unpacked) => {
                let below = view_of(&self.below, session).await?;
                adopt(session, unfinished, unpacked, below).await?
            }
            Tried::LinksBelow => {
                let below = view_of(&self.below, session).await?;
                unpack(session, &blob, unfinished, Some(below)).await?.0
            }
        };
        Ok(Snapshot::open(unfinished.finish().map_err(failed)?, session.format))
    }

    /// Fetches the blob and unpacks it, both at the same time where it comes from a registry.
    async fn fetched_and_unpacked(
        &self,
        session: &Arc<Session>,
        blob: &Arc<StepLayer>,
        unfinished: Unfinished,
    ) -> Result<(Unfinished, Tried), Arc<BuildError>> {
        let (arrival, arriving) = arriving();
        let fetch = self.fetch(session, blob, Some(arrival));
        let ((), early) = tokio::try_join!(fetch, unpack_arriving(session, blob, unfinished, arriving))?;
        match early {
            (unfinished, Some(tried)) => Ok((unfinished, tried)),
            (unfinished, None) => unpack(session, blob, unfinished, None).await,
        }
    }
}

/// Begins a snapshot, unless another process completes it meanwhile. Waiting for that keeps no thread: one for each layer
/// would cost more memory than the layers do, and could not be stopped.
async fn begin(session: &Session, snapshot: &SnapshotId) -> Result<Begun, Arc<BuildError>> {
    loop {
        if let Some(begun) = session.store.try_begin_snapshot(snapshot).map_err(failed)? {
            return Ok(begun);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// What has come of unpacking a layer.
enum Tried {
    /// All of it is there.
    Whole,
    /// It implies directories whose attributes stand below.
    Unpacked(Unpacked),
    /// It has hard links to files below, and nothing is there.
    LinksBelow,
}

/// Unpacks a blob while it comes in. `None` when it does not come this way, or something went wrong: what that was, unpacking
/// the whole blob tells.
async fn unpack_arriving(
    session: &Arc<Session>,
    blob: &Arc<StepLayer>,
    unfinished: Unfinished,
    arriving: Arriving,
) -> Result<(Unfinished, Option<Tried>), Arc<BuildError>> {
    if !arriving.has_grown_to(1).await {
        return Ok((unfinished, None));
    }
    let _turn = session.work.turn_to_unpack().await;
    let (worker, blob) = (Arc::clone(session), Arc::clone(blob));
    let work = move || {
        let stopped = worker.clone();
        let tried = unpack_now(&worker, arriving.reader(move || stopped.work.is_stopped()), &blob, &unfinished.path(), None);
        if tried.is_err() && unfinished.path().exists() {
            std::fs::remove_dir_all(unfinished.path()).map_err(failed)?;
        }
        Ok((unfinished, tried.ok()))
    };
    session.blocking(work).await
}

/// Unpacks a blob of the store into a snapshot; what it needs of the layers below it finds in `lower`.
async fn unpack(
    session: &Arc<Session>,
    blob: &Arc<StepLayer>,
    unfinished: Unfinished,
    lower: Option<View>,
) -> Result<(Unfinished, Tried), Arc<BuildError>> {
    let _turn = session.work.turn_to_unpack().await;
    let (worker, blob) = (Arc::clone(session), Arc::clone(blob));
    let work = move || {
        let file = worker.blobs.file(&blob.digest).map_err(failed)?;
        match unpack_now(&worker, file, &blob, &unfinished.path(), lower.as_ref()) {
            Ok(tried) => Ok((unfinished, tried)),
            Err(problem) => Err(Arc::new(BuildError::Layer(problem))),
        }
    };
    session.blocking(work).await
}

fn unpack_now(
    session: &Session,
    stream: impl Read + Send,
    blob: &StepLayer,
    root: &Path,
    lower: Option<&View>,
) -> Result<Tried, Problem> {
    let snapshot = Snapshot::create(root, session.format).map_err(Problem::from_error)?;
    let options = UnpackOptions { lower, ..UnpackOptions::default() };
    match windlass_layer::unpack(session.work.watched(stream), &snapshot, &options) {
        Err(UnpackError::Snapshot(SnapshotError::LinkTarget { .. })) if lower.is_none() => {
            std::fs::remove_dir_all(root).map_err(Problem::from_error)?;
            Ok(Tried::LinksBelow)
        }
        Err(error) => Err(Problem::from_error(error).about(&format!("layer {} cannot be unpacked", blob.digest))),
        Ok(unpacked) => {
            check_diff_id(&unpacked.diff_id, &blob.digest, &blob.diff_id)?;
            let whole = lower.is_some() || (unpacked.implied.is_empty() && unpacked.root_entry);
            Ok(if whole { Tried::Whole } else { Tried::Unpacked(unpacked) })
        }
    }
}

/// Gives directories that the layer only implies what they have below.
async fn adopt(
    session: &Arc<Session>,
    unfinished: Unfinished,
    unpacked: Unpacked,
    below: View,
) -> Result<Unfinished, Arc<BuildError>> {
    let format = session.format;
    session
        .blocking(move || {
            let snapshot = Snapshot::open(unfinished.path(), format);
            windlass_layer::adopt(&snapshot, &unpacked, &below).map_err(|error| Arc::new(failed(error)))?;
            Ok(unfinished)
        })
        .await
}
