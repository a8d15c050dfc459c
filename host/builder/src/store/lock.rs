//! Locks that end with the process that holds them.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits until no other holds the lock.
    pub(super) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        Self::wait(path, FlockOperation::LockExclusive)
    }

    /// Waits until no other holds the lock exclusively.
    pub(super) fn shared(path: &Path) -> Result<Self, StoreError> {
        Self::wait(path, FlockOperation::LockShared)
    }

    /// Takes the lock when it is free; `None` when another holds it.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(StoreError::io("lock", path, errno.into())),
        }
    }

    fn wait(path: &Path, operation: FlockOperation) -> Result<Self, StoreError> {
        let file = open(path)?;
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(StoreError::io("lock", path, errno.into())),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| StoreError::io("open the lock", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_and_free_again_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = FileLock::exclusive(&path).unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop(held);
        let shared = FileLock::shared(&path).unwrap();
        let second = FileLock::shared(&path).unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop((shared, second));
        assert!(FileLock::try_exclusive(&path).unwrap().is_some());
    }
}
