//! Unpacked layers: made once, then only read.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_core::{EventSink, Finding};

use super::lock::FileLock;
use super::{Store, StoreError, TemporaryDirectory, seal};

/// The name of a snapshot, such as the hexadecimal digits of a layer's diff id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Reads a name of 1 to 128 ASCII letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// When the name is another one, as it would be a path.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=128).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StoreError::Name { name: text.chars().take(200).collect() })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        Self::parse(&text)
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError<E: std::error::Error + 'static> {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever fills it failed.
    #[error(transparent)]
    Fill(E),
}

/// A snapshot that is there, or that is for the caller to fill.
#[derive(Debug)]
pub(crate) enum Begun {
    Complete(PathBuf),
    Unfinished(Unfinished),
}

/// A snapshot that nobody sees yet. Dropping it leaves nothing of it.
#[derive(Debug)]
pub(crate) struct Unfinished {
    work: TemporaryDirectory,
    target: PathBuf,
    _lock: FileLock,
}

impl Unfinished {
    /// Where its root is to be made.
    pub(crate) fn path(&self) -> PathBuf {
        self.work.path().join("snapshot")
    }

    /// Shows it to everybody; gives its place.
    pub(crate) fn finish(self) -> Result<PathBuf, StoreError> {
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        seal::write(&self.path(), &name).map_err(|source| StoreError::io("seal", &self.target, source))?;
        std::fs::rename(self.path(), &self.target).map_err(|source| StoreError::io("write", &self.target, source))?;
        Ok(self.target)
    }
}

impl Store {
    /// The directory of the snapshot of that name, if it is there: the root of a [`windlass_layer::Snapshot`]. It counts as
    /// used from now on; whether it is whole [`Store::sound_snapshot`] says.
    #[must_use]
    pub fn snapshot(&self, id: &SnapshotId) -> Option<PathBuf> {
        let path = Some(self.snapshot_path(id)).filter(|path| path.is_dir())?;
        // `prune` removes what was used longest ago first; a file system that refuses this only loses that.
        let _ = std::fs::File::open(&path).and_then(|file| file.set_modified(std::time::SystemTime::now()));
        Some(path)
    }

    /// The same, if its seal is whole. A damaged one is told to `events` and taken away, so that it is made anew.
    #[must_use]
    pub fn sound_snapshot(&self, id: &SnapshotId, events: &EventSink) -> Option<PathBuf> {
        let path = self.snapshot(id)?;
        let Err(reason) = seal::check(&path, id.as_str()) else { return Some(path) };
        let message = format!("the unpacked layer {id} is made anew: {reason}");
        events.notice(Finding::warn("cache/damaged-layer", message));
        if let Err(error) = self.remove_snapshot(id) {
            events.notice(Finding::warn("cache/damaged-layer", windlass_core::chain(&error)));
        }
        None
    }

    /// The directory of the snapshot of that name; `fill` makes it, at the path that it is given, when it is not there. Of
    /// all threads and processes that ask for the same name one fills it and the others wait.
    ///
    /// # Errors
    /// When `fill` fails or the store does; nothing of the snapshot stays then.
    pub fn create_snapshot<E: std::error::Error + 'static>(
        &self,
        id: &SnapshotId,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, SnapshotError<E>> {
        match self.begin_snapshot(id)? {
            Begun::Complete(path) => Ok(path),
            Begun::Unfinished(unfinished) => {
                fill(&unfinished.path()).map_err(SnapshotError::Fill)?;
                Ok(unfinished.finish()?)
            }
        }
    }

    /// The same in two steps, for those who wait for something else in between. Waits as long as another process fills it.
    pub(crate) fn begin_snapshot(&self, id: &SnapshotId) -> Result<Begun, StoreError> {
        match self.snapshot(id) {
            Some(snapshot) => Ok(Begun::Complete(snapshot)),
            None => self.begin_locked(id, self.lock("snapshot", id.as_str())?),
        }
    }

    /// The same without waiting; `None` when another process fills it.
    pub(crate) fn try_begin_snapshot(&self, id: &SnapshotId) -> Result<Option<Begun>, StoreError> {
        let lock = FileLock::try_exclusive(&self.lock_path("snapshot", id.as_str()))?;
        lock.map(|lock| self.begin_locked(id, lock)).transpose()
    }

    fn begin_locked(&self, id: &SnapshotId, lock: FileLock) -> Result<Begun, StoreError> {
        if let Some(snapshot) = self.snapshot(id) {
            return Ok(Begun::Complete(snapshot));
        }
        let work = self.temporary_directory()?;
        Ok(Begun::Unfinished(Unfinished { work, target: self.snapshot_path(id), _lock: lock }))
    }

    /// Removes a snapshot that turned out to be damaged. Whoever has it mounted keeps what it has open.
    ///
    /// # Errors
    /// When it cannot be moved away.
    fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), StoreError> {
        let _lock = self.lock("snapshot", id.as_str())?;
        let grave = self.temporary_directory()?;
        match std::fs::rename(self.snapshot_path(id), grave.path().join("snapshot")) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &self.snapshot_path(id), source))
            }
            _ => Ok(()),
        }
    }

    fn snapshot_path(&self, id: &SnapshotId) -> PathBuf {
        self.root.join("snapshots").join(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn names_that_are_paths_are_refused() {
        for name in ["", "..", "a/b", ".", "a b", &"x".repeat(129)] {
            assert!(SnapshotId::parse(name).is_err(), "{name}");
        }
        assert!(serde_json::from_str::<SnapshotId>("\"../x\"").is_err());
    }

    #[test]
    fn many_threads_fill_a_snapshot_once() {
        let root = tempfile::tempdir().unwrap();
        let id = SnapshotId::parse("abc").unwrap();
        let fills = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let store = Store::open(root.path()).unwrap();
                    let snapshot = store
                        .create_snapshot(&id, |unfinished| {
                            fills.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(std::time::Duration::from_millis(20));
                            std::fs::create_dir(unfinished)?;
                            std::fs::write(unfinished.join("f"), "x")
                        })
                        .unwrap();
                    assert_eq!(std::fs::read(snapshot.join("f")).unwrap(), b"x");
                });
            }
        });
        assert_eq!(fills.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_fill_leaves_nothing_and_can_be_tried_again() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let id = SnapshotId::parse("abc").unwrap();
        let failed = store.create_snapshot(&id, |unfinished| {
            std::fs::create_dir(unfinished)?;
            std::fs::write(unfinished.join("half"), "x")?;
            Err(std::io::Error::other("disk on fire"))
        });
        assert!(matches!(failed, Err(SnapshotError::Fill(_))));
        assert_eq!(store.snapshot(&id), None);
        store.create_snapshot(&id, |path| std::fs::create_dir(path)).unwrap();
        assert!(store.snapshot(&id).is_some());
        store.remove_snapshot(&id).unwrap();
        assert_eq!(store.snapshot(&id), None);
        store.remove_snapshot(&id).unwrap();
    }
}
