//! Docker's `save` archive: its `manifest.json`.

use std::io::Read;

use serde::{Deserialize, Serialize};
use windlass_core::{Digest, Reference};

use super::archive::name;
use super::container::Container;
use super::error::LayoutError;
use super::oci::{full_name, tag};
use super::read::Imported;
use crate::image::{Compression, Descriptor, Format, ImageConfig, ImageDocument, Manifest, Tree};
use crate::store::Blobs;

/// The file that lists an archive's images.
pub(super) const MANIFEST: &str = "manifest.json";
const LARGEST_CONFIG: u64 = 8 * 1024 * 1024;

/// One image of an archive.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The `manifest.json` for one image under `names`.
pub(super) fn manifest(image: &ImageDocument, names: &[Reference]) -> Vec<u8> {
    let saved = Saved {
        config: name(&image.config),
        repo_tags: Some(names.iter().filter(|name| tag(name).is_some()).map(full_name).collect()),
        layers: image.layers.iter().map(name).collect(),
    };
    serde_json::to_vec(&[saved]).expect("a record of texts is always JSON")
}

/// Reads the images that `manifest.json` lists, into a store.
pub(super) fn read(container: &Container, blobs: &Blobs) -> Result<Vec<Imported>, LayoutError> {
    let saved: Vec<Saved> = container.json(MANIFEST)?;
    saved.iter().map(|saved| read_one(container, saved, blobs)).collect()
}

fn read_one(container: &Container, saved: &Saved, blobs: &Blobs) -> Result<Imported, LayoutError> {
    let unusable = |what: &str, reason: String| container.unusable(what, reason);
    let bytes = container.read(&saved.config, LARGEST_CONFIG)?;
    let config = ImageConfig::parse(&bytes).map_err(|error| unusable(&saved.config, error.to_string()))?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != saved.layers.len() {
        let reason = format!("it lists {} layers, {MANIFEST} {}", diff_ids.len(), saved.layers.len());
        return Err(unusable(&saved.config, reason));
    }
    let layers = saved
        .layers
        .iter()
        .zip(diff_ids)
        .map(|(layer, diff_id)| read_layer(container, layer, diff_id, blobs))
        .collect::<Result<Vec<_>, _>>()?;
    let config = Descriptor::new(Format::Docker.config(), blobs.put(&bytes)?, bytes.len() as u64);
    let manifest = Manifest::image(Format::Docker, &config, &layers, Default::default());
    blobs.put(manifest.bytes())?;
    Ok(Imported { tree: Tree::image(manifest)?, names: saved.repo_tags.clone().unwrap_or_default() })
}

fn read_layer(container: &Container, layer: &str, diff_id: &Digest, blobs: &Blobs) -> Result<Descriptor, LayoutError> {
    let (mut reader, _) = container.open(layer)?;
    let mut begin = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut begin).map_err(|error| container.failed(error))?;
    let compression = match begin.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    };
    let mut writer = blobs.writer()?;
    std::io::copy(&mut begin.as_slice().chain(reader), &mut writer).map_err(|error| container.failed(error))?;
    let (digest, size) = writer.commit()?;
    if compression == Compression::None && digest != *diff_id {
        return Err(LayoutError::Mismatch { what: layer.to_owned(), expected: diff_id.clone(), found: digest.to_string() });
    }
    Ok(Descriptor::new(Format::Docker.layer(compression), digest, size))
}
