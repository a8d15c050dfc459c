//! Archives without a snapshot: unpacked for ADD, or listed only.

mod tree;

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::Digest;

use crate::snapshot::belongs_to_image;
use crate::stream::{Chunks, Decoder, with_uncompressed};
use crate::tar::read::TarReader;
use crate::text::shown;
use crate::unpack::{Meaning, write_content};
use crate::{Content, Entry, EntryKind, Limits, Listing, ReadError, SnapshotError, UnpackError, View, ViewError};

use tree::Tree;

/// How much of a file decides whether it is an archive.
const LOOKED_AT: usize = 2 << 20;

/// Why an archive could not be unpacked or listed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream or archive cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A content could not be written to the staging directory.
    #[error(transparent)]
    Staging(#[from] SnapshotError),
    /// The image that it is added to cannot be read.
    #[error(transparent)]
    Base(#[from] ViewError),
    /// A removal that names nothing that could be removed.
    #[error("{} removes nothing: a whiteout must name what it hides", shown(.path))]
    Whiteout {
        /// The entry's path.
        path: PathBuf,
    },
    /// An entry that cannot be placed.
    #[error("the archive's entry {} cannot be placed: {problem}", shown(.path))]
    Entry {
        /// The entry's path.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// A hard link to something that is not there, or is a directory.
    #[error("the archive's entry {} is a hard link to {}, which is no file", shown(.path), shown(.target))]
    LinkTarget {
        /// The entry's path.
        path: PathBuf,
        /// What it links to.
        target: PathBuf,
    },
}

/// A layer that has been listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its entries in the order of their paths, without contents and without the directories that it only implies.
    pub listing: Listing,
    /// The digest of the uncompressed stream.
    pub diff_id: Digest,
    /// The size of the uncompressed stream in bytes.
    pub size: u64,
}

/// Reads a layer without unpacking it, for [`crate::Layer::listing`]. Contents are `Absent`.
///
/// # Errors
/// When the stream is damaged, larger than allowed, or holds what no layer may.
pub fn list(stream: impl Read + Send, limits: Limits) -> Result<Listed, ArchiveError> {
    let (listing, summary) = with_uncompressed(stream, limits, |chunks| {
        let mut reader = TarReader::new(chunks, limits);
        let mut tree = Tree::unknown_below();
        while let Some(entry) = reader.next()? {
            match meaning(&entry)? {
                Meaning::Ignored => {}
                Meaning::Whiteout(path) => tree.whiteout(&path)?,
                Meaning::Opaque(path) => tree.opaque(&path)?,
                Meaning::Plain => tree.put(entry)?,
            }
        }
        Ok::<_, ArchiveError>(tree.into_listing())
    })?;
    Ok(Listed { listing, diff_id: summary.diff_id, size: summary.size })
}

fn meaning(entry: &Entry) -> Result<Meaning, ArchiveError> {
    Meaning::of(entry).map_err(|error| match error {
        UnpackError::Whiteout { path } => ArchiveError::Whiteout { path },
        UnpackError::Read(error) => error.into(),
        UnpackError::Snapshot(error) => error.into(),
    })
}

/// Whether a file is an archive that ADD unpacks. As BuildKit decides it, that is so when its first header can be read,
/// whatever its name and its compression.
pub fn is_archive(stream: impl Read) -> bool {
    let limits = Limits::default();
    let mut start = vec![0; LOOKED_AT];
    let Ok(mut decoder) = Decoder::new(stream, limits) else { return false };
    let mut filled = 0;
    // A damaged end does not matter as long as the first header has come out.
    while filled < start.len() {
        match decoder.read(&mut start[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    start.truncate(filled);
    matches!(TarReader::new(&mut Chunks::of_bytes(start), limits).next(), Ok(Some(_)))
}

/// Unpacks an archive for ADD: its entries, placed below `destination` in the image `base`, and their contents as
/// `STAGING/0`, `STAGING/1` and so on.
///
/// `destination` is a path of the image without links; it is the root for the archive's names and for the links among
/// them, which therefore never lead outside it. Entries replace what is there, but directories are merged; the last one of
/// a name counts; names that begin with `.wh.` are names like any other. The listing holds all directories between
/// `destination`, which is left out, and the entries.
///
/// # Errors
/// When the stream is damaged or larger than allowed, when an entry cannot be placed, and when `staging` cannot be written.
pub fn unpack_archive(
    stream: impl Read + Send,
    staging: &Path,
    destination: &Path,
    base: &View,
    limits: Limits,
) -> Result<Listing, ArchiveError> {
    let (listing, _) = with_uncompressed(stream, limits, |chunks| {
        let mut reader = TarReader::new(chunks, limits);
        let mut tree = Tree::onto(base, destination);
        let mut number = 0;
        while let Some(mut entry) = reader.next()? {
            entry.xattrs.retain(|(name, _)| belongs_to_image(name));
            if let EntryKind::File { size, content } = &mut entry.kind {
                *content = Content::File(stage(&mut reader, staging, number, *size)?);
                number += 1;
            }
            tree.put(entry)?;
        }
        Ok::<_, ArchiveError>(tree.into_listing())
    })?;
    Ok(listing)
}

/// Writes a content under a number, so that no name of the archive touches the disk.
fn stage(reader: &mut TarReader<'_>, staging: &Path, number: u64, size: u64) -> Result<Arc<Path>, ArchiveError> {
    let path = staging.join(number.to_string());
    let failed = |source: io::Error| SnapshotError::System { action: "make", path: path.clone(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    write_content::<ArchiveError>(&mut file, &path, size, reader)?;
    Ok(Arc::from(path))
}

#[cfg(test)]
mod tests;
