//! What the builder keeps between runs, in one directory that any number of processes share.
//!
//! ```text
//! blobs/sha256/<hex>     compressed layers and other content, named by digest
//! snapshots/<id>/        unpacked layers, each with its seal
//! steps/<key>            what a step made, found by the key of its inputs
//! digests/<hex>          content digests of the files of a context
//! digests/steps-<hex>    what the steps of a stage depended on
//! mounts/<hex>/          directories of `RUN --mount=type=cache`
//! locks/<name>           empty files that processes lock while they make one of the above
//! tmp/<owner>/           work of running processes, removed when they are gone
//! ```
//!
//! Everything comes into its place by a rename, so a reader finds all of it or nothing. Locks are `flock` locks: the
//! kernel releases those of a killed process.

mod carry;
mod digests;
mod error;
mod key;
mod ledger;
mod lock;
mod mount;
mod prune;
mod seal;
mod snapshot;
mod step;
mod temporary;

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use windlass_registry::Blobs;

pub use carry::CarryError;
pub use digests::{DigestMemory, Fingerprint, Remembered};
pub use error::StoreError;
pub use key::{KeyBuilder, StepKey};
pub(crate) use ledger::shown;
pub use ledger::{Change, FileSums, Inputs, Ledger, in_words};
pub use mount::{CacheMount, Sharing};
pub use prune::{Entry, Kind, Limits};
pub(crate) use snapshot::{Begun, Unfinished};
pub use snapshot::{SnapshotError, SnapshotId};
pub(crate) use step::read_at_most;
pub use step::{StepLayer, StepRecord};
pub use temporary::TemporaryDirectory;

use lock::FileLock;
use temporary::Workshop;

/// The format of the directory; another one gets another directory name, so that old and new programs do not meet.
const LAYOUT: &str = "v1";

/// The lock that says that the store is in use.
const USE: &str = "locks/store";

/// The builder's directory, open. Processes and threads may share one.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    blobs: Blobs,
    workshop: Workshop,
    /// Held by every process that uses the store; whoever removes things holds it alone.
    _use: FileLock,
}

impl Store {
    /// Where the store is unless the user says otherwise: `$XDG_CACHE_HOME/windlass`, else `~/.cache/windlass` (XDG base
    /// directory specification). `None` when neither variable holds an absolute path.
    #[must_use]
    pub fn default_directory(xdg_cache_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
        let absolute = |value: Option<&OsStr>| value.map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(xdg_cache_home).or_else(|| absolute(home).map(|path| path.join(".cache"))).map(|path| path.join("windlass"))
    }

    /// Opens the store in `directory`, makes what is missing of it (mode 0700), and removes what dead processes left.
    ///
    /// # Errors
    /// When a directory cannot be made or written.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let root = prepare(directory)?;
        let held = FileLock::shared(&root.join(USE))?;
        Self::with(root, held)
    }

    /// Opens the store when no other process uses it; others wait until it is dropped. `None` when one does.
    ///
    /// # Errors
    /// When a directory cannot be made or written.
    pub fn open_alone(directory: &Path) -> Result<Option<Self>, StoreError> {
        let root = prepare(directory)?;
        let held = FileLock::try_exclusive(&root.join(USE))?;
        held.map(|held| Self::with(root, held)).transpose()
    }

    fn with(root: PathBuf, held: FileLock) -> Result<Self, StoreError> {
        let blobs = Blobs::open(&root).map(Blobs::sealed).map_err(|source| StoreError::Blobs { source: Box::new(source) })?;
        let workshop = Workshop::open(&root)?;
        Ok(Self { root, blobs, workshop, _use: held })
    }

    /// The directory that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The blobs, `blobs/sha256/<hex>` as in an OCI image layout.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// An empty directory of this process, removed when it is dropped, or by the next process when this one is killed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary_directory(&self) -> Result<TemporaryDirectory, StoreError> {
        self.workshop.directory()
    }

    /// A directory of this process, for files without a name.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.workshop.path()
    }

    /// The remembered digests of the files below `root`, a context's absolute path.
    #[must_use]
    pub fn digest_memory(&self, root: &Path) -> DigestMemory {
        DigestMemory::open(&self.root.join("digests"), root, self.workshop.path())
    }

    /// Writes the remembered digests back, when there are new ones.
    ///
    /// # Errors
    /// When the file cannot be written. A build can go on without it.
    pub fn save_digests(&self, memory: &DigestMemory) -> Result<(), StoreError> {
        if memory.has_new() { self.workshop.write_with(memory.path(), |file| memory.write(file)) } else { Ok(()) }
    }

    fn lock_path(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{kind}-{name}"))
    }

    fn lock(&self, kind: &str, name: &str) -> Result<FileLock, StoreError> {
        FileLock::exclusive(&self.lock_path(kind, name))
    }
}

/// The store's own directory, with all of its parts: an absolute path without links, for mount options and for processes
/// with another working directory.
fn prepare(directory: &Path) -> Result<PathBuf, StoreError> {
    let root = directory.join(LAYOUT);
    for part in ["snapshots", "steps", "digests", "mounts", "locks", "tmp"] {
        make_directory(&root.join(part))?;
    }
    root.canonicalize().map_err(|source| StoreError::io("open", &root, source))
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| StoreError::io("create", path, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_default_is_the_cache_directory_and_relative_paths_do_not_count() {
        let at = |xdg: Option<&str>, home: Option<&str>| Store::default_directory(xdg.map(OsStr::new), home.map(OsStr::new));
        assert_eq!(at(Some("/c"), Some("/h")), Some("/c/windlass".into()));
        assert_eq!(at(Some("c"), Some("/h")), Some("/h/.cache/windlass".into()));
        assert_eq!(at(None, Some("")), None);
    }

    #[test]
    fn only_the_owner_can_read_the_store() {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(&temporary.path().join("s")).unwrap();
        for path in [temporary.path().join("s"), store.root().to_path_buf(), store.root().join("steps")] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join("file"), "").unwrap();
        let error = Store::open(&temporary.path().join("file")).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
