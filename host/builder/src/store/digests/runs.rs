//! New records that are not in memory any more: sorted runs in a temporary file, and the merge of sorted records.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Fingerprint;
use super::record::{self, Record, Records};

/// One write, in bytes.
const BUFFER: usize = 64 * 1024;

/// Sorted runs of records, one after the other in a file that has no name.
#[derive(Debug)]
pub(super) struct Runs {
    directory: PathBuf,
    file: Option<File>,
    /// The number of records up to the end of each run.
    ends: Vec<usize>,
}

impl Runs {
    /// No runs; the first will make the file, in `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), file: None, ends: Vec::new() }
    }

    /// The number of records.
    pub(super) fn count(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Adds a run of records, which are sorted. When it fails, the runs are those that were there before.
    pub(super) fn add(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let mut end = self.count();
        let mut file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(&self.directory)?),
        };
        file.seek(SeekFrom::Start((end * record::SIZE) as u64))?;
        let mut writer = BufWriter::with_capacity(BUFFER, file);
        for record in records {
            writer.write_all(record.bytes())?;
            end += 1;
        }
        writer.flush()?;
        self.ends.push(end);
        Ok(())
    }

    /// The runs, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = Source<'_>> {
        let run = |file, index: usize| {
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            Records::new(file, (start * record::SIZE) as u64, self.ends[index] - start)
        };
        let all = move |file| (0..self.ends.len()).rev().map(move |index| Box::new(run(file, index)) as Source<'_>);
        self.file.iter().flat_map(all)
    }
}

/// Sorted records.
pub(super) type Source<'a> = Box<dyn Iterator<Item = io::Result<Record>> + 'a>;

/// Gives all records to `take` in the order of their fingerprints, each with the number of its source. Of those with the
/// same fingerprint it gives that of the first source.
pub(super) fn merge(mut sources: Vec<Source<'_>>, mut take: impl FnMut(usize, &Record) -> io::Result<()>) -> io::Result<()> {
    let mut heads = BinaryHeap::with_capacity(sources.len());
    for (source, records) in sources.iter_mut().enumerate() {
        heads.extend(head(source, records)?);
    }
    let mut last = None;
    while let Some(mut lowest) = heads.peek_mut() {
        let Reverse((fingerprint, source, record)) = *lowest;
        match head(source, &mut sources[source])? {
            Some(next) => *lowest = next,
            None => drop(PeekMut::pop(lowest)),
        }
        if last.replace(fingerprint) != Some(fingerprint) {
            take(source, &record)?;
        }
    }
    Ok(())
}

type Head = Reverse<(Fingerprint, usize, Record)>;

fn head(source: usize, records: &mut Source<'_>) -> io::Result<Option<Head>> {
    let record = records.next().transpose()?;
    Ok(record.map(|record| Reverse((record.fingerprint(), source, record))))
}
