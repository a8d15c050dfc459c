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
    /// Whether the manifest was there already, so that nothing was looked for or sent.
    pub existed: bool,
}

impl Registry {
    /// Pushes everything but the tags: blobs side by side, then the manifests under their digests. Nobody who pulls by
    /// a tag sees any of it yet. Where the image's manifest is there already, its content is taken to be there too, as a
    /// registry takes no manifest without it.
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
        if self.holds(repository, tree.root()).await? {
            let blobs = tree.blobs().iter().map(|blob| (blob.clone(), Placed::Existed)).collect();
            return Ok(Pushed { digest: tree.root().digest().clone(), blobs, existed: true });
        }
        self.push_whole_content(repository, tree, source, mounts, events).await
    }

    /// As [`Registry::push_content`], without trust in a manifest that is there: for a registry that has lost what one
    /// points to.
    ///
    /// # Errors
    /// As [`Registry::push_content`].
    pub async fn push_whole_content(
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
        Ok(Pushed { digest: tree.root().digest().clone(), blobs, existed: false })
    }

    /// Lets tags point to a manifest that was pushed, one after the other, in their order. Those that do already stay
    /// as they are.
    ///
    /// # Errors
    /// At the first that cannot be moved.
    pub async fn push_tags(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        pushed: &Pushed,
        tags: &[Tag],
        events: &EventSink,
    ) -> Result<(), Error> {
        for tag in tags {
            let task = events.start(Stage::Push, format!("tag {repository}:{tag}"));
            let moved = if pushed.existed && self.points_to(repository, tag, manifest).await {
                Ok(Outcome::Cached)
            } else {
                self.put_tag(repository, manifest, tag).await.map(|()| Outcome::Done)
            };
            task.finish(moved.as_ref().map_or_else(|error| Outcome::Failed(error.to_string()), Clone::clone));
            moved?;
        }
        Ok(())
    }

    pub(super) async fn points_to(&self, repository: &Repository, tag: &Tag, manifest: &Manifest) -> bool {
        let found = self.pushed_digest(&repository.tagged(tag.clone())).await;
        found.is_ok_and(|digest| digest.as_ref() == Some(manifest.digest()))
    }

    /// Whether a manifest is there. Anything but a clear yes means that it is pushed.
    async fn holds(&self, repository: &Repository, manifest: &Manifest) -> Result<bool, Error> {
        match self.exists(&repository.at(manifest.digest().clone())).await {
            Ok(is_there) => Ok(is_there),
            Err(error) if error.is_of_the_connection() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the question for a manifest was refused");
                Ok(false)
            }
        }
    }

    async fn push_reported(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        source: &dyn BlobSource,
        mounts: &Mounts,
        events: &EventSink,
    ) -> Result<(Descriptor, Placed), Error> {
        if self.is_known(repository, &blob.digest) {
            return Ok((blob.clone(), Placed::Existed));
        }
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
