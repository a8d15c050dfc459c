//! The directories of `RUN --mount=type=cache`.

use std::path::{Path, PathBuf};

use super::lock::FileLock;
use super::{Store, StoreError, make_directory};

/// The part of a mount's directory that steps see. It is that of a layer's files, so that both are read and written alike.
pub(super) const FILES: &str = "fs";

/// How steps share one cache directory (`sharing=` of the mount).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Any number of steps at once.
    Shared,
    /// One step at a time; the others wait.
    Locked,
    /// Each step at a time has one of its own.
    Private,
}

/// A cache directory in use; dropping it lets others have it.
#[derive(Debug)]
pub struct CacheMount {
    path: PathBuf,
    created: bool,
    _lock: FileLock,
}

impl CacheMount {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory has just been made: it is empty, and owner, mode and first content are still to be given.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.created
    }
}

/// The name of an id's directory.
pub(super) fn name(id: &str) -> String {
    blake3::hash(id.as_bytes()).to_hex().to_string()
}

impl Store {
    /// The cache directory of that id. The id comes from a Dockerfile and may be any text: its digest names the
    /// directory, so an id with `..` in it stays inside (CVE-2024-9675).
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn cache_mount(&self, id: &str, sharing: Sharing) -> Result<CacheMount, StoreError> {
        let name = name(id);
        let shared = self.lock_path("mount", &name);
        match sharing {
            Sharing::Locked => self.open_mount(&name, FileLock::exclusive(&shared)?),
            Sharing::Shared => {
                let lock = FileLock::shared(&shared)?;
                self.open_mount(&name, lock)
            }
            Sharing::Private => self.private_mount(&name),
        }
    }

    /// The first of the id's directories that nobody has; the one of the other modes is the first of them.
    fn private_mount(&self, name: &str) -> Result<CacheMount, StoreError> {
        for number in 0u32.. {
            let numbered = if number == 0 { name.to_owned() } else { format!("{name}-{number}") };
            if let Some(lock) = FileLock::try_exclusive(&self.lock_path("mount", &numbered))? {
                return self.open_mount(&numbered, lock);
            }
        }
        unreachable!("there are fewer processes than numbers")
    }

    fn open_mount(&self, name: &str, lock: FileLock) -> Result<CacheMount, StoreError> {
        let directory = self.root.join("mounts").join(name);
        let path = directory.join(FILES);
        make_directory(&directory)?;
        let created = match std::fs::create_dir(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(source) => return Err(StoreError::io("create", &path, source)),
        };
        // `prune` removes what was used longest ago first; a file system that refuses this only loses that.
        let _ = std::fs::File::open(&directory).and_then(|file| file.set_modified(std::time::SystemTime::now()));
        Ok(CacheMount { path, created, _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_dots_and_slashes_stay_inside_the_store() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        for id in ["../../../../etc", "/etc", "", ".", "a\0b"] {
            let mount = store.cache_mount(id, Sharing::Shared).unwrap();
            let inside = mount.path().canonicalize().unwrap();
            assert!(inside.starts_with(store.root().join("mounts")), "{id:?}: {}", inside.display());
        }
    }

    #[test]
    fn shared_steps_meet_and_private_ones_do_not() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let one = store.cache_mount("x", Sharing::Shared).unwrap();
        let two = store.cache_mount("x", Sharing::Shared).unwrap();
        assert_eq!(one.path(), two.path());
        assert!(one.is_new() && !two.is_new());
        let private = store.cache_mount("x", Sharing::Private).unwrap();
        assert_ne!(private.path(), one.path());
        let path = one.path().to_path_buf();
        drop((one, two, private));
        assert_eq!(store.cache_mount("x", Sharing::Private).unwrap().path(), path);
    }

    #[test]
    fn a_locked_directory_is_had_by_one_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let held = store.cache_mount("x", Sharing::Locked).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mount = store.cache_mount("x", Sharing::Locked).unwrap();
                std::fs::read(mount.path().join("f")).unwrap()
            });
            std::thread::sleep(std::time::Duration::from_millis(50));
            std::fs::write(held.path().join("f"), "written first").unwrap();
            drop(held);
            assert_eq!(waiting.join().unwrap(), b"written first");
        });
    }
}
