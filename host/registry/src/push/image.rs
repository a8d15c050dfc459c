//! Whole images.

use std::collections::BTreeMap;

use futures_util::stream::{FuturesUnordered, TryStreamExt};
use windlass_core::event::{Outcome, Stage};
use windlass_core::{Digest, EventSink, Repository, Tag};

use super::blob::Placed;
use crate::error::Error;
use crate::image::{Descriptor, Manifest, Tree};
use crate::registry::Registry;
use crate::source::BlobSource;

/// The repositories that each blob is known to be in, for mounting it.
pub type Mounts = BTreeMap<Digest, Vec<Repository>>;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the image or index.
    pub digest: Digest,
    /// What became of each blob.
    pub blobs: Vec<(Descriptor, Placed)>,
}

impl Registry {
    /// Pushes everything but the tags: blobs side by side, then the manifests under their digests. Nobody who pulls by
    /// a tag sees any of it yet.
    ///
    /// # Errors
    /// At the first blob or manifest that cannot be pushed; the others are given up.
    pub async fn push_content(
        &self,
        repository: &Repository,
        tree: &Tree,
        source: &dyn BlobSource,
        mounts: &Mounts,
        events: &EventSink,
    ) -> Result<Pushed, Error> {
        let pushes: FuturesUnordered<_> =
            tree.blobs().iter().map(|blob| self.push_reported(repository, blob, source, mounts, events)).collect();
        let blobs = pushes.try_collect().await?;
        for manifest in tree.manifests() {
            self.put_manifest(repository, manifest).await?;
        }
        Ok(Pushed { digest: tree.root().digest().clone(), blobs })
    }

    /// Lets tags point to a manifest that was pushed, one after the other, in their order.
    ///
    /// # Errors
    /// At the first that cannot be moved.
    pub async fn push_tags(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        tags: &[Tag],
        events: &EventSink,
    ) -> Result<(), Error> {
        for tag in tags {
            let task = events.start(Stage::Push, format!("tag {repository}:{tag}"));
            let put = self.put_tag(repository, manifest, tag).await;
            task.finish(put.as_ref().map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Done));
            put?;
        }
        Ok(())
    }

    async fn push_reported(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        source: &dyn BlobSource,
        mounts: &Mounts,
        events: &EventSink,
    ) -> Result<(Descriptor, Placed), Error> {
        let short = blob.digest.hex().get(..12).unwrap_or_default();
        let task = events.start(Stage::Push, format!("push {}:{short} to {repository}", blob.digest.algorithm()));
        let from = mounts.get(&blob.digest).map_or(&[][..], Vec::as_slice);
        let progress = |done| task.progress(done, Some(blob.size));
        let placed = self.push_blob(repository, blob, source, from, &progress).await;
        task.finish(match &placed {
            Ok(Placed::Uploaded) => Outcome::Done,
            Ok(Placed::Existed | Placed::Mounted) => Outcome::Cached,
            Err(error) => Outcome::Failed(error.to_string()),
        });
        Ok((blob.clone(), placed?))
    }
}
