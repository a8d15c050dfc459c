//! From a listing to a compressed layer blob, in one pass over the files.

mod blocks;
mod compress;
mod contents;
mod noise;
mod pipeline;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use windlass_core::Digest;

pub use compress::Compression;
pub(crate) use contents::open as open_content;

use crate::stream::{Decoder, Limits, ReadError};
use crate::text::shown;
use crate::{Content, DiffError, Entry, EntryKind};

/// How a layer is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerOptions {
    /// How the blob is compressed.
    pub compression: Compression,
    /// The latest modification time that entries may have, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub latest_modification: Option<i64>,
    /// How many threads compress; as many as the machine has processors when 0. The blob is the same for any number.
    pub threads: usize,
}

/// A layer blob that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    /// The digest of the uncompressed tar stream, as an image's configuration lists it.
    pub diff_id: Digest,
    /// The digest of the blob.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The tar stream's size in bytes.
    pub uncompressed_size: u64,
    /// The OCI media type of the blob.
    pub media_type: &'static str,
}

/// Why a layer could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An entry that a tar archive cannot hold.
    #[error("the entry {} cannot be part of a layer: {problem}", shown(.path))]
    Entry {
        /// The entry's path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be opened or read.
    #[error("cannot read {} for the layer's {}", shown(.file), shown(.path))]
    Read {
        /// The entry's path.
        path: PathBuf,
        /// The file on disk.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has another size than when it was listed.
    #[error("{} changed while it was read: it had {expected} bytes when it was listed and has {found} now; build again when nothing writes to it", shown(.file))]
    Changed {
        /// The file on disk.
        file: PathBuf,
        /// The size that the listing tells.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// What was listed as a file is something else now.
    #[error("{} changed while it was read: it is no regular file any more", shown(.file))]
    NotAFile {
        /// The file on disk.
        file: PathBuf,
    },
    /// The content stands in a layer that has not been unpacked.
    #[error("the content of {} is not on this machine: its layer has not been unpacked", shown(.path))]
    Absent {
        /// The entry's path.
        path: PathBuf,
    },
    /// The directory that the entries are read off cannot be read.
    #[error(transparent)]
    Changes(#[from] DiffError),
    /// The blob that is compressed anew cannot be read.
    #[error(transparent)]
    Source(#[from] ReadError),
    /// The compressor failed.
    #[error("cannot compress the layer")]
    Compress {
        /// What it said.
        source: io::Error,
    },
    /// The blob could not be written.
    #[error("cannot write the layer's blob")]
    Sink {
        /// What the system said.
        source: io::Error,
    },
}

/// Writes `entries` as a layer blob into `sink`.
///
/// The files are read once, in the order of the listing; memory does not grow with the layer. The bytes depend on the
/// entries, the contents and the compression alone.
///
/// # Errors
/// When a file cannot be read or has changed since it was listed, when an entry has no form in a tar archive, and when
/// the sink fails. What the sink then holds is of no use.
pub fn write_layer(entries: &[Entry], options: &LayerOptions, sink: &mut dyn io::Write) -> Result<LayerBlob, WriteError> {
    write_entries(entries.iter().map(|entry| Ok(Cow::Borrowed(entry))), options, sink)
}

/// The same for entries that are read while they are written.
///
/// # Errors
/// As [`write_layer`], and when the entries cannot be read.
pub fn write_changes(
    changes: impl Iterator<Item = Result<Entry, DiffError>> + Send,
    options: &LayerOptions,
    sink: &mut dyn io::Write,
) -> Result<LayerBlob, WriteError> {
    write_entries(changes.map(|entry| Ok(Cow::Owned(entry?))), options, sink)
}

pub(crate) fn write_entries<'e>(
    mut entries: impl Iterator<Item = Result<Cow<'e, Entry>, DiffError>> + Send,
    options: &LayerOptions,
    sink: &mut dyn io::Write,
) -> Result<LayerBlob, WriteError> {
    // Whether threads are worth their start says the length of the tar stream, as far as it is looked at.
    let (mut first, mut length) = (Vec::new(), 0);
    while length <= blocks::BLOCK_SIZE as u64 {
        let Some(entry) = entries.next().transpose()? else { break };
        length = entry_length(&entry).saturating_add(length);
        first.push(entry);
    }
    let entries = first.into_iter().map(Ok).chain(entries);
    let listed = contents::Listed { entries, latest: options.latest_modification };
    let written = if length <= blocks::BLOCK_SIZE as u64 {
        pipeline::write_inline(listed, options, sink)?
    } else {
        pipeline::write_threaded(listed, options, sink)?
    };
    Ok(layer_blob(&written, options.compression))
}

/// Writes the tar stream of a blob, however that is compressed, in another compression into `sink`. The stream itself
/// stays as it is, byte for byte, and so does the layer's diff_id, which the caller compares with what it expects.
///
/// # Errors
/// When the blob is damaged or larger than `limits` allow, and when the sink fails. What the sink then holds is of no use.
pub fn recompress(
    blob: impl io::Read + Send,
    limits: Limits,
    compression: Compression,
    sink: &mut dyn io::Write,
) -> Result<LayerBlob, WriteError> {
    let stream = contents::Streamed { decoder: Decoder::new(blob, limits)? };
    let options = LayerOptions { compression, ..LayerOptions::default() };
    Ok(layer_blob(&pipeline::write_threaded(stream, &options, sink)?, compression))
}

fn layer_blob(written: &pipeline::Written, compression: Compression) -> LayerBlob {
    LayerBlob {
        diff_id: Digest::from_sha256(written.diff_id),
        digest: Digest::from_sha256(written.digest),
        size: written.size,
        uncompressed_size: written.uncompressed_size,
        media_type: compression.media_type(),
    }
}

/// About how much of the tar stream an entry takes.
fn entry_length(entry: &Entry) -> u64 {
    let size = match &entry.kind {
        EntryKind::File { size, content: Content::File(_) | Content::Inline(_) } => *size,
        _ => 0,
    };
    size.saturating_add(512)
}

#[cfg(test)]
mod tests;
