//! Content digests of files, remembered by what `statx` tells of them, so that an unchanged context is not read again.
//!
//! The file holds, after a magic number, records of fixed size sorted by fingerprint, and last a checksum. A file that
//! does not look like that counts as empty: the digests are then computed anew.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use windlass_layer::Timestamp;

const MAGIC: &[u8; 16] = b"windlass-digest1";
const RECORD: usize = 16 + 32 + 1 + 1;
const CHECKSUM: usize = 32;

/// A record that no run has used for this many saves is dropped.
const OLDEST: u8 = 16;

/// At most this many records are kept (200 MB); a context with more files is read anew each time.
const MOST: usize = 4_000_000;

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
    /// The records of the file, as they are in it, sorted.
    old: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    new: HashMap<Fingerprint, Remembered>,
    /// Which of the old records have been asked for.
    used: Vec<bool>,
}

impl DigestMemory {
    pub(super) fn open(directory: &Path, root: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let name = blake3::hash(root.as_os_str().as_bytes()).to_hex();
        let path = directory.join(&name.as_str()[..32]);
        let old = std::fs::read(&path).ok().and_then(records).unwrap_or_default();
        let state = State { new: HashMap::new(), used: vec![false; old.len() / RECORD] };
        Self { path, old, state: Mutex::new(state) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The digests of those files, where they are known.
    #[must_use]
    pub fn get_all(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Remembered>> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fingerprints.iter().map(|fingerprint| self.get(&mut state, fingerprint)).collect()
    }

    fn get(&self, state: &mut State, fingerprint: &Fingerprint) -> Option<Remembered> {
        if let Some(found) = state.new.get(fingerprint) {
            return Some(*found);
        }
        let index = self.find(fingerprint)?;
        state.used[index] = true;
        let record = self.record(index);
        let digest = record[16..48].try_into().ok()?;
        Some(Remembered { digest, has_capabilities: record[48] & 1 == 1 })
    }

    /// Remembers a digest. `looked` is the time just before the file was looked at: one that had changed less than two
    /// seconds before is not remembered, as a later change might leave no trace.
    pub fn put(&self, fingerprint: Fingerprint, modified: Timestamp, changed: Timestamp, looked: Timestamp, value: Remembered) {
        let settled = looked.seconds.saturating_sub(RACY);
        if modified.seconds >= settled || changed.seconds >= settled {
            return;
        }
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).new.insert(fingerprint, value);
    }

    /// The file's new content, or `None` when nothing was learnt.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.new.is_empty() {
            return None;
        }
        let mut all: Vec<[u8; RECORD]> = Vec::with_capacity(state.new.len() + state.used.len());
        for (fingerprint, value) in &state.new {
            let mut record = [0u8; RECORD];
            record[..16].copy_from_slice(&fingerprint.0);
            record[16..48].copy_from_slice(&value.digest);
            record[48] = u8::from(value.has_capabilities);
            all.push(record);
        }
        for (index, used) in state.used.iter().enumerate() {
            let mut record = self.record(index);
            record[49] = if *used { 0 } else { record[49].saturating_add(1) };
            let replaced = state.new.contains_key(&Fingerprint(record[..16].try_into().ok()?));
            if record[49] < OLDEST && !replaced {
                all.push(record);
            }
        }
        all.truncate(MOST);
        all.sort_unstable();
        let mut bytes = Vec::with_capacity(MAGIC.len() + all.len() * RECORD + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.extend(all.iter().flatten());
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Some(bytes)
    }

    fn record(&self, index: usize) -> [u8; RECORD] {
        let mut record = [0u8; RECORD];
        record.copy_from_slice(&self.old[index * RECORD..(index + 1) * RECORD]);
        record
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<usize> {
        let (mut low, mut high) = (0, self.old.len() / RECORD);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.old[middle * RECORD..middle * RECORD + 16].cmp(&fingerprint.0) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// The records of a whole and undamaged file.
fn records(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.len().checked_sub(CHECKSUM)?;
    let whole = bytes.starts_with(MAGIC) && end >= MAGIC.len() && (end - MAGIC.len()).is_multiple_of(RECORD);
    if !whole || blake3::hash(&bytes[..end]).as_bytes() != &bytes[end..] {
        return None;
    }
    bytes.truncate(end);
    bytes.drain(..MAGIC.len());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanoseconds: 5 }
    }

    fn print(name: &str) -> Fingerprint {
        Fingerprint::new(name.as_bytes(), 1, 2, at(10), at(10))
    }

    fn learn(memory: &DigestMemory, name: &str, byte: u8) {
        memory.put(print(name), at(10), at(10), at(100), Remembered { digest: [byte; 32], has_capabilities: byte == 9 });
    }

    fn ask(memory: &DigestMemory, name: &str) -> Option<u8> {
        memory.get_all(&[print(name)])[0].map(|found| found.digest[0])
    }

    #[test]
    fn digests_are_known_again_in_the_next_run_and_only_for_the_same_state() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let memory = store.digest_memory(Path::new("/context"));
        for number in 0..100u8 {
            learn(&memory, &number.to_string(), number);
        }
        store.save_digests(&memory).unwrap();
        let memory = store.digest_memory(Path::new("/context"));
        for number in 0..100u8 {
            assert_eq!(ask(&memory, &number.to_string()), Some(number));
        }
        assert!(memory.get_all(&[print("9")])[0].unwrap().has_capabilities);
        assert_eq!(ask(&memory, "100"), None);
        let changed = [
            Fingerprint::new(b"1", 2, 2, at(10), at(10)),
            Fingerprint::new(b"1", 1, 3, at(10), at(10)),
            Fingerprint::new(b"1", 1, 2, at(11), at(10)),
            Fingerprint::new(b"1", 1, 2, at(10), at(11)),
        ];
        assert_eq!(memory.get_all(&changed), [None; 4]);
        assert_eq!(ask(&store.digest_memory(Path::new("/other")), "1"), None);
    }

    #[test]
    fn a_file_that_has_just_changed_is_not_remembered() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let memory = store.digest_memory(Path::new("/context"));
        let value = Remembered { digest: [1; 32], has_capabilities: false };
        memory.put(print("modified"), at(99), at(10), at(100), value);
        memory.put(print("changed"), at(10), at(98), at(100), value);
        memory.put(print("future"), at(5000), at(10), at(100), value);
        memory.put(print("settled"), at(10), at(97), at(100), value);
        let known: Vec<_> = ["modified", "changed", "future", "settled"].map(|name| ask(&memory, name).is_some()).into();
        assert_eq!(known, [false, false, false, true]);
    }

    #[test]
    fn damaged_truncated_and_foreign_files_count_as_empty() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let memory = store.digest_memory(Path::new("/context"));
        learn(&memory, "a", 1);
        learn(&memory, "b", 2);
        store.save_digests(&memory).unwrap();
        let good = std::fs::read(memory.path()).unwrap();
        let mut variants: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        variants.extend((0..good.len()).map(|index| {
            let mut flipped = good.clone();
            flipped[index] ^= 0x40;
            flipped
        }));
        for variant in variants {
            std::fs::write(memory.path(), variant).unwrap();
            assert_eq!(ask(&store.digest_memory(Path::new("/context")), "a"), None);
        }
    }

    #[test]
    fn records_that_nobody_asks_for_are_dropped_in_the_end() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        for run in 0..40u8 {
            let memory = store.digest_memory(Path::new("/context"));
            if run == 0 {
                learn(&memory, "unused", 1);
                learn(&memory, "used", 2);
            }
            assert_eq!(ask(&memory, "used"), Some(2));
            learn(&memory, &format!("run {run}"), run);
            store.save_digests(&memory).unwrap();
        }
        let memory = store.digest_memory(Path::new("/context"));
        assert_eq!((ask(&memory, "used"), ask(&memory, "unused")), (Some(2), None));
    }
}
