//! The file in which digests are kept.
//!
//! It holds, after a magic number, records of fixed size sorted by fingerprint, and last a checksum. A file that does not
//! look like that counts as empty: the digests are then computed anew.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::record::{self, Record, Records};
use super::{Fingerprint, MOST};

const MAGIC: &[u8; 16] = b"windlass-digest1";
const CHECKSUM: usize = 32;

/// As many records are read at once for one that is looked for (8 KB). More would make it slower to find a few, fewer
/// would make it slower to find many, and the list of first fingerprints longer.
const BLOCK: usize = 160;

/// As many bytes are read and hashed, or hashed and written, at once.
const BUFFER: usize = 32 * BLOCK * record::SIZE;

/// A file of records that was whole when it was opened, or none. What replaces it meanwhile is another file.
#[derive(Debug, Default)]
pub(super) struct RecordFile {
    file: Option<File>,
    count: usize,
    /// The first fingerprint of each block.
    firsts: Vec<Fingerprint>,
}

impl RecordFile {
    /// Opens the file and reads it once, to see that it is whole. One that is not, or cannot be read, counts as empty.
    pub(super) fn open(path: &Path) -> Self {
        File::open(path).and_then(Self::verified).ok().flatten().unwrap_or_default()
    }

    fn verified(mut file: File) -> io::Result<Option<Self>> {
        let Some(count) = count(file.metadata()?.len()) else { return Ok(None) };
        let mut magic = [0u8; MAGIC.len()];
        file.read_exact(&mut magic)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&magic);
        let mut firsts = Vec::with_capacity(count.div_ceil(BLOCK));
        let mut left = count * record::SIZE;
        let mut buffer = vec![0u8; left.min(BUFFER)];
        while left > 0 {
            let part = &mut buffer[..left.min(BUFFER)];
            file.read_exact(part)?;
            hasher.update(part);
            firsts.extend(part.as_chunks().0.iter().step_by(BLOCK).map(|bytes| Record::from(*bytes).fingerprint()));
            left -= part.len();
        }
        let mut checksum = [0u8; CHECKSUM];
        file.read_exact(&mut checksum)?;
        let whole = &magic == MAGIC && hasher.finalize() == checksum;
        Ok(whole.then_some(Self { file: Some(file), count, firsts }))
    }

    /// The number of records.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// All records, sorted.
    pub(super) fn records(&self) -> impl Iterator<Item = io::Result<Record>> {
        self.file.iter().flat_map(|file| Records::new(file, MAGIC.len() as u64, self.count))
    }

    /// Finds records: fast when those asked for are sorted.
    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup { file: self, block: None, bytes: Vec::new() }
    }
}

/// The number of records in a file of that length.
fn count(length: u64) -> Option<usize> {
    let bytes = usize::try_from(length).ok()?.checked_sub(MAGIC.len() + CHECKSUM)?;
    let count = bytes / record::SIZE;
    (bytes.is_multiple_of(record::SIZE) && count <= MOST).then_some(count)
}

/// Records of a file, with the block that was read last.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    file: &'a RecordFile,
    block: Option<usize>,
    bytes: Vec<u8>,
}

impl Lookup<'_> {
    /// The record with that fingerprint, with its number. One that cannot be read is not there.
    pub(super) fn find(&mut self, fingerprint: &Fingerprint) -> Option<(usize, Record)> {
        let block = self.file.firsts.partition_point(|first| first <= fingerprint).checked_sub(1)?;
        if self.block != Some(block) {
            self.block = None;
            self.read(block).ok()?;
            self.block = Some(block);
        }
        let (records, _) = self.bytes.as_chunks();
        let index = records.binary_search_by_key(fingerprint, |bytes| Record::from(*bytes).fingerprint()).ok()?;
        Some((block * BLOCK + index, Record::from(records[index])))
    }

    fn read(&mut self, block: usize) -> io::Result<()> {
        let Some(file) = &self.file.file else { return Ok(()) };
        let first = block * BLOCK;
        self.bytes.resize(BLOCK.min(self.file.count - first) * record::SIZE, 0);
        file.read_exact_at(&mut self.bytes, (MAGIC.len() + first * record::SIZE) as u64)
    }
}

/// Writes a file that [`RecordFile::open`] reads.
#[derive(Debug)]
pub(super) struct RecordWriter<'a> {
    writer: BufWriter<Hashed<'a>>,
}

impl<'a> RecordWriter<'a> {
    pub(super) fn new(file: &'a mut File) -> io::Result<Self> {
        let mut writer = BufWriter::with_capacity(BUFFER, Hashed { file, hasher: blake3::Hasher::new() });
        writer.write_all(MAGIC)?;
        Ok(Self { writer })
    }

    /// Adds a record, whose fingerprint is greater than all before it.
    pub(super) fn push(&mut self, record: &Record) -> io::Result<()> {
        self.writer.write_all(record.bytes())
    }

    /// Writes what is left, and the checksum.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        let Hashed { file, hasher } = self.writer.get_mut();
        file.write_all(hasher.finalize().as_bytes())
    }
}

/// A file, with the hash of what was written to it.
#[derive(Debug)]
struct Hashed<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
