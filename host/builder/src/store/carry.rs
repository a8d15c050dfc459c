//! The directories of `RUN --mount=type=cache` in a file, to be carried from one machine to another.
//!
//! The file is a tar archive, compressed with zstd, in the form of a layer: a directory for each mount, named by the digest
//! of the mount's id, with the owners, modes and times that its files have. Devices and sockets are left out.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_layer::{
    Compression, DiffError, Entry, EntryKind, Layer, LayerOptions, Listing, Snapshot, SnapshotFormat, Timestamp, UnpackError,
    UnpackOptions, View, ViewError, WriteError,
};

use super::lock::FileLock;
use super::temporary::remove_tree;
use super::{Store, StoreError, make_directory, mount};

/// Quick, and smaller than gzip.
const COMPRESSION: Compression = Compression::Zstd { level: 3 };

/// How long a look at locks that others hold is left to itself.
const PAUSE: Duration = Duration::from_millis(100);

/// Why mounts could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No step has mounted a cache of that id.
    #[error("there is no cache of the id `{id}` in the store")]
    Unknown {
        /// The id.
        id: String,
    },
    /// A mount's files cannot be listed.
    #[error("cannot list the files of a cache")]
    List(#[from] DiffError),
    /// A mount's files cannot be read.
    #[error("cannot read the files of a cache")]
    Read(#[from] ViewError),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[from] WriteError),
    /// The archive cannot be unpacked.
    #[error("cannot unpack the archive")]
    Unpack(#[from] UnpackError),
    /// The archive holds what `cache save` does not write.
    #[error("this is no archive of caches: it has {}", path.display())]
    Foreign {
        /// The path in it.
        path: PathBuf,
    },
}

impl Store {
    /// Writes the caches of those ids, or all, to `sink`, and returns how many they are. Each waits until no step has it
    /// mounted, and steps that want it wait meanwhile.
    ///
    /// # Errors
    /// When an id is unknown, a cache cannot be read, or `sink` cannot be written.
    pub fn save_mounts(&self, ids: &[String], format: SnapshotFormat, sink: &mut dyn Write) -> Result<usize, CarryError> {
        let names = if ids.is_empty() {
            self.mount_names()?
        } else {
            ids.iter().map(|id| self.known_mount(id)).collect::<Result<_, _>>()?
        };
        let _locks = self.lock_mounts(&names)?;
        let mut listing = Listing::new();
        for name in &names {
            listing.extend(listed(&self.mount_directory(name), name, format)?);
        }
        windlass_layer::write_layer(&listing, &LayerOptions { compression: COMPRESSION, ..LayerOptions::default() }, sink)?;
        Ok(names.len())
    }

    /// Puts the caches of an archive into the place of those here, and returns how many they are. Each waits until no step
    /// has it mounted. An archive that is damaged or not of [`Store::save_mounts`] changes nothing.
    ///
    /// # Errors
    /// When the archive cannot be read, is another one, or the store cannot be written.
    pub fn load_mounts(&self, archive: impl Read + Send, format: SnapshotFormat) -> Result<usize, CarryError> {
        let work = self.temporary_directory()?;
        let io = |source| StoreError::io("load a cache into", work.path(), source);
        let snapshot = Snapshot::create(work.path().join("new"), format).map_err(UnpackError::Snapshot)?;
        windlass_layer::unpack(archive, &snapshot, &UnpackOptions::default())?;
        let names = top_level(&snapshot)?;
        for name in &names {
            let _lock = FileLock::exclusive(&self.lock_path("mount", name))?;
            let directory = self.mount_directory(name);
            make_directory(&directory)?;
            let (files, old) = (directory.join(mount::FILES), work.path().join(format!("old-{name}")));
            match std::fs::rename(&files, &old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error).into()),
                _ => {}
            }
            // A process that is killed here leaves a cache that is not there, which the next step makes anew.
            std::fs::rename(snapshot.files().join(name), &files).map_err(io)?;
            // What cannot be removed goes with the temporary directory.
            let _ = remove_tree(&old);
        }
        Ok(names.len())
    }

    /// Takes the locks of all of them at once: whoever waits for one while it has another may wait for a step that does too.
    fn lock_mounts(&self, names: &BTreeSet<String>) -> Result<Vec<FileLock>, StoreError> {
        loop {
            let locks: Result<Option<Vec<FileLock>>, StoreError> =
                names.iter().map(|name| FileLock::try_exclusive(&self.lock_path("mount", name))).collect();
            match locks? {
                Some(locks) => return Ok(locks),
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    fn mount_directory(&self, name: &str) -> PathBuf {
        self.root.join("mounts").join(name)
    }

    fn known_mount(&self, id: &str) -> Result<String, CarryError> {
        let name = mount::name(id);
        let is_there = self.mount_directory(&name).join(mount::FILES).is_dir();
        if is_there { Ok(name) } else { Err(CarryError::Unknown { id: id.to_owned() }) }
    }

    /// The caches there are, but for the further ones of `sharing=private`.
    fn mount_names(&self) -> Result<BTreeSet<String>, StoreError> {
        let directory = self.root.join("mounts");
        let failed = |source| StoreError::io("list", &directory, source);
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_name(&name) && entry.path().join(mount::FILES).is_dir() {
                names.insert(name);
            }
        }
        Ok(names)
    }
}

/// The entries of one mount, below its name.
fn listed(directory: &Path, name: &str, format: SnapshotFormat) -> Result<Listing, CarryError> {
    let snapshot = Snapshot::open(directory, format);
    let view = View::new(vec![Layer::directory(&snapshot)?]);
    let root = view.lookup(Path::new(""))?.unwrap_or_else(|| Entry::directory("", Timestamp::default()));
    let mut listing = windlass_layer::diff(&snapshot, &View::empty(), &[])?.collect::<Result<Listing, _>>()?;
    listing.retain(|entry| !is_device(entry));
    for entry in &mut listing {
        entry.path = Path::new(name).join(&entry.path);
        if let EntryKind::HardLink { target } = &mut entry.kind {
            *target = Path::new(name).join(&*target);
        }
    }
    listing.insert(0, Entry { path: PathBuf::from(name), ..root });
    Ok(listing)
}

/// The mounts of an unpacked archive; nothing else may be in it.
fn top_level(snapshot: &Snapshot) -> Result<BTreeSet<String>, CarryError> {
    let mut names = BTreeSet::new();
    for entry in windlass_layer::diff(snapshot, &View::empty(), &[])? {
        let entry = entry?;
        let foreign = || CarryError::Foreign { path: entry.path.clone() };
        let first = entry.path.iter().next().and_then(|name| name.to_str()).filter(|name| is_name(name)).ok_or_else(foreign)?;
        let is_root = Path::new(first) == entry.path;
        if is_device(&entry) || (is_root && !matches!(entry.kind, EntryKind::Directory { .. })) {
            return Err(foreign());
        }
        names.insert(first.to_owned());
    }
    Ok(names)
}

fn is_device(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::CharacterDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Whiteout)
}

fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::store::Sharing;

    fn store() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        (root, store)
    }

    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        windlass_layer::write_layer(entries, &LayerOptions::default(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_saved_cache_is_the_same_in_another_store() {
        let ((_one, from), (_two, to)) = (store(), store());
        let path = from.cache_mount("/cache", Sharing::Shared).unwrap().path().to_path_buf();
        std::fs::create_dir(path.join("d")).unwrap();
        std::fs::write(path.join("d/file"), "kept").unwrap();
        std::fs::hard_link(path.join("d/file"), path.join("second")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        std::fs::set_permissions(path.join("d/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o1777)).unwrap();
        from.cache_mount("other", Sharing::Shared).unwrap();
        let format = SnapshotFormat::default();
        let mut bytes = Vec::new();
        assert_eq!(from.save_mounts(&["/cache".to_owned()], format, &mut bytes).unwrap(), 1);
        // What was there before is replaced.
        std::fs::write(to.cache_mount("/cache", Sharing::Shared).unwrap().path().join("old"), "").unwrap();
        assert_eq!(to.load_mounts(&bytes[..], format).unwrap(), 1);
        let mount = to.cache_mount("/cache", Sharing::Locked).unwrap();
        assert!(!mount.is_new());
        let loaded = mount.path();
        assert_eq!(std::fs::read(loaded.join("d/file")).unwrap(), b"kept");
        assert_eq!(std::fs::metadata(loaded.join("d/file")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::metadata(loaded).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(std::fs::metadata(loaded.join("second")).unwrap().nlink(), 2);
        assert_eq!(std::fs::read_link(loaded.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert!(!loaded.join("old").exists());
        assert!(matches!(from.save_mounts(&["no".to_owned()], format, &mut Vec::new()), Err(CarryError::Unknown { .. })));
        assert_eq!(from.save_mounts(&[], format, &mut Vec::new()).unwrap(), 2);
    }

    #[test]
    fn what_save_does_not_write_is_refused_and_changes_nothing() {
        let (_root, store) = store();
        let kept = store.cache_mount("x", Sharing::Shared).unwrap().path().join("kept");
        std::fs::write(&kept, "").unwrap();
        let name = mount::name("x");
        let file = |path: &str, kind: EntryKind| Entry { kind, ..Entry::directory(path, Default::default()) };
        let foreign = [
            vec![Entry::directory("etc", Default::default())],
            vec![file(&name, EntryKind::Symlink { target: "/".into() })],
            vec![
                Entry::directory(&name, Default::default()),
                file(&format!("{name}/disk"), EntryKind::BlockDevice { major: 8, minor: 0 }),
            ],
            vec![Entry::directory(&name, Default::default()), Entry::directory("0123", Default::default())],
        ];
        for entries in foreign {
            let result = store.load_mounts(&archive(&entries)[..], SnapshotFormat::default());
            assert!(matches!(result, Err(CarryError::Foreign { .. })), "{entries:?}: {result:?}");
        }
        let whole = archive(&[Entry::directory(&name, Default::default())]);
        assert!(store.load_mounts(&whole[..whole.len() / 2], SnapshotFormat::default()).is_err());
        assert!(kept.exists());
    }
}
