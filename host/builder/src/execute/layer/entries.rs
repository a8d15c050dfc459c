//! What a layer says, entry by entry, for whoever makes another one of it.

use std::sync::Arc;

use windlass_layer::{EntryKind, Layer, Limits, Listing, View, ViewError};

use super::{BuildLayer, check_diff_id, failed};
use crate::execute::error::{BuildError, Problem};
use crate::execute::session::Session;
use crate::store::StepLayer;

impl BuildLayer {
    /// Everything that the layer says, as its blob has it; the contents stand in its directory.
    pub(crate) async fn entries(&self, session: &Arc<Session>) -> Result<Listing, Arc<BuildError>> {
        let blob = self.blob().await?;
        self.fetch(session, &blob).await?;
        // Made of the blob, if there is none yet: the files that a step has copied may have changed since.
        let snapshot = self.directory.get_or_try_init(|| self.unpacked(session)).await?;
        let (directory, worker) = (Layer::directory(snapshot).map_err(failed)?, Arc::clone(session));
        session.blocking(move || found_in(list(&worker, &blob)?, directory)).await
    }
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
