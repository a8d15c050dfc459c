//! What a layer says, entry by entry, for whoever makes another one of it.

use std::sync::Arc;

use windlass_layer::{EntryKind, Layer, Limits, Listing, Snapshot, UnpackOptions, View, ViewError};

use super::{BuildLayer, check_diff_id, failed};
use crate::execute::error::{BuildError, Problem};
use crate::execute::session::Session;
use crate::store::{StepLayer, TemporaryDirectory};

/// The entries that a layer's blob has.
pub(crate) struct BlobEntries {
    pub(crate) listing: Listing,
    /// Where the contents stand, when that is nowhere else.
    pub(crate) unpacked: Option<TemporaryDirectory>,
}

impl BuildLayer {
    /// Everything that the layer says, as its blob has it. What lies below is not asked for.
    pub(crate) async fn entries(&self, session: &Arc<Session>) -> Result<BlobEntries, Arc<BuildError>> {
        let blob = self.blob().await?;
        self.fetch(session, &blob, None).await?;
        let (known, worker) = (self.directory.get().cloned(), Arc::clone(session));
        session
            .blocking(move || {
                let listing = list(&worker, &blob)?;
                let (snapshot, unpacked) = match known {
                    Some(snapshot) => (snapshot, None),
                    // The files that a step has copied may have changed since: only the blob has what it took.
                    None => unpack(&worker, &blob).map(|(snapshot, directory)| (snapshot, Some(directory)))?,
                };
                let listing = found_in(listing, Layer::directory(&snapshot).map_err(failed)?)?;
                Ok(BlobEntries { listing, unpacked })
            })
            .await
    }
}

/// Unpacks a blob into a directory of its own, without what it may imply of the layers below.
fn unpack(session: &Session, blob: &StepLayer) -> Result<(Snapshot, TemporaryDirectory), Arc<BuildError>> {
    let directory = session.store.temporary_directory().map_err(failed)?;
    let snapshot = Snapshot::create(directory.path().join("layer"), session.format).map_err(failed)?;
    let file = session.work.watched(session.blobs.file(&blob.digest).map_err(failed)?);
    windlass_layer::unpack(file, &snapshot, &UnpackOptions::default()).map_err(failed)?;
    Ok((snapshot, directory))
}

/// The entries of a blob of the store.
fn list(session: &Session, blob: &StepLayer) -> Result<Listing, Arc<BuildError>> {
    let wrong = |problem: Problem| Arc::new(BuildError::Layer(problem));
    let file = session.blobs.file(&blob.digest).map_err(failed)?;
    let listed = windlass_layer::list(session.work.watched(file), Limits::default());
    let (listing, diff_id) =
        listed.map_err(|error| wrong(Problem::from_error(error).about(&format!("layer {} cannot be read", blob.digest))))?;
    check_diff_id(&diff_id, &blob.digest, &blob.diff_id).map_err(wrong)?;
    Ok(listing)
}

/// The entries with their contents in a directory, which is looked into by way of a view: no link in it is followed.
fn found_in(mut listing: Listing, directory: Layer) -> Result<Listing, Arc<BuildError>> {
    let view = View::new(vec![directory]);
    for entry in &mut listing {
        let EntryKind::File { size, content } = &mut entry.kind else { continue };
        *content = match view.lookup(&entry.path).map_err(failed)?.map(|found| found.kind) {
            Some(EntryKind::File { size: found, content }) if found == *size => content,
            _ => return Err(Arc::new(failed(ViewError::Absent { path: entry.path.clone() }))),
        };
    }
    Ok(listing)
}
