//! Applying a layer archive to a fresh snapshot, as containerd's applier and the overlay file system understand it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use windlass_core::Digest;

use crate::snapshot::{SnapshotWriter, root_of};
use crate::stream::with_uncompressed;
use crate::tar::read::TarReader;
use crate::tar::{OPAQUE_NAME, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX};
use crate::text::shown;
use crate::{Content, Entry, EntryKind, Limits, Listing, ReadError, Snapshot, SnapshotError, Timestamp, View};

/// How a layer is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnpackOptions<'l> {
    /// How much the layer may hold.
    pub limits: Limits,
    /// The layers below: they give directories that the layer only implies their attributes, and hard links their
    /// targets. Without them, as when layers are unpacked side by side, [`adopt`] does the former afterwards.
    pub lower: Option<&'l View>,
}

/// A layer that has been unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the uncompressed stream. The caller compares it with what the image's configuration lists.
    pub diff_id: Digest,
    /// The size of the uncompressed stream in bytes.
    pub size: u64,
    /// How many entries there were, removals included.
    pub entries: u64,
    /// Directories that no entry told of, parents first.
    pub implied: Vec<PathBuf>,
    /// Whether the layer told of the root directory itself.
    pub root_entry: bool,
    /// Whether the layer hides everything below it. A mount then leaves the layers below out; views do so themselves.
    pub opaque_root: bool,
}

/// Why a layer could not be unpacked. What has been written until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The stream or archive cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The snapshot cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A removal that names nothing that could be removed.
    #[error("{} removes nothing: a whiteout must name what it hides", shown(.path))]
    Whiteout {
        /// The entry's path.
        path: PathBuf,
    },
}

/// Unpacks a layer, compressed in any way that is recognised by its content, into a new snapshot.
///
/// Names are clamped to the root, links are followed inside it only, and the overlay's own attributes are dropped.
///
/// # Errors
/// When the stream is damaged, larger than allowed, or holds what no layer may, and when the snapshot cannot be written.
pub fn unpack(stream: impl Read + Send, snapshot: &Snapshot, options: &UnpackOptions<'_>) -> Result<Unpacked, UnpackError> {
    let (progress, summary) = with_uncompressed(stream, options.limits, |chunks| {
        let mut reader = TarReader::new(chunks, options.limits);
        apply(&mut reader, snapshot, options.lower)
    })?;
    Ok(Unpacked {
        diff_id: summary.diff_id,
        size: summary.size,
        entries: progress.entries,
        implied: progress.implied,
        root_entry: progress.root_entry,
        opaque_root: progress.opaque_root,
    })
}

/// The digest of what a stream, compressed in any way that is recognised by its content, unpacks to.
///
/// # Errors
/// When the stream is damaged or larger than allowed.
pub fn diff_id(stream: impl Read + Send, limits: Limits) -> Result<Digest, ReadError> {
    let ((), summary) = with_uncompressed(stream, limits, |_| Ok::<_, ReadError>(()))?;
    Ok(summary.diff_id)
}

/// What a layer says, without contents, and the digest of what it unpacks to. For [`crate::Layer::listing`], and for layers as
/// [`crate::write_layer`] writes them: each path once, a directory right before the mark that it is opaque.
///
/// # Errors
/// When the stream is damaged, larger than allowed, or holds what no layer may.
pub fn list(stream: impl Read + Send, limits: Limits) -> Result<(Listing, Digest), UnpackError> {
    list_with(stream, limits, |_, _| Ok(Content::Absent))
}

/// The same, with the content that `read` takes of each file that has one.
pub(crate) fn list_with(
    stream: impl Read + Send,
    limits: Limits,
    mut read: impl FnMut(u64, &mut TarReader<'_>) -> Result<Content, ReadError> + Send,
) -> Result<(Listing, Digest), UnpackError> {
    let (listing, summary) = with_uncompressed(stream, limits, |chunks| {
        let mut reader = TarReader::new(chunks, limits);
        let mut listing = Listing::new();
        while let Some(mut entry) = reader.next()? {
            match Meaning::of(&entry)? {
                Meaning::Ignored => {}
                Meaning::Whiteout(path) => listing.push(Entry::whiteout(path)),
                Meaning::Opaque(path) => {
                    let directory =
                        listing.pop_if(|last| last.path == path).unwrap_or_else(|| Entry::directory(path, Timestamp::default()));
                    listing.push(Entry { kind: EntryKind::Directory { opaque: true }, ..directory });
                }
                Meaning::Plain => {
                    if let EntryKind::File { size, content } = &mut entry.kind {
                        *content = read(*size, &mut reader)?;
                    }
                    listing.push(entry);
                }
            }
        }
        Ok::<_, UnpackError>(listing)
    })?;
    Ok((listing, summary.diff_id))
}

#[derive(Debug, Default)]
struct Progress {
    entries: u64,
    implied: Vec<PathBuf>,
    root_entry: bool,
    opaque_root: bool,
}

fn apply(reader: &mut TarReader<'_>, snapshot: &Snapshot, lower: Option<&View>) -> Result<Progress, UnpackError> {
    let mut writer = SnapshotWriter::new(snapshot, lower)?;
    if let Some(lower) = lower {
        writer.put(&root_of(lower)?)?;
    }
    let mut progress = Progress::default();
    while let Some(entry) = reader.next()? {
        progress.entries += 1;
        match Meaning::of(&entry)? {
            Meaning::Ignored => {}
            Meaning::Whiteout(path) => writer.put(&Entry::whiteout(path))?,
            Meaning::Opaque(path) => {
                progress.opaque_root |= path.as_os_str().is_empty();
                writer.opaque(&path)?;
            }
            Meaning::Plain => {
                progress.root_entry |= entry.path.as_os_str().is_empty();
                put::<UnpackError>(&mut writer, &entry, reader)?;
            }
        }
    }
    progress.implied = writer.finish()?;
    Ok(progress)
}

/// Writes the entry at hand, with its content.
pub(crate) fn put<E>(writer: &mut SnapshotWriter<'_>, entry: &Entry, reader: &mut TarReader<'_>) -> Result<(), E>
where
    E: From<ReadError> + From<SnapshotError>,
{
    match entry.kind {
        EntryKind::File { size, .. } => writer.file(entry, |file| write_content(file, &entry.path, size, reader)),
        _ => Ok(writer.put(entry)?),
    }
}

/// Writes the content of the entry at hand; holes of sparse files stay holes.
fn write_content<E>(file: &mut File, path: &Path, size: u64, reader: &mut TarReader<'_>) -> Result<(), E>
where
    E: From<ReadError> + From<SnapshotError>,
{
    let failed = |source| SnapshotError::System { action: "write", path: path.to_owned(), source };
    let mut written = 0;
    while let Some((offset, bytes)) = reader.data()? {
        if offset != written {
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        }
        file.write_all(bytes).map_err(failed)?;
        written = offset + bytes.len() as u64;
    }
    if written != size {
        file.set_len(size).map_err(failed)?;
    }
    Ok(())
}

/// What an entry of a layer archive stands for (OCI image specification, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Plain,
    Whiteout(PathBuf),
    Opaque(PathBuf),
    /// A storage driver's own business.
    Ignored,
}

impl Meaning {
    fn of(entry: &Entry) -> Result<Self, UnpackError> {
        let name = entry.path.file_name().unwrap_or_default().as_bytes();
        let parent = entry.path.parent().unwrap_or(Path::new(""));
        if entry.path.iter().any(|part| part.as_bytes().starts_with(WHITEOUT_META_PREFIX)) && name != OPAQUE_NAME {
            return Ok(Self::Ignored);
        }
        if name == OPAQUE_NAME {
            return Ok(Self::Opaque(parent.to_owned()));
        }
        match name.strip_prefix(WHITEOUT_PREFIX) {
            None => Ok(Self::Plain),
            Some(b"" | b"." | b"..") => Err(UnpackError::Whiteout { path: entry.path.clone() }),
            Some(hidden) => Ok(Self::Whiteout(parent.join(std::ffi::OsStr::from_bytes(hidden)))),
        }
    }
}

/// Gives the directories that a layer only implied, and its root, the attributes that they have in the layers below.
///
/// # Errors
/// When the layers below cannot be read or the snapshot cannot be written.
pub fn adopt(snapshot: &Snapshot, unpacked: &Unpacked, lower: &View) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::new(snapshot, Some(lower))?;
    if !unpacked.root_entry {
        writer.put(&root_of(lower)?)?;
    }
    for path in &unpacked.implied {
        let below = lower.lookup(path).map_err(|source| SnapshotError::Lower { path: path.clone(), source: Box::new(source) })?;
        if let Some(entry) = below
            && matches!(entry.kind, EntryKind::Directory { .. })
        {
            writer.put(&Entry { kind: EntryKind::Directory { opaque: false }, ..entry })?;
        }
    }
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests;
