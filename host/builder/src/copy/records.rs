//! What has been selected, in memory as far as that is little, else in a file without a name.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::CopyError;
use super::codec::{read_record, write_record};
use super::item::Record;

/// As many objects are kept in memory, which takes about 300 bytes for each.
const MOST: usize = 120_000;

/// Of those in a file, so many are in memory at a time: enough to keep the threads busy that digest them.
const PORTION: usize = 20_000;

/// Where selections go that are too large for the memory.
#[derive(Debug, Clone)]
pub struct Room {
    directory: PathBuf,
    most: usize,
}

impl Room {
    /// Room in memory, and in files without a name in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), most: MOST }
    }

    /// The same with so many objects in memory at most.
    #[must_use]
    pub fn with_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// How many objects are kept in memory.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    fn file(&self) -> Result<BufWriter<Arc<File>>, CopyError> {
        Ok(BufWriter::new(Arc::new(tempfile::tempfile_in(&self.directory).map_err(failed)?)))
    }
}

/// Records in the order in which they came.
#[derive(Debug)]
pub(super) struct Records {
    room: Room,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory(Vec<Record>),
    File(BufWriter<Arc<File>>),
}

impl Records {
    pub(super) fn new(room: &Room) -> Self {
        Self { room: room.clone(), kept: Kept::Memory(Vec::new()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.kept, Kept::Memory(records) if records.is_empty())
    }

    pub(super) fn push(&mut self, record: Record) -> Result<(), CopyError> {
        if let Kept::Memory(records) = &mut self.kept {
            if records.len() < self.room.most {
                records.push(record);
                return Ok(());
            }
            let mut file = self.room.file()?;
            records.drain(..).try_for_each(|record| write_record(&mut file, &record)).map_err(failed)?;
            self.kept = Kept::File(file);
        }
        match &mut self.kept {
            Kept::File(file) => write_record(file, &record).map_err(failed),
            Kept::Memory(_) => Ok(()),
        }
    }

    /// Lets `change` have all records in their order, all at once when they are in memory, else a portion at a time.
    pub(super) fn change(&mut self, change: &mut dyn FnMut(&mut [Record]) -> Result<(), CopyError>) -> Result<(), CopyError> {
        if let Kept::Memory(records) = &mut self.kept {
            return change(records);
        }
        let mut changed = self.room.file()?;
        self.flush()?;
        let (mut reader, mut portion) = (self.reader()?, Vec::new());
        loop {
            let record = reader.next()?.map(Cow::into_owned);
            let is_end = record.is_none();
            portion.extend(record);
            if is_end || portion.len() >= PORTION.min(self.room.most) {
                change(&mut portion)?;
                portion.drain(..).try_for_each(|record| write_record(&mut changed, &record)).map_err(failed)?;
            }
            if is_end {
                break;
            }
        }
        self.kept = Kept::File(changed);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), CopyError> {
        match &mut self.kept {
            Kept::File(file) => file.flush().map_err(failed),
            Kept::Memory(_) => Ok(()),
        }
    }

    /// All records, once no more of them come.
    pub(super) fn reader(&self) -> Result<Reader<'_>, CopyError> {
        Ok(match &self.kept {
            Kept::Memory(records) => Reader::Memory(records.iter()),
            Kept::File(file) => Reader::file(file.get_ref()),
        })
    }

    /// The file that they are in, where they are not in memory.
    pub(super) fn file(&self) -> Option<&Arc<File>> {
        match &self.kept {
            Kept::Memory(_) => None,
            Kept::File(file) => Some(file.get_ref()),
        }
    }
}

/// Reads records one after the other.
#[derive(Debug)]
pub(super) enum Reader<'r> {
    Memory(std::slice::Iter<'r, Record>),
    File(BufReader<Positioned>),
}

impl<'r> Reader<'r> {
    /// Reads a file of records from its beginning.
    pub(super) fn file(file: &Arc<File>) -> Self {
        Self::File(BufReader::new(Positioned { file: Arc::clone(file), at: 0 }))
    }

    pub(super) fn next(&mut self) -> Result<Option<Cow<'r, Record>>, CopyError> {
        match self {
            Self::Memory(records) => Ok(records.next().map(Cow::Borrowed)),
            Self::File(file) => Ok(read_record(file).map_err(failed)?.map(Cow::Owned)),
        }
    }
}

/// A file that several read at once.
#[derive(Debug)]
pub(super) struct Positioned {
    file: Arc<File>,
    at: u64,
}

impl io::Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn failed(source: io::Error) -> CopyError {
    CopyError::Room { source }
}
