//! Images that are there already: what another engine hands over, and what a step only pushes.

use std::path::Path;
use std::sync::Arc;

use windlass_core::chain;
use windlass_registry::image::{Document, ImageConfig, Manifest};
use windlass_registry::layout::{self, Imported};
use windlass_registry::{BlobSource, Blobs};

use crate::images::{Image, Member};

const LARGEST_CONFIG: u64 = 8 << 20;

/// Takes over the one image of an OCI layout, an OCI archive or a docker archive, with every platform that it has. Its blobs
/// are then in the store.
///
/// # Errors
/// Why there is none to be had, as words that follow a colon.
pub(crate) async fn read(path: &Path, blobs: &Blobs) -> Result<Image, String> {
    let images = layout::read(path, blobs).await.map_err(|error| chain(&error))?;
    let [Imported { tree, .. }] = images.as_slice() else {
        let count = images.len();
        return Err(format!("{} holds {count} images, expected one", path.display()));
    };
    let mut members = Vec::new();
    for manifest in tree.manifests() {
        members.extend(member(manifest, blobs)?);
    }
    if members.is_empty() {
        return Err(format!("{} lists no image", path.display()));
    }
    let source: Arc<dyn BlobSource> = Arc::new(blobs.clone());
    let (annotations, origins) = Default::default();
    Ok(Image { tree: tree.clone(), members, annotations, bases: Vec::new(), source, origins })
}

/// The image of a manifest; `None` for an index and for attestations, which belong to no platform.
fn member(manifest: &Manifest, blobs: &Blobs) -> Result<Option<Member>, String> {
    let Ok(Document::Image(document)) = manifest.document() else { return Ok(None) };
    let config_digest = document.config.digest.clone();
    let bytes = blobs.read(&config_digest, LARGEST_CONFIG).map_err(|error| chain(&error))?;
    let config = ImageConfig::parse(&bytes).map_err(|error| error.to_string())?;
    let is_attestation = config.architecture == "unknown";
    let member = || Member {
        platform: config.platform(),
        manifest: manifest.clone(),
        config: config.clone(),
        config_digest,
        annotations: Default::default(),
    };
    Ok((!is_attestation).then(member))
}
