//! Records of what steps made.

use serde::{Deserialize, Serialize};
use windlass_core::{Digest, EventSink, Finding};
use windlass_layer::LayerBlob;

use super::{SnapshotId, StepKey, Store, StoreError};

/// A record may not be larger than this; ours are a few hundred bytes.
const LARGEST: u64 = 1 << 20;

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// The layer, or `None` when the step changed no file.
    pub layer: Option<StepLayer>,
    /// When it was made: RFC 3339, as in an image's history.
    pub created: String,
    /// The key that the steps above build on, where this record is filed under a shortcut to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<StepKey>,
}

/// The layer of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLayer {
    /// The digest of the uncompressed tar (OCI image configuration, `diff_ids`).
    pub diff_id: Digest,
    /// The digest of the blob.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The uncompressed tar's size in bytes.
    pub uncompressed_size: u64,
    /// The blob's media type.
    pub media_type: String,
    /// The unpacked form, when the store has one.
    pub snapshot: Option<SnapshotId>,
}

impl StepLayer {
    /// The layer of a blob that has just been written.
    pub(crate) fn of(blob: LayerBlob, snapshot: Option<SnapshotId>) -> Self {
        let LayerBlob { diff_id, digest, size, uncompressed_size, media_type } = blob;
        Self { diff_id, digest, size, uncompressed_size, media_type: media_type.to_owned(), snapshot }
    }
}

/// The form on disk: the key tells a record that was put under another's name.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<R> {
    version: u32,
    key: String,
    pub(super) record: R,
}

const VERSION: u32 = 1;

impl Store {
    /// What the step of that key made, if it is known. A damaged record is told to `events` and counts as none.
    #[must_use]
    pub fn step(&self, key: &StepKey, events: &EventSink) -> Option<StepRecord> {
        let path = self.root.join("steps").join(key.to_string());
        let bytes = match read_at_most(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return damaged(events, key, &error.to_string()),
        };
        match decode(&bytes, key) {
            Ok(record) => {
                // `prune` removes what was used longest ago first; a store that cannot be written only loses that.
                let _ = std::fs::File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_modified(std::time::SystemTime::now()));
                Some(record)
            }
            Err(reason) => damaged(events, key, &reason),
        }
    }

    /// Whether any step has been remembered.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        let steps = std::fs::read_dir(self.root.join("steps"));
        // One that cannot be read is told of where a step is looked for.
        steps.map_or(true, |mut steps| steps.next().is_some())
    }

    /// Remembers what the step of that key made, in place of any earlier record.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn record_step(&self, key: &StepKey, record: &StepRecord) -> Result<(), StoreError> {
        let path = self.root.join("steps").join(key.to_string());
        let stored = Stored { version: VERSION, key: key.to_string(), record };
        let json = serde_json::to_vec(&stored).map_err(|source| StoreError::io("write", &path, source.into()))?;
        let mut bytes = blake3::hash(&json).to_hex().as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        self.workshop.write(&path, &bytes)
    }
}

pub(crate) fn read_at_most(path: &std::path::Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(bytes: &[u8], key: &StepKey) -> Result<StepRecord, String> {
    let (sum, json) = bytes.split_at_checked(65).ok_or("it is too short")?;
    if sum != format!("{}\n", blake3::hash(json).to_hex()).as_bytes() {
        return Err("its checksum does not match".to_owned());
    }
    let stored: Stored<StepRecord> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if stored.version != VERSION || stored.key != key.to_string() {
        return Err("it belongs to another step or version".to_owned());
    }
    Ok(stored.record)
}

fn damaged(events: &EventSink, key: &StepKey, reason: &str) -> Option<StepRecord> {
    events.notice(Finding::warn("cache/damaged-record", format!("the cache record {key} is ignored: {reason}")));
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::store::KeyBuilder;

    fn record() -> StepRecord {
        let layer = StepLayer {
            diff_id: Digest::from_sha256([1; 32]),
            digest: Digest::from_sha256([2; 32]),
            size: 3,
            uncompressed_size: 4,
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            snapshot: Some(SnapshotId::parse("abc").unwrap()),
        };
        StepRecord { layer: Some(layer), created: "2026-01-02T03:04:05Z".to_owned(), continues: None }
    }

    fn counting() -> (EventSink, Arc<Mutex<usize>>) {
        let count = Arc::new(Mutex::new(0));
        let copy = Arc::clone(&count);
        (EventSink::new(move |_| *copy.lock().unwrap() += 1), count)
    }

    #[test]
    fn a_record_is_found_by_its_key_only() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (events, warnings) = counting();
        let key = KeyBuilder::new("run").field("a", "1").finish();
        assert_eq!((store.step(&key, &events), store.has_steps()), (None, false));
        store.record_step(&key, &record()).unwrap();
        assert_eq!((store.step(&key, &events), store.has_steps()), (Some(record()), true));
        assert_eq!(store.step(&KeyBuilder::new("run").field("a", "2").finish(), &events), None);
        assert_eq!(*warnings.lock().unwrap(), 0);
    }

    #[test]
    fn truncated_flipped_swapped_and_foreign_records_are_ignored_with_a_warning() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (events, warnings) = counting();
        let key = KeyBuilder::new("run").field("a", "1").finish();
        let other = KeyBuilder::new("run").field("a", "2").finish();
        store.record_step(&key, &record()).unwrap();
        let path = store.root().join("steps").join(key.to_string());
        let good = std::fs::read(&path).unwrap();
        std::fs::copy(&path, store.root().join("steps").join(other.to_string())).unwrap();
        assert_eq!(store.step(&other, &events), None);
        for length in [0, 10, 65, good.len() - 1] {
            std::fs::write(&path, &good[..length]).unwrap();
            assert_eq!(store.step(&key, &events), None);
        }
        let mut flipped = good.clone();
        flipped[100] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(store.step(&key, &events), None);
        assert_eq!(*warnings.lock().unwrap(), 6);
        std::fs::write(&path, &good).unwrap();
        assert_eq!(store.step(&key, &events), Some(record()));
    }
}
