//! Reading an archive entry by entry, in constant memory, trusting nothing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::sparse::{self, Segment, SparseRecords};
use super::{BLOCK, XATTR_RECORD, number, padding, pax};
use crate::path::clamp;
use crate::stream::{Chunks, Limits, ReadError};
use crate::text::shown_bytes;
use crate::{Content, Entry, EntryKind, Timestamp};

/// The most that a PAX header or a long name may take, in bytes.
const LARGEST_EXTENSION: u64 = 1 << 20;
/// The most that global PAX records may take, in bytes: they are applied to every entry that follows.
const LARGEST_GLOBAL: usize = 16 << 10;
/// The most extended attributes of an entry.
const MOST_XATTRS: usize = 200;
/// The largest extended attribute of Linux, in bytes.
const LARGEST_XATTR: usize = 64 << 10;

/// An archive being read.
#[derive(Debug)]
pub(crate) struct TarReader<'c> {
    chunks: &'c mut Chunks,
    limits: Limits,
    /// Bytes read of the stream.
    offset: u64,
    entries: u64,
    /// Bytes of all files so far, as they are once written.
    content_size: u64,
    global: Vec<(Vec<u8>, Vec<u8>)>,
    content: Stored,
}

/// What is left of the content of the entry at hand.
#[derive(Debug, Default)]
struct Stored {
    left: u64,
    padding: usize,
    /// Handed out and not yet taken off the chunk.
    lent: usize,
    /// Where the next byte belongs in the file.
    position: u64,
    /// The segments of a sparse file that are still to come, the next one last.
    segments: Option<Vec<Segment>>,
}

/// What the headers before an entry tell of it.
#[derive(Debug, Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    modified: Option<Timestamp>,
    xattrs: Vec<(OsString, Vec<u8>)>,
    sparse: Option<SparseRecords>,
}

impl<'c> TarReader<'c> {
    pub(crate) fn new(chunks: &'c mut Chunks, limits: Limits) -> Self {
        Self { chunks, limits, offset: 0, entries: 0, content_size: 0, global: Vec::new(), content: Stored::default() }
    }

    /// The next entry, or nothing at the archive's end.
    ///
    /// Its path is clamped to the root and empty for the root itself; so is the target of a hard link. Contents of
    /// files are `Absent`: [`Self::data`] gives them. Names that begin with `.wh.` are names like any other here.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        self.skip_content()?;
        let mut extensions = Extensions::default();
        for (key, value) in &self.global {
            apply_record(&mut extensions, key, value).map_err(|problem| broken(self.offset, problem))?;
        }
        loop {
            let start = self.offset;
            let Some(block) = self.header()? else { return Ok(None) };
            self.count_entry()?;
            let size = field(&block[124..136]).ok_or_else(|| broken(start, "the size is not a number"))?;
            match block[156] {
                b'x' | b'X' => {
                    let text = self.extension(size)?;
                    self.local_records(&mut extensions, &text, start)?;
                }
                b'g' => self.global_records(&mut extensions, size, start)?,
                b'L' => extensions.name = Some(until_zero(&self.extension(size)?).to_vec()),
                b'K' => extensions.link = Some(until_zero(&self.extension(size)?).to_vec()),
                _ => return self.entry(&block, size, extensions, start).map(Some),
            }
        }
    }

    /// The next piece of the entry's content and where it belongs; what no piece covers is zeros.
    pub(crate) fn data(&mut self) -> Result<Option<(u64, &[u8])>, ReadError> {
        self.take_lent();
        let mut most = self.content.left;
        if most == 0 {
            return Ok(None);
        }
        if let Some(segments) = &mut self.content.segments {
            while let Some(segment) = segments.last()
                && segment.length == 0
            {
                segments.pop();
            }
            let segment = segments.last().expect("the segments are as long as what is stored");
            self.content.position = segment.offset;
            most = segment.length;
        }
        let (offset, position) = (self.offset, self.content.position);
        let bytes = self.chunks.peek()?;
        if bytes.is_empty() {
            return Err(ReadError::Truncated { offset, what: "a file's content" });
        }
        let count = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
        self.content.lent = count;
        Ok(Some((position, &bytes[..count])))
    }

    /// Takes what [`Self::data`] has lent off the stream.
    fn take_lent(&mut self) {
        let count = std::mem::take(&mut self.content.lent);
        if count == 0 {
            return;
        }
        self.chunks.advance(count);
        self.offset += count as u64;
        self.content.left -= count as u64;
        self.content.position += count as u64;
        if let Some(segment) = self.content.segments.as_mut().and_then(|segments| segments.last_mut()) {
            segment.offset += count as u64;
            segment.length -= count as u64;
        }
    }

    fn skip_content(&mut self) -> Result<(), ReadError> {
        self.take_lent();
        let content = std::mem::take(&mut self.content);
        self.skip(content.left, "a file's content")?;
        self.skip(content.padding as u64, "a file's padding")
    }

    fn skip(&mut self, mut count: u64, what: &'static str) -> Result<(), ReadError> {
        while count > 0 {
            let available = self.chunks.peek()?.len();
            if available == 0 {
                return Err(ReadError::Truncated { offset: self.offset, what });
            }
            let part = usize::try_from(count).map_or(available, |count| count.min(available));
            self.chunks.advance(part);
            self.offset += part as u64;
            count -= part as u64;
        }
        Ok(())
    }

    fn read_exact(&mut self, buffer: &mut [u8], what: &'static str) -> Result<(), ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let bytes = self.chunks.peek()?;
            if bytes.is_empty() {
                return Err(ReadError::Truncated { offset: self.offset, what });
            }
            let count = bytes.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&bytes[..count]);
            self.chunks.advance(count);
            self.offset += count as u64;
            filled += count;
        }
        Ok(())
    }

    /// A header block with a right checksum, or nothing at the end.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, ReadError> {
        if self.chunks.peek()?.is_empty() {
            return Ok(None);
        }
        let start = self.offset;
        let mut block = [0; BLOCK];
        self.read_exact(&mut block, "a header")?;
        if block.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let stored = number::read(&block[148..156]);
        let sum = |value: fn(u8) -> i64| -> i64 {
            block.iter().enumerate().map(|(at, &b)| if (148..156).contains(&at) { 32 } else { value(b) }).sum()
        };
        if stored != Some(sum(i64::from)) && stored != Some(sum(|b| i64::from(b as i8))) {
            return Err(broken(start, "its checksum is wrong, so this is no tar archive or a damaged one"));
        }
        Ok(Some(block))
    }

    fn count_entry(&mut self) -> Result<(), ReadError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(ReadError::Limit { what: "entries", limit: self.limits.entries });
        }
        Ok(())
    }

    /// The content of a header that extends the next one.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > LARGEST_EXTENSION {
            return Err(broken(
                self.offset,
                format!("an extended header claims {size} bytes, at most {LARGEST_EXTENSION} are allowed"),
            ));
        }
        let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
        self.read_exact(&mut text, "an extended header")?;
        self.skip(padding(size) as u64, "an extended header")?;
        Ok(text)
    }

    fn local_records(&self, extensions: &mut Extensions, mut text: &[u8], start: u64) -> Result<(), ReadError> {
        while !text.is_empty() {
            pax::read_record(&mut text)
                .and_then(|(key, value)| apply_record(extensions, key, value))
                .map_err(|problem| broken(start, problem))?;
        }
        Ok(())
    }

    /// Records for all entries that follow; a later header's records come on top.
    fn global_records(&mut self, extensions: &mut Extensions, size: u64, start: u64) -> Result<(), ReadError> {
        let text = self.extension(size)?;
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let (key, value) = pax::read_record(&mut rest).map_err(|problem| broken(start, problem))?;
            if key == b"comment" {
                continue;
            }
            self.global.retain(|(known, _)| known != key);
            self.global.push((key.to_vec(), value.to_vec()));
            let held: usize = self.global.iter().map(|(key, value)| key.len() + value.len()).sum();
            if held > LARGEST_GLOBAL {
                return Err(broken(start, format!("the global PAX records take more than {LARGEST_GLOBAL} bytes")));
            }
        }
        self.local_records(extensions, &text, start)
    }

    fn entry(&mut self, block: &[u8; BLOCK], size: u64, mut extensions: Extensions, start: u64) -> Result<Entry, ReadError> {
        let stored = extensions.size.unwrap_or(size);
        let flag = block[156];
        let header_only = matches!(flag, b'1'..=b'6');
        self.content = Stored::default();
        if !header_only {
            self.content.left = stored;
            self.content.padding = padding(stored);
        }
        let size = if header_only { 0 } else { self.sparse_size(block, &mut extensions, stored, start)? };
        let sparse_name = extensions.sparse.as_mut().and_then(|sparse| sparse.name.take());
        let name = sparse_name.or_else(|| extensions.name.take()).unwrap_or_else(|| header_name(block));
        let link = extensions.link.take().unwrap_or_else(|| until_zero(&block[157..257]).to_vec());
        let path = clamp(&name).map_err(|problem| broken(start, format!("the name {}: {problem}", shown_bytes(&name))))?;
        let kind =
            kind(block, &name, &link, size).map_err(|problem| broken(start, format!("{} {problem}", shown_bytes(&name))))?;
        if let EntryKind::File { size, .. } = kind {
            self.count_content(size)?;
        }
        let (uid, gid, mode, modified) =
            attributes(block, &extensions).map_err(|problem| broken(start, format!("{} {problem}", shown_bytes(&name))))?;
        extensions.xattrs.sort();
        Ok(Entry { path, kind, mode, uid, gid, modified, xattrs: extensions.xattrs })
    }

    fn count_content(&mut self, size: u64) -> Result<(), ReadError> {
        self.content_size = self.content_size.saturating_add(size);
        if self.content_size > self.limits.bytes {
            return Err(ReadError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }

    /// The size of the file at hand, after its map has been read when it is sparse.
    fn sparse_size(
        &mut self,
        block: &[u8; BLOCK],
        extensions: &mut Extensions,
        stored: u64,
        start: u64,
    ) -> Result<u64, ReadError> {
        let (segments, size) = if block[156] == b'S' {
            self.old_map(block, start)?
        } else if let Some(sparse) = &mut extensions.sparse {
            let size = sparse.size.ok_or_else(|| broken(start, "a sparse file has no size"))?;
            match sparse.map_in_content {
                true => (self.map_from_content(start)?, size),
                false => (std::mem::take(&mut sparse.segments), size),
            }
        } else {
            return Ok(stored);
        };
        sparse::check(&segments, size, self.content.left).map_err(|problem| broken(start, problem))?;
        self.content.segments = Some(segments.into_iter().rev().collect());
        Ok(size)
    }

    fn old_map(&mut self, block: &[u8; BLOCK], start: u64) -> Result<(Vec<Segment>, u64), ReadError> {
        let mut segments = Vec::new();
        sparse::read_old(&block[386..482], &mut segments).map_err(|problem| broken(start, problem))?;
        let size = field(&block[483..495]).ok_or_else(|| broken(start, "the size of a sparse file is not a number"))?;
        let mut more = block[482] != 0;
        while more {
            let mut extension = [0; BLOCK];
            self.read_exact(&mut extension, "the map of a sparse file")?;
            sparse::read_old(&extension[..504], &mut segments).map_err(|problem| broken(start, problem))?;
            more = extension[504] != 0;
        }
        Ok((segments, size))
    }

    /// The map of PAX version 1.0: decimal numbers, one a line, padded to a block, before the content.
    fn map_from_content(&mut self, start: u64) -> Result<Vec<Segment>, ReadError> {
        let mut map = MapText { block: [0; BLOCK], position: BLOCK };
        let count = map.number(self, start)?;
        let mut segments = Vec::new();
        for _ in 0..count {
            let offset = map.number(self, start)?;
            let length = map.number(self, start)?;
            sparse::push(&mut segments, offset, length).map_err(|problem| broken(start, problem))?;
        }
        Ok(segments)
    }
}

/// The text of a sparse map that stands before the content.
struct MapText {
    block: [u8; BLOCK],
    position: usize,
}

impl MapText {
    fn number(&mut self, reader: &mut TarReader<'_>, start: u64) -> Result<u64, ReadError> {
        let mut digits = Vec::with_capacity(20);
        loop {
            if self.position == BLOCK {
                let rest = reader.content.left.checked_sub(BLOCK as u64);
                reader.content.left = rest.ok_or_else(|| broken(start, "the map of a sparse file has no end"))?;
                reader.read_exact(&mut self.block, "the map of a sparse file")?;
                self.position = 0;
            }
            let byte = self.block[self.position];
            self.position += 1;
            if byte == b'\n' {
                return pax::number(&digits).ok_or_else(|| broken(start, "the map of a sparse file is not a number"));
            }
            if digits.len() == 20 {
                return Err(broken(start, "the map of a sparse file is not a number"));
            }
            digits.push(byte);
        }
    }
}

fn broken(offset: u64, problem: impl Into<String>) -> ReadError {
    ReadError::Header { offset, problem: problem.into() }
}

fn field(field: &[u8]) -> Option<u64> {
    number::read(field).and_then(|value| u64::try_from(value).ok())
}

fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|&b| b == 0).next().unwrap_or_default()
}

fn header_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_zero(&block[..100]);
    let prefix = if &block[257..263] == b"ustar\0" { until_zero(&block[345..500]) } else { b"" };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn apply_record(extensions: &mut Extensions, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
    let some = (!value.is_empty()).then_some(value);
    match key {
        b"path" => extensions.name = some.map(<[u8]>::to_vec),
        b"linkpath" => extensions.link = some.map(<[u8]>::to_vec),
        b"size" => extensions.size = some.map(|v| pax::number(v).ok_or("the PAX record `size` is not a number")).transpose()?,
        b"uid" => extensions.uid = some.map(|v| pax::number(v).ok_or("the PAX record `uid` is not an id")).transpose()?,
        b"gid" => extensions.gid = some.map(|v| pax::number(v).ok_or("the PAX record `gid` is not an id")).transpose()?,
        b"mtime" => extensions.modified = some.map(|v| pax::time(v).ok_or("the PAX record `mtime` is not a time")).transpose()?,
        _ => {
            if let Some(sparse) = key.strip_prefix(b"GNU.sparse.") {
                extensions.sparse.get_or_insert_default().record(sparse, value)?;
            } else if let Some(name) = key.strip_prefix(XATTR_RECORD) {
                if name.is_empty() || name.len() > 255 || name.contains(&0) || value.len() > LARGEST_XATTR {
                    return Err("an extended attribute's name or value is too long, or the name empty");
                }
                if extensions.xattrs.len() >= MOST_XATTRS {
                    return Err("it has too many extended attributes");
                }
                let name = OsString::from_vec(name.to_vec());
                extensions.xattrs.retain(|(known, _)| *known != name);
                extensions.xattrs.push((name, value.to_vec()));
            }
        }
    }
    Ok(())
}

fn kind(block: &[u8; BLOCK], name: &[u8], link: &[u8], size: u64) -> Result<EntryKind, String> {
    let device =
        || Some((u32::try_from(number::read(&block[329..337])?).ok()?, u32::try_from(number::read(&block[337..345])?).ok()?));
    let device = || device().filter(|&(major, minor)| major < 1 << 12 && minor < 1 << 20).ok_or("has a broken device number");
    Ok(match block[156] {
        0 if name.ends_with(b"/") => EntryKind::Directory { opaque: false },
        b'0' | 0 | b'7' | b'S' => EntryKind::File { size, content: Content::Absent },
        b'1' => {
            let target = clamp(link).map_err(|problem| format!("links to a broken name: {problem}"))?;
            EntryKind::HardLink { target }
        }
        b'2' if link.is_empty() || link.contains(&0) || link.len() >= 4096 => {
            return Err("is a symbolic link to a name that is empty, too long or holds a zero byte".to_owned());
        }
        b'2' => EntryKind::Symlink { target: PathBuf::from(OsString::from_vec(link.to_vec())) },
        b'3' => device().map(|(major, minor)| EntryKind::CharacterDevice { major, minor })?,
        b'4' => device().map(|(major, minor)| EntryKind::BlockDevice { major, minor })?,
        b'5' => EntryKind::Directory { opaque: false },
        b'6' => EntryKind::Fifo,
        other => return Err(format!("is an entry of the type `{}`, which is not supported", other.escape_ascii())),
    })
}

/// Owner, group, mode and time of an entry.
fn attributes(block: &[u8; BLOCK], extensions: &Extensions) -> Result<(u32, u32, u32, Timestamp), &'static str> {
    let id = |pax: Option<u32>, bytes: &[u8]| {
        let id = match pax {
            Some(id) => Some(id),
            None => field(bytes).and_then(|id| u32::try_from(id).ok()),
        };
        id.filter(|&id| id != u32::MAX).ok_or("has an owner or group that is no id")
    };
    let mode = number::read(&block[100..108]).ok_or("has a mode that is not a number")? & 0o7777;
    let modified = match extensions.modified {
        Some(time) => time,
        None => Timestamp { seconds: number::read(&block[136..148]).ok_or("has a time that is not a number")?, nanoseconds: 0 },
    };
    Ok((id(extensions.uid, &block[108..116])?, id(extensions.gid, &block[116..124])?, mode as u32, modified))
}

#[cfg(test)]
mod tests;
