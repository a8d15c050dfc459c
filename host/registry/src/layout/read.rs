//! Reading images back from files.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::archive::name;
use super::container::Container;
use super::copy::{Checked, blocking};
use super::docker;
use super::error::LayoutError;
use super::oci::{FULL_NAME, INDEX, MARKER, Marker, REF_NAME};
use crate::image::{Descriptor, Manifest, Tree};
use crate::store::Blobs;
use oci_client::manifest::OciDescriptor;

const LARGEST_MANIFEST: u64 = 4 * 1024 * 1024;
/// More images than anyone puts into one layout.
const MOST_IMAGES: usize = 1000;

/// An image or index that was read.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Its manifests and blobs; all of them are in the store.
    pub tree: Tree,
    /// The names it has in the layout: references or tags.
    pub names: Vec<String>,
}

/// Reads every image of an OCI layout (a directory or a tar archive) or of a `docker save` archive into a store, with
/// all digests checked.
///
/// # Errors
/// When it is neither, something is missing in it, or something is not what its digest says.
pub async fn read(path: &Path, blobs: &Blobs) -> Result<Vec<Imported>, LayoutError> {
    let (path, blobs) = (path.to_owned(), blobs.clone());
    blocking(move || {
        let container = Container::open_at(&path)?;
        let is_docker = container.has(docker::MANIFEST);
        if !container.has(INDEX) {
            if is_docker {
                return docker::read(&container, &blobs);
            }
            let reason = "is neither an OCI layout nor a docker archive: it has no index.json and no manifest.json".to_owned();
            return Err(LayoutError::Place { path, reason });
        }
        match read_oci(&container, &blobs) {
            // Docker's archives list manifests of platforms that are not in them.
            Err(LayoutError::Missing { .. }) if is_docker => docker::read(&container, &blobs),
            read => read,
        }
    })
    .await
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Value>,
}

fn read_oci(container: &Container, blobs: &Blobs) -> Result<Vec<Imported>, LayoutError> {
    if !container.json::<Marker>(MARKER)?.is_known() {
        return Err(container.unusable(MARKER, "its version is not 1".to_owned()));
    }
    let index: Index = container.json(INDEX)?;
    if index.manifests.len() > MOST_IMAGES {
        return Err(container.unusable(INDEX, format!("it lists more than {MOST_IMAGES} images")));
    }
    let mut images: Vec<Imported> = Vec::new();
    for entry in index.manifests {
        let wrong = |error: &dyn std::fmt::Display| container.unusable(INDEX, error.to_string());
        let wire: OciDescriptor = serde_json::from_value(entry).map_err(|error| wrong(&error))?;
        let root = Descriptor::try_from(&wire).map_err(|error| wrong(&error))?;
        let names = [FULL_NAME, REF_NAME].into_iter().find_map(|key| root.annotations.get(key)).cloned();
        match images.iter_mut().find(|image| *image.tree.root().digest() == root.digest) {
            Some(image) => image.names.extend(names),
            None => images.push(Imported { tree: read_tree(container, &root, blobs)?, names: names.into_iter().collect() }),
        }
    }
    Ok(images)
}

fn read_tree(container: &Container, root: &Descriptor, blobs: &Blobs) -> Result<Tree, LayoutError> {
    let bytes = manifest_bytes(container, root, blobs)?;
    let manifest = Manifest::new(bytes, Some(&root.media_type))?;
    let mut failure = None;
    let tree = Tree::load(manifest, |wanted| {
        manifest_bytes(container, wanted, blobs).map_err(|error| {
            let shown = std::io::Error::other(error.to_string());
            failure = Some(error);
            shown
        })
    });
    let tree = match failure {
        Some(error) => return Err(error),
        None => tree?,
    };
    for blob in tree.blobs().iter().filter(|blob| !blobs.holds(&blob.digest, blob.size)) {
        let (reader, _) = container.open(&name(blob))?;
        let mut reader = Checked::new(reader, blob);
        let mut writer = blobs.unsummed_writer()?;
        std::io::copy(&mut reader, &mut writer).map_err(|error| container.failed(error))?;
        reader.finish(&format!("{} in {}", name(blob), container.path().display()))?;
        writer.place(&blob.digest)?;
    }
    Ok(tree)
}

fn manifest_bytes(container: &Container, wanted: &Descriptor, blobs: &Blobs) -> Result<Vec<u8>, LayoutError> {
    let bytes = container.read(&name(wanted), LARGEST_MANIFEST)?;
    let found = crate::checksum::Checksum::of(&bytes, &wanted.digest);
    if found != wanted.digest {
        return Err(LayoutError::Mismatch { what: name(wanted), expected: wanted.digest.clone(), found: found.to_string() });
    }
    blobs.put(&bytes)?;
    Ok(bytes)
}
