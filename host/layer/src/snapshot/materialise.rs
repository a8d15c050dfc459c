//! Writing a listing out as a snapshot.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::io::Errno;

use super::{Snapshot, SnapshotError, SnapshotWriter};
use crate::{Content, Entry, EntryKind, View};

/// Files up to this size are copied through memory, which is faster than two more system calls.
const SMALL: u64 = 64 << 10;

/// Writes `entries` into `snapshot`, their contents copied; `lower` is what lies below and gives directories that no entry
/// tells of their attributes.
///
/// # Errors
/// When a source has changed since it was listed, and when the snapshot cannot be written.
pub fn materialise(entries: &[Entry], snapshot: &Snapshot, lower: Option<&View>) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::new(snapshot, lower)?;
    if let Some(lower) = lower {
        writer.put(&root_of(lower)?)?;
    }
    for entry in entries {
        writer.put_whole(entry)?;
    }
    writer.finish()?;
    Ok(())
}

/// Writes entries that are made while they are asked for into `snapshot`, as [`materialise`] does.
///
/// # Errors
/// As [`materialise`], and what the entries fail with.
pub fn materialise_each<E: From<SnapshotError>>(
    entries: impl IntoIterator<Item = Result<Entry, E>>,
    snapshot: &Snapshot,
) -> Result<(), E> {
    let mut writer = SnapshotWriter::new(snapshot, None)?;
    for entry in entries {
        writer.put_whole(&entry?)?;
    }
    writer.finish()?;
    Ok(())
}

impl SnapshotWriter<'_> {
    /// Writes an entry with its content, if it has one.
    pub(crate) fn put_whole(&mut self, entry: &Entry) -> Result<(), SnapshotError> {
        match &entry.kind {
            EntryKind::File { size, content } => self.file(entry, |file| fill(file, entry, *size, content)),
            _ => self.put(entry),
        }
    }
}

/// The root of the layers below, as an entry for the snapshot's own.
pub(crate) fn root_of(lower: &View) -> Result<Entry, SnapshotError> {
    let path = std::path::PathBuf::new();
    let root = lower.lookup(&path).map_err(|source| SnapshotError::Lower { path: path.clone(), source: Box::new(source) })?;
    let root = root.unwrap_or_else(|| Entry::directory(path, crate::Timestamp::default()));
    Ok(Entry { kind: EntryKind::Directory { opaque: false }, ..root })
}

/// Copies the content of an entry into its new file.
pub(super) fn fill(file: &mut File, entry: &Entry, size: u64, content: &Content) -> Result<(), SnapshotError> {
    match content {
        Content::Inline(bytes) => {
            file.write_all(bytes).map_err(|source| SnapshotError::System { action: "write", path: entry.path.clone(), source })
        }
        Content::File(path) => {
            let copied = crate::blob::open_content(path, size).map_err(io::Error::from);
            copied.and_then(|mut source| copy(&mut source, file, size)).map_err(|source| SnapshotError::Content {
                path: entry.path.clone(),
                file: path.to_path_buf(),
                source,
            })
        }
        Content::Absent => Err(SnapshotError::Entry {
            path: entry.path.clone(),
            problem: "its content is in a layer that has not been unpacked",
        }),
    }
}

/// Copies exactly `size` bytes, sharing blocks where the file system can.
fn copy(source: &mut File, target: &mut File, size: u64) -> io::Result<()> {
    if size > SMALL && rustix::fs::ioctl_ficlone(&*target, &*source).is_ok() {
        return Ok(());
    }
    let mut left = size;
    while left > SMALL {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(&*source, None, &*target, None, most) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => left -= count as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let copied = if left <= SMALL { copy_small(source, target, left)? } else { io::copy(&mut source.take(left), target)? };
    if copied == left { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn copy_small(source: &mut File, target: &mut File, size: u64) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    source.take(size).read_to_end(&mut bytes)?;
    target.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}
