//! Writing an OCI layout as a directory.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use windlass_core::Reference;

use super::copy::{Checked, blocking, config, open};
use super::error::{LayoutError, failed};
use super::oci::{INDEX, MARKER, Marker, entries, index};
use crate::image::{Descriptor, Tree};
use crate::source::BlobSource;

/// Writes `tree` to the OCI layout in `directory`, under `names`.
///
/// A new layout appears whole or not at all. One that exists keeps its other images, and its `index.json` is replaced
/// only when everything that it lists is there.
///
/// # Errors
/// When something other than a layout is there, a blob cannot be read or is not what its digest says, or the disk refuses.
pub async fn write_directory(
    directory: &Path,
    tree: &Tree,
    names: &[Reference],
    source: &dyn BlobSource,
) -> Result<(), LayoutError> {
    let platform = config(tree, source).await?.map(|(_, config)| config.platform()).filter(|p| !p.os().is_empty());
    let new = entries(tree, names, platform.as_ref());
    if let Some(old) = existing(directory)? {
        return fill(directory, tree, source, index(Some(old), new)).await;
    }
    let parent = directory.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(".windlass-layout-")
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(failed("create a directory in", parent))?;
    fill(fresh.path(), tree, source, index(None, new.clone())).await?;
    match fs::rename(fresh.path(), directory) {
        Ok(()) => {
            // Renamed, it is no longer there to be removed.
            let _ = fresh.keep();
            Ok(())
        }
        // Somebody else has written one meanwhile.
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            let old = existing(directory)?;
            fill(directory, tree, source, index(old, new)).await
        }
        Err(error) => Err(failed("write", directory)(error)),
    }
}

/// The `index.json` of a layout that is there; `None` when there is nothing yet.
fn existing(directory: &Path) -> Result<Option<serde_json::Value>, LayoutError> {
    const LARGEST: u64 = 16 * 1024 * 1024;
    let mut files = match fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(LayoutError::Place {
                path: directory.to_owned(),
                reason: "is a file, not a directory for a layout".to_owned(),
            });
        }
        Err(error) => return Err(failed("read", directory)(error)),
    };
    if files.next().is_none() {
        return Ok(None);
    }
    if !directory.join(MARKER).is_file() {
        let reason = "is not empty and is no OCI layout; name another directory".to_owned();
        return Err(LayoutError::Place { path: directory.to_owned(), reason });
    }
    let path = directory.join(INDEX);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(file) => io::Read::read_to_end(&mut io::Read::take(file, LARGEST), &mut bytes).map_err(failed("read", &path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(serde_json::Value::Null)),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let content = |source: serde_json::Error| LayoutError::Content {
        path: directory.to_owned(),
        what: INDEX.to_owned(),
        source: source.into(),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(content)
}

async fn fill(directory: &Path, tree: &Tree, source: &dyn BlobSource, index: Vec<u8>) -> Result<(), LayoutError> {
    for blob in tree.blobs() {
        let path = blob_path(directory, blob);
        if fs::metadata(&path).is_ok_and(|there| there.is_file() && there.len() == blob.size) {
            continue;
        }
        let (file, blob) = (open(source, blob).await?, blob.clone());
        blocking(move || {
            place(&path, |target| {
                let mut reader = Checked::new(file, &blob);
                io::copy(&mut reader, target).map_err(failed("write", &path))?;
                reader.finish(&format!("blob {}", blob.digest))
            })
        })
        .await?;
    }
    for manifest in tree.manifests() {
        place_bytes(&blob_path(directory, &manifest.descriptor()), manifest.bytes())?;
    }
    place_bytes(&directory.join(MARKER), &Marker::bytes())?;
    place_bytes(&directory.join(INDEX), &index)
}

/// A blob's place in a layout.
fn blob_path(directory: &Path, blob: &Descriptor) -> PathBuf {
    directory.join("blobs").join(blob.digest.algorithm()).join(blob.digest.hex())
}

fn place_bytes(path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
    place(path, |target| target.write_all(bytes).map_err(failed("write", path)))
}

/// Writes a file that appears only when it is whole.
fn place(path: &Path, write: impl FnOnce(&mut File) -> Result<(), LayoutError>) -> Result<(), LayoutError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let mut file = tempfile::Builder::new()
        .prefix(".windlass-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent)
        .map_err(failed("create a file in", parent))?;
    write(file.as_file_mut())?;
    file.persist(path).map_err(|error| error.error).map_err(failed("write", path))?;
    Ok(())
}
