//! The outline of a layer: names, kinds and attributes, in about 15 bytes a file once compressed. It is all that a COPY on
//! top of the layer has to know.
//!
//! It has the form of a layer in which files are empty, but for those that say who the users are.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use windlass_core::Digest;

use crate::blob::write_entries;
use crate::tar::read::TarReader;
use crate::unpack::list_with;
use crate::{
    Compression, Content, DiffError, Entry, EntryKind, LayerBlob, LayerOptions, Limits, Listing, ReadError, UnpackError,
    WriteError,
};

/// Files that keep their content: a COPY looks owners up there.
const KEPT: [&str; 2] = ["etc/passwd", "etc/group"];
/// The largest content that is kept, in bytes.
const LARGEST_KEPT: u64 = 64 << 10;
/// The largest outline before compression, in bytes: that of 100,000 files. Whoever reads it holds it in memory.
pub const LARGEST_OUTLINE: u64 = 64 << 20;
/// Each kilobyte that is saved here is saved on every machine that reads it.
const COMPRESSION: Compression = Compression::Gzip { level: 9 };

/// Writes the outline of the layer that has these entries into `sink`. `None` when it would be too large; what the sink then
/// holds is of no use.
///
/// # Errors
/// As [`crate::write_changes`].
pub fn write_outline(
    entries: impl Iterator<Item = Result<Entry, DiffError>> + Send,
    sink: &mut dyn io::Write,
) -> Result<Option<LayerBlob>, WriteError> {
    let mut length = 0u64;
    let few = entries.map_while(|entry| {
        length += entry.as_ref().map_or(0, length_of);
        (length <= LARGEST_OUTLINE).then(|| Ok(Cow::Owned(without_content(entry?))))
    });
    let options = LayerOptions { compression: COMPRESSION, ..LayerOptions::default() };
    let blob = write_entries(few, &options, sink)?;
    Ok((length <= LARGEST_OUTLINE && blob.uncompressed_size <= LARGEST_OUTLINE).then_some(blob))
}

/// Reads an outline, and the digest of what it unpacks to. Contents that it has not kept are `Absent`, and their sizes zero.
///
/// # Errors
/// When the stream is damaged, larger than any outline, or no layer.
pub fn read_outline(stream: impl Read + Send) -> Result<(Listing, Digest), UnpackError> {
    let limits = Limits { bytes: LARGEST_OUTLINE, ..Limits::default() };
    list_with(stream, limits, |size, reader| match size {
        1..=LARGEST_KEPT => content(size, reader),
        _ => Ok(Content::Absent),
    })
}

fn content(size: u64, reader: &mut TarReader<'_>) -> Result<Content, ReadError> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    while let Some((offset, piece)) = reader.data()? {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(piece.len()).min(bytes.len());
        bytes[start..end].copy_from_slice(&piece[..end - start]);
    }
    Ok(Content::Inline(bytes.into()))
}

fn without_content(mut entry: Entry) -> Entry {
    if let EntryKind::File { size, content } = &mut entry.kind {
        let is_kept = KEPT.iter().any(|kept| Path::new(kept) == entry.path) && *size <= LARGEST_KEPT;
        if !is_kept {
            (*size, *content) = (0, Content::Inline([].into()));
        }
    }
    entry
}

/// About as many bytes as the entry takes in a tar archive, and in memory.
fn length_of(entry: &Entry) -> u64 {
    let attributes: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    512 + (entry.path.as_os_str().len() + attributes) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layer, Timestamp, View};

    fn file(path: &str, content: &str) -> Entry {
        let kind = EntryKind::File { size: content.len() as u64, content: Content::Inline(content.as_bytes().into()) };
        Entry { kind, mode: 0o4755, uid: 7, gid: 8, ..Entry::directory(path, Timestamp { seconds: 5, nanoseconds: 0 }) }
    }

    fn outlined(entries: Listing) -> Listing {
        let mut blob = Vec::new();
        let written = write_outline(entries.into_iter().map(Ok), &mut blob).unwrap().unwrap();
        assert_eq!(written.size, blob.len() as u64);
        let (listing, diff_id) = read_outline(blob.as_slice()).unwrap();
        assert_eq!(diff_id, written.diff_id);
        listing
    }

    #[test]
    fn an_outline_has_everything_but_contents() {
        let time = Timestamp { seconds: 9, nanoseconds: 0 };
        let link = |kind| Entry { kind, mode: 0o777, ..Entry::directory("d/link", time) };
        let opaque = Entry { kind: EntryKind::Directory { opaque: true }, mode: 0o1777, ..Entry::directory("d", time) };
        let attribute = vec![("security.capability".into(), vec![1, 0, 2])];
        let entries = vec![
            opaque,
            link(EntryKind::Symlink { target: "../etc".into() }),
            Entry { xattrs: attribute, ..file("d/program", "not empty") },
            Entry { kind: EntryKind::HardLink { target: "d/program".into() }, ..file("d/second", "") },
            Entry { kind: EntryKind::CharacterDevice { major: 5, minor: 1 }, ..file("d/tty", "") },
            Entry::whiteout("d/gone"),
        ];
        let mut expected = entries.clone();
        expected[2].kind = EntryKind::File { size: 0, content: Content::Absent };
        assert_eq!(outlined(entries), expected);
    }

    #[test]
    fn the_files_of_users_keep_their_content() {
        let large = "x".repeat(usize::try_from(LARGEST_KEPT).unwrap() + 1);
        let entries = vec![file("etc/passwd", "root:x:0:0::/:\n"), file("etc/group", &large), file("etc/shadow", "secret")];
        let view = View::new(vec![Layer::listing(outlined(entries))]);
        assert_eq!(view.read_file(Path::new("etc/passwd"), 100).unwrap().unwrap(), b"root:x:0:0::/:\n");
        for absent in ["etc/group", "etc/shadow"] {
            assert!(matches!(view.read_file(Path::new(absent), 100), Err(crate::ViewError::Absent { .. })), "{absent}");
        }
    }

    #[test]
    fn an_outline_that_would_fill_the_memory_is_not_written_and_not_read() {
        let many = (0..130_000).map(|number| Ok(file(&format!("d/{number}"), "")));
        assert_eq!(write_outline(many, &mut io::sink()).unwrap(), None);
        let mut blob = Vec::new();
        crate::blob::write_layer(&[file("zeros", &"\0".repeat(70 << 20))], &LayerOptions::default(), &mut blob).unwrap();
        assert!(matches!(read_outline(blob.as_slice()), Err(UnpackError::Read(ReadError::Limit { .. }))));
    }
}
