//! An image that an engine has made, whichever engine it was: a tree of manifests and a source of its blobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_builder::execute::BuiltImage;
use windlass_core::{Digest, Repository};
use windlass_registry::image::{ImageConfig, Manifest, Tree};
use windlass_registry::{BlobSource, Blobs, LazyBlobs, Registry};

use crate::report::ImageReport;

/// An image, ready to be exported and pushed.
pub(crate) struct Image {
    pub(crate) tree: Tree,
    pub(crate) manifest: Manifest,
    pub(crate) config: ImageConfig,
    pub(crate) config_digest: Digest,
    /// Where its blobs are.
    pub(crate) source: Arc<dyn BlobSource>,
    /// Repositories that its blobs are known to be in, for mounting.
    pub(crate) origins: BTreeMap<Digest, Repository>,
}

impl Image {
    /// The embedded engine's.
    pub(crate) fn built(
        image: BuiltImage,
        blobs: Blobs,
        registry: Registry,
    ) -> Result<Self, windlass_registry::image::TreeError> {
        let source = LazyBlobs { blobs, registry, origins: image.origins.clone() };
        Ok(Self {
            tree: Tree::image(image.manifest.clone())?,
            manifest: image.manifest,
            config: image.config,
            config_digest: image.config_descriptor.digest,
            source: Arc::new(source),
            origins: image.origins,
        })
    }

    pub(crate) fn report(&self) -> ImageReport {
        let layers = self.config.rootfs.diff_ids.len();
        let size = self.tree.blobs().iter().filter(|blob| blob.digest != self.config_digest).map(|blob| blob.size).sum();
        ImageReport {
            digest: self.tree.root().digest().clone(),
            media_type: self.tree.root().media_type().to_owned(),
            config: self.config_digest.clone(),
            size,
            layers,
        }
    }
}
