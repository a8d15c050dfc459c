//! Content digests of files, remembered by what `statx` tells of them, so that an unchanged context is not read again.
//!
//! The file of a context ([`file`]) holds records of fixed size, sorted by fingerprint. It is read where it is asked for,
//! and what is learnt goes to a temporary file in sorted runs ([`runs`]) when it becomes much: memory does not grow with
//! the number of files, but for a byte to each record, which says whether it is still used.

mod file;
mod record;
mod runs;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windlass_layer::Timestamp;

use file::{RecordFile, RecordWriter};
use record::Record;
use runs::{Runs, Source};

/// A record that no run has used for this many saves is dropped.
const OLDEST: u8 = 16;

/// At most this many records are kept (200 MB on disk); a context with more files is read anew each time.
const MOST: usize = 4_000_000;

/// At most this many new records are in memory, some 8 MB.
const MOST_IN_MEMORY: usize = 100_000;

/// A file that changed this shortly before it was looked at may change again without its times telling, in seconds.
const RACY: i64 = 2;

/// What tells one state of a file from another: path, inode, size and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of the file at `path` (relative to what the memory is for).
    #[must_use]
    pub fn new(path: &[u8], inode: u64, size: u64, modified: Timestamp, changed: Timestamp) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut numbers = [0u8; 40];
        numbers[..8].copy_from_slice(&inode.to_le_bytes());
        numbers[8..16].copy_from_slice(&size.to_le_bytes());
        numbers[16..24].copy_from_slice(&modified.seconds.to_le_bytes());
        numbers[24..28].copy_from_slice(&modified.nanoseconds.to_le_bytes());
        numbers[28..36].copy_from_slice(&changed.seconds.to_le_bytes());
        numbers[36..].copy_from_slice(&changed.nanoseconds.to_le_bytes());
        hasher.update(&numbers).update(path);
        let mut short = [0u8; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(short)
    }
}

/// What is remembered of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// The blake3 digest of its content.
    pub digest: [u8; 32],
    /// Whether it has file capabilities, which are then read again.
    pub has_capabilities: bool,
}

/// The remembered digests of one context.
#[derive(Debug)]
pub struct DigestMemory {
    path: PathBuf,
    old: RecordFile,
    state: Mutex<State>,
    most: usize,
    most_in_memory: usize,
}

#[derive(Debug)]
struct State {
    new: BTreeMap<Fingerprint, Remembered>,
    /// The new records before those.
    runs: Runs,
    /// Which of the old records have been asked for.
    used: Vec<bool>,
}

impl DigestMemory {
    /// What `directory` remembers of the files below `root`. Temporary files are made in `scratch`.
    pub(super) fn open(directory: &Path, root: &Path, scratch: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let name = blake3::hash(root.as_os_str().as_bytes()).to_hex();
        let path = directory.join(&name.as_str()[..32]);
        let old = RecordFile::open(&path);
        let state = State { new: BTreeMap::new(), runs: Runs::new(scratch), used: vec![false; old.count()] };
        Self { path, old, state: Mutex::new(state), most: MOST, most_in_memory: MOST_IN_MEMORY }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The digests of those files, where they are known. Among very many files, what has been put since the memory was
    /// opened may not be known yet.
    #[must_use]
    pub fn get_all(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Remembered>> {
        let mut state = self.state();
        let mut found: Vec<_> = fingerprints.iter().map(|fingerprint| state.new.get(fingerprint).copied()).collect();
        let mut missing: Vec<usize> = (0..found.len()).filter(|&index| found[index].is_none()).collect();
        missing.sort_unstable_by_key(|&index| fingerprints[index]);
        let mut lookup = self.old.lookup();
        for index in missing {
            if let Some((position, record)) = lookup.find(&fingerprints[index]) {
                state.used[position] = true;
                found[index] = Some(record.value());
            }
        }
        found
    }

    /// Remembers a digest. `looked` is the time just before the file was looked at: one that had changed less than two
    /// seconds before is not remembered, as a later change might leave no trace.
    pub fn put(&self, fingerprint: Fingerprint, modified: Timestamp, changed: Timestamp, looked: Timestamp, value: Remembered) {
        let settled = looked.seconds.saturating_sub(RACY);
        if modified.seconds >= settled || changed.seconds >= settled {
            return;
        }
        let mut state = self.state();
        if state.count_new() >= self.most {
            return;
        }
        state.new.insert(fingerprint, value);
        if state.new.len() >= self.most_in_memory {
            state.move_to_disk();
        }
    }

    /// Whether there is something to save.
    pub(super) fn has_new(&self) -> bool {
        self.state().count_new() > 0
    }

    /// Writes the file's new content, of old and new records.
    pub(super) fn write(&self, file: &mut File) -> io::Result<()> {
        let state = self.state();
        let new = state.new.iter().map(|(fingerprint, value)| Ok(Record::new(fingerprint, value)));
        let mut sources: Vec<Source<'_>> = vec![Box::new(new)];
        sources.extend(state.runs.newest_first());
        let old = sources.len();
        sources.push(Box::new(self.aged(&state.used)));
        let mut room_for_old = self.most.saturating_sub(state.count_new());
        let mut writer = RecordWriter::new(file)?;
        runs::merge(sources, |source, record| {
            if source == old {
                if room_for_old == 0 {
                    return Ok(());
                }
                room_for_old -= 1;
            }
            writer.push(record)
        })?;
        writer.finish()
    }

    /// The old records as they are to be saved, without those that nobody has used for long.
    fn aged<'a>(&'a self, used: &'a [bool]) -> impl Iterator<Item = io::Result<Record>> + 'a {
        let aged = self.old.records().zip(used).map(|(record, used)| record.map(|record| record.aged(*used)));
        aged.filter(|record| record.as_ref().map_or(true, |record| record.age() < OLDEST))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count_new(&self) -> usize {
        self.runs.count() + self.new.len()
    }

    /// Makes room in memory. Where the new records cannot be written they are lost: their files are read again next time,
    /// and no build fails for it.
    fn move_to_disk(&mut self) {
        let new = std::mem::take(&mut self.new);
        let _ = self.runs.add(new.iter().map(|(fingerprint, value)| Record::new(fingerprint, value)));
    }
}

#[cfg(test)]
mod tests;
