//! Reading an archive entry by entry, in constant memory, trusting nothing.

mod attributes;
mod extensions;
mod map;

use attributes::{attributes, header_name, kind};
use extensions::{Extensions, apply_record};

use super::sparse::Segment;
use super::{BLOCK, number, padding};
use crate::path::clamp;
use crate::stream::{Chunks, Limits, ReadError};
use crate::text::shown_bytes;
use crate::{Entry, EntryKind};

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

#[cfg(test)]
mod tests;
