//! ADD of archives: unpacked onto what an image has at a place.

use std::io::Read;
use std::path::Path;

use crate::snapshot::{SnapshotWriter, belongs_to_image};
use crate::stream::{Chunks, Decoder, with_uncompressed};
use crate::tar::read::TarReader;
use crate::unpack::put;
use crate::{EntryKind, Limits, ReadError, Snapshot, SnapshotError, View};

/// How much of a file decides whether it is an archive.
const LOOKED_AT: usize = 2 << 20;

/// Why an archive could not be unpacked. What has been written until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream or archive cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An entry cannot be placed, or the snapshot not be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Where and how an archive is added.
#[derive(Debug, Clone, Copy)]
pub struct Addition<'a> {
    /// A path of the image without links: the root for the archive's names and for the links among them, which therefore
    /// never lead outside it.
    pub destination: &'a Path,
    /// What the image has below the snapshot; its links are followed too.
    pub lower: Option<&'a View>,
    /// The user and group that all entries are to have, in place of what the archive says. Directories that are there, or that
    /// the archive does not tell of, are not theirs.
    pub owner: Option<(u32, u32)>,
    /// Whether devices are an error.
    pub refuses_devices: bool,
    /// How much the archive may hold.
    pub limits: Limits,
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

/// Unpacks an archive for ADD into a snapshot, which may hold something already.
///
/// Entries replace what is there, but directories are merged; the last one of a name counts; names that begin with `.wh.`
/// are names like any other; all names of a file have what the last of them tells of owner, mode and time, as the kernel
/// has it. Nothing is kept in memory: what has been unpacked is looked up on the disk.
///
/// # Errors
/// When the stream is damaged or larger than allowed, when an entry cannot be placed, and when the snapshot cannot be written.
pub fn unpack_archive(stream: impl Read + Send, snapshot: &Snapshot, addition: &Addition<'_>) -> Result<(), ArchiveError> {
    let ((), _) = with_uncompressed(stream, addition.limits, |chunks| {
        let mut reader = TarReader::new(chunks, addition.limits);
        let mut writer = SnapshotWriter::adding(snapshot, addition.lower, addition.destination)?;
        while let Some(mut entry) = reader.next()? {
            // The root's own entry changes nothing.
            if entry.path.as_os_str().is_empty() {
                continue;
            }
            let is_device = matches!(entry.kind, EntryKind::CharacterDevice { .. } | EntryKind::BlockDevice { .. });
            if is_device && addition.refuses_devices {
                return Err(
                    SnapshotError::Entry { path: entry.path, problem: "it is a device, which only an image may hold" }.into()
                );
            }
            entry.xattrs.retain(|(name, _)| belongs_to_image(name));
            (entry.uid, entry.gid) = addition.owner.unwrap_or((entry.uid, entry.gid));
            writer.implies(entry.modified);
            put::<ArchiveError>(&mut writer, &entry, &mut reader)?;
            if let EntryKind::HardLink { .. } = entry.kind {
                writer.dress_link(&entry)?;
            }
        }
        writer.finish()?;
        Ok::<_, ArchiveError>(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
