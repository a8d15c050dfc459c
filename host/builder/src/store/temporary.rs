//! Work in progress, and the removal of what killed processes left of theirs.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock::FileLock;
use super::{StoreError, make_directory};

/// This process's part of `tmp`. A locked file beside it says that the owner is alive.
#[derive(Debug)]
pub(super) struct Workshop {
    directory: PathBuf,
    owner: PathBuf,
    next: AtomicU64,
    _alive: FileLock,
}

impl Workshop {
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let all = root.join("tmp");
        // Whoever looks for the dead must not meet an owner file that is made but not yet locked.
        let _gate = FileLock::exclusive(&root.join("locks/tmp"))?;
        remove_leftovers(&all);
        let name = unique_name();
        let owner = all.join(format!("{name}.owner"));
        let alive = FileLock::exclusive(&owner)?;
        let directory = all.join(name);
        make_directory(&directory)?;
        Ok(Self { directory, owner, next: AtomicU64::new(0), _alive: alive })
    }

    /// The directory, for files without a name. It is gone with the store.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    fn fresh(&self) -> PathBuf {
        self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    pub(super) fn directory(&self) -> Result<TemporaryDirectory, StoreError> {
        let path = self.fresh();
        make_directory(&path)?;
        Ok(TemporaryDirectory { path })
    }

    /// Writes `bytes` to a new file and renames it to `path`: a reader finds the old content or the new.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_with(path, |file| file.write_all(bytes))
    }

    /// The same with what `write` writes to the file, for content that is too large for memory.
    pub(super) fn write_with(&self, path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), StoreError> {
        let temporary = self.fresh();
        let written =
            File::create_new(&temporary).and_then(|mut file| write(&mut file)).and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|source| {
            // Nothing half-written may stay, and the first error is the one to tell.
            let _ = std::fs::remove_file(&temporary);
            StoreError::io("write", path, source)
        })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next process that opens the store.
        if remove_tree(&self.directory).is_ok() {
            let _ = std::fs::remove_file(&self.owner);
        }
    }
}

/// An empty directory to work in; dropping it removes it with everything in it.
#[derive(Debug)]
pub struct TemporaryDirectory {
    path: PathBuf,
}

impl TemporaryDirectory {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Left to the process that opens the store next.
        let _ = remove_tree(&self.path);
    }
}

fn unique_name() -> String {
    let mut random = [0u8; 8];
    // Uniqueness is what counts; the time is enough where the kernel has no randomness yet.
    if rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::NONBLOCK).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        random = now.as_nanos().to_le_bytes()[..8].try_into().unwrap_or_default();
    }
    format!("{}-{:016x}", std::process::id(), u64::from_le_bytes(random))
}

/// Removes the work of owners that are gone. A failure is no error: the next process tries again.
fn remove_leftovers(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "owner") {
            continue;
        }
        if let Ok(Some(_dead)) = FileLock::try_exclusive(&path)
            && remove_tree(&path.with_extension("")).is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Removes `path` and all below it; directories without write permission are given it first.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            std::fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_up(path: &Path) {
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700));
        let Ok(entries) = std::fs::read_dir(&path) else { continue };
        let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        pending.extend(below.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn a_dropped_directory_is_gone_even_when_parts_are_read_only() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let work = store.temporary_directory().unwrap();
        let path = work.path().to_path_buf();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        std::fs::set_permissions(path.join("a"), std::fs::Permissions::from_mode(0o000)).unwrap();
        drop(work);
        assert!(!path.exists());
    }

    #[test]
    fn work_of_a_dead_process_is_removed_and_that_of_a_living_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let living = Store::open(root.path()).unwrap();
        let kept = living.temporary_directory().unwrap();
        let tmp = living.root().join("tmp");
        std::fs::create_dir_all(tmp.join("dead/with/files")).unwrap();
        std::fs::write(tmp.join("dead.owner"), "").unwrap();
        let second = Store::open(root.path()).unwrap();
        assert!(!tmp.join("dead").exists() && !tmp.join("dead.owner").exists());
        assert!(kept.path().exists());
        drop((kept, living, second));
        assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let target = store.root().join("missing/file");
        assert!(store.workshop.write(&target, b"x").is_err());
        let target = store.root().join("file");
        store.workshop.write(&target, b"old").unwrap();
        let halfway = |file: &mut File| file.write_all(b"half").and_then(|()| Err(io::ErrorKind::StorageFull.into()));
        assert!(matches!(store.workshop.write_with(&target, halfway), Err(StoreError::Full { .. })));
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(&store.workshop.directory).unwrap().count(), 0);
    }
}
