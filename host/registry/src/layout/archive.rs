//! Writing an OCI layout or a docker archive as one tar file.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};
use windlass_core::Reference;

use super::copy::{Checked, blocking, config, open};
use super::docker;
use super::error::{LayoutError, failed};
use super::oci::{INDEX, MARKER, Marker, entries, index};
use crate::image::{Descriptor, Document, Tree};
use crate::source::BlobSource;

/// The forms of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Archive {
    /// An OCI layout.
    Oci,
    /// What `docker save` writes since version 25: an OCI layout with docker's `manifest.json`, which `docker load` of
    /// every version reads.
    Docker,
}

type Tar = Builder<BufWriter<tempfile::NamedTempFile>>;

/// Writes `tree` to the archive `file`, under `names`. The file appears only when it is whole; the same image gives the
/// same bytes.
///
/// # Errors
/// When a blob cannot be read or is not what its digest says, the disk refuses, or the archive cannot hold an index.
pub async fn write_archive(
    file: &Path,
    form: Archive,
    tree: &Tree,
    names: &[Reference],
    source: &dyn BlobSource,
) -> Result<(), LayoutError> {
    let config = config(tree, source).await?;
    let platform = config.as_ref().map(|(_, config)| config.platform()).filter(|p| !p.os().is_empty());
    let mut documents = vec![(MARKER, Marker::bytes()), (INDEX, index(None, entries(tree, names, platform.as_ref())))];
    if form == Archive::Docker {
        let Document::Image(image) = tree.root().document()? else { return Err(LayoutError::IndexInDockerArchive) };
        documents.push((docker::MANIFEST, docker::manifest(&image, names)));
    }
    let mut tar = begin(file)?;
    let write_failed = |error| failed("write", file)(error);
    for directory in directories(tree) {
        append(&mut tar, EntryType::Directory, &directory, 0, io::empty()).map_err(write_failed)?;
    }
    for manifest in tree.manifests() {
        let bytes = manifest.bytes();
        append(&mut tar, EntryType::Regular, &name(&manifest.descriptor()), bytes.len() as u64, &bytes[..])
            .map_err(write_failed)?;
    }
    for blob in tree.blobs() {
        let (opened, blob, path) = (open(source, blob).await?, blob.clone(), file.to_owned());
        tar = blocking(move || {
            append_blob(&mut tar, &blob, opened, &path)?;
            Ok(tar)
        })
        .await?;
    }
    for (name, bytes) in documents {
        append(&mut tar, EntryType::Regular, name, bytes.len() as u64, &bytes[..]).map_err(write_failed)?;
    }
    let mut buffer = tar.into_inner().map_err(write_failed)?;
    buffer.flush().map_err(write_failed)?;
    let temporary = buffer.into_inner().map_err(|error| write_failed(error.into_error()))?;
    temporary.persist(file).map_err(|error| write_failed(error.error))?;
    Ok(())
}

fn begin(file: &Path) -> Result<Tar, LayoutError> {
    if file.is_dir() {
        return Err(LayoutError::Place { path: file.to_owned(), reason: "is a directory, not a file for an archive".to_owned() });
    }
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(".windlass-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent)
        .map_err(failed("create a file in", parent))?;
    Ok(Builder::new(BufWriter::with_capacity(256 * 1024, temporary)))
}

fn append_blob(tar: &mut Tar, blob: &Descriptor, file: File, path: &Path) -> Result<(), LayoutError> {
    let mut reader = Checked::new(file, blob);
    append(tar, EntryType::Regular, &name(blob), blob.size, &mut reader).map_err(failed("write", path))?;
    reader.finish(&format!("blob {}", blob.digest))
}

fn append(tar: &mut Tar, kind: EntryType, name: &str, size: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, name, content)
}

fn directories(tree: &Tree) -> Vec<String> {
    let digests = tree.manifests().iter().map(|m| m.digest().clone()).chain(tree.blobs().iter().map(|b| b.digest.clone()));
    let algorithms: std::collections::BTreeSet<String> = digests.map(|digest| format!("blobs/{}/", digest.algorithm())).collect();
    std::iter::once("blobs/".to_owned()).chain(algorithms).collect()
}

/// A blob's name in an archive.
pub(super) fn name(blob: &Descriptor) -> String {
    format!("blobs/{}/{}", blob.digest.algorithm(), blob.digest.hex())
}
