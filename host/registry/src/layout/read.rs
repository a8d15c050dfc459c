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

/// What a layout's index lists, and the name that each has there.
fn roots(container: &Container) -> Result<Vec<(Descriptor, Option<String>)>, LayoutError> {
    if !container.json::<Marker>(MARKER)?.is_known() {
        return Err(container.unusable(MARKER, "its version is not 1".to_owned()));
    }
    let index: Index = container.json(INDEX)?;
    if index.manifests.len() > MOST_IMAGES {
        return Err(container.unusable(INDEX, format!("it lists more than {MOST_IMAGES} images")));
    }
    let root = |entry: Value| {
        let wrong = |error: &dyn std::fmt::Display| container.unusable(INDEX, error.to_string());
        let wire: OciDescriptor = serde_json::from_value(entry).map_err(|error| wrong(&error))?;
        let root = Descriptor::try_from(&wire).map_err(|error| wrong(&error))?;
        let name = [FULL_NAME, REF_NAME].into_iter().find_map(|key| root.annotations.get(key)).cloned();
        Ok((root, name))
    };
    index.manifests.into_iter().map(root).collect()
}

fn read_oci(container: &Container, blobs: &Blobs) -> Result<Vec<Imported>, LayoutError> {
    let mut images: Vec<Imported> = Vec::new();
    for (root, names) in roots(container)? {
        match images.iter_mut().find(|image| *image.tree.root().digest() == root.digest) {
            Some(image) => image.names.extend(names),
            None => images.push(Imported { tree: read_tree(container, &root, blobs)?, names: names.into_iter().collect() }),
        }
    }
    Ok(images)
}

fn read_tree(container: &Container, root: &Descriptor, blobs: &Blobs) -> Result<Tree, LayoutError> {
    let tree = tree(container, root, Some(blobs))?;
    tree.blobs().iter().try_for_each(|blob| copy(container, blob, blobs))?;
    Ok(tree)
}

/// The manifests below `root`, which are put into `blobs` too.
fn tree(container: &Container, root: &Descriptor, blobs: Option<&Blobs>) -> Result<Tree, LayoutError> {
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
    match failure {
        Some(error) => Err(error),
        None => Ok(tree?),
    }
}

fn copy(container: &Container, blob: &Descriptor, blobs: &Blobs) -> Result<(), LayoutError> {
    if blobs.holds(&blob.digest, blob.size) {
        return Ok(());
    }
    let (reader, _) = container.open(&name(blob))?;
    let mut reader = Checked::new(reader, blob);
    let mut writer = blobs.unsummed_writer()?;
    std::io::copy(&mut reader, &mut writer).map_err(|error| container.failed(error))?;
    reader.finish(&format!("{} in {}", name(blob), container.path().display()))?;
    Ok(writer.place(&blob.digest)?)
}

/// The manifests of every image and index of an OCI layout, with their digests checked. No other blob is read.
///
/// # Errors
/// When it is no layout, or a manifest is missing, or not what its digest says.
pub async fn manifests(path: &Path) -> Result<Vec<Manifest>, LayoutError> {
    let path = path.to_owned();
    blocking(move || {
        let container = Container::open_at(&path)?;
        let mut manifests: Vec<Manifest> = Vec::new();
        for (root, _) in roots(&container)? {
            manifests.extend(tree(&container, &root, None)?.manifests().iter().cloned());
        }
        Ok(manifests)
    })
    .await
}

/// One blob of an OCI layout of at most `limit` bytes, with its digest checked.
///
/// # Errors
/// When it is missing, larger, or not what its digest says.
pub async fn blob_bytes(path: &Path, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
    let (path, blob) = (path.to_owned(), blob.clone());
    blocking(move || bytes(&Container::open_at(&path)?, &blob, limit)).await
}

/// Copies one blob of an OCI layout into a store, with its digest checked, unless it is there.
///
/// # Errors
/// When it is missing, or not what its digest says.
pub async fn copy_blob(path: &Path, blob: &Descriptor, blobs: &Blobs) -> Result<(), LayoutError> {
    let (path, blob, blobs) = (path.to_owned(), blob.clone(), blobs.clone());
    blocking(move || copy(&Container::open_at(&path)?, &blob, &blobs)).await
}

fn manifest_bytes(container: &Container, wanted: &Descriptor, blobs: Option<&Blobs>) -> Result<Vec<u8>, LayoutError> {
    let bytes = bytes(container, wanted, LARGEST_MANIFEST)?;
    if let Some(blobs) = blobs {
        blobs.put(&bytes)?;
    }
    Ok(bytes)
}

fn bytes(container: &Container, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
    let bytes = container.read(&name(wanted), limit)?;
    let found = crate::checksum::Checksum::of(&bytes, &wanted.digest);
    if found != wanted.digest {
        return Err(LayoutError::Mismatch { what: name(wanted), expected: wanted.digest.clone(), found: found.to_string() });
    }
    Ok(bytes)
}
