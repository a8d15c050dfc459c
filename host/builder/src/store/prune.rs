//! What the store holds, and the removal of what nobody has used for long.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::step::Stored;
use super::temporary::remove_tree;
use super::{StepRecord, Store, StoreError, seal};

/// What an entry of the store is. The order is that of removal: a record goes before the layer that it names, so a
/// removal that is killed leaves no record without its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What steps made.
    Steps,
    /// Remembered digests of context files, and of what steps depended on.
    Digests,
    /// Unpacked layers.
    Snapshots,
    /// Compressed layers, manifests and configurations.
    Blobs,
    /// Directories of `RUN --mount=type=cache`.
    Mounts,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Steps, Self::Digests, Self::Snapshots, Self::Blobs, Self::Mounts];

    /// The name, which is also that of the directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Digests => "digests",
            Self::Snapshots => "snapshots",
            Self::Blobs => "blobs",
            Self::Mounts => "mounts",
        }
    }

    fn directory(self, root: &Path) -> PathBuf {
        match self {
            Self::Blobs => root.join("blobs/sha256"),
            other => root.join(other.name()),
        }
    }
}

/// One thing in the store.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The disk space it takes, in bytes.
    pub size: u64,
    /// When it was made or, for what a step made or mounted, last used.
    pub used: SystemTime,
    path: PathBuf,
}

/// What [`Store::prune`] removes.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Remove what has not been used for this long.
    pub older_than: Option<Duration>,
    /// Then remove what was used longest ago, until at most this many bytes are left.
    pub max_size: Option<u64>,
    /// Kinds that stay whatever their age and size.
    pub keep: Vec<Kind>,
}

impl Store {
    /// Everything in the store.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for kind in Kind::ALL {
            let directory = kind.directory(&self.root);
            let failed = |source| StoreError::io("list", &directory, source);
            for item in fs::read_dir(&directory).map_err(failed)? {
                let path = item.map_err(failed)?.path();
                // What another process removes meanwhile is not there any more.
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                // An unpacked layer does not change: its seal knows.
                let sealed = if kind == Kind::Snapshots { seal::space(&path) } else { None };
                entries.push(Entry { kind, size: sealed.unwrap_or_else(|| disk_space(&path)), used: changed(&metadata), path });
            }
        }
        share_use(&mut entries);
        Ok(entries)
    }

    /// Removes what `limits` says and returns it. Only a store that [`Store::open_alone`] gave may be pruned.
    ///
    /// # Errors
    /// When something cannot be listed or removed; what was removed before stays removed.
    pub fn prune(&self, limits: &Limits) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.entries()?;
        let mut left: u64 = entries.iter().map(|entry| entry.size).sum();
        entries.retain(|entry| !limits.keep.contains(&entry.kind));
        entries.sort_by_key(|entry| entry.used);
        let now = SystemTime::now();
        let mut condemned = Vec::new();
        for entry in entries {
            let age = now.duration_since(entry.used).unwrap_or_default();
            let old = limits.older_than.is_some_and(|limit| age >= limit);
            let over = limits.max_size.is_some_and(|limit| left > limit);
            if old || over {
                left -= entry.size;
                condemned.push(entry);
            }
        }
        condemned.sort_by_key(|entry| entry.kind);
        let grave = self.temporary_directory()?;
        for (number, entry) in condemned.iter().enumerate() {
            // Moved first: a killed removal must not leave half a directory under the name of a whole one.
            let moved = grave.path().join(number.to_string());
            fs::rename(&entry.path, &moved).map_err(|source| StoreError::io("remove", &entry.path, source))?;
            let removed = if moved.is_dir() { remove_tree(&moved) } else { fs::remove_file(&moved) };
            removed.map_err(|source| StoreError::io("remove", &moved, source))?;
        }
        Ok(condemned)
    }
}

/// A layer is as recently used as the newest record that names it.
fn share_use(entries: &mut [Entry]) {
    let mut newest: HashMap<String, SystemTime> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Steps) {
        let Some(layer) = layer_of(&entry.path) else { continue };
        for name in layer {
            let used = newest.entry(name).or_insert(entry.used);
            *used = entry.used.max(*used);
        }
    }
    for entry in entries.iter_mut().filter(|entry| matches!(entry.kind, Kind::Blobs | Kind::Snapshots)) {
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(used) = newest.get(name.as_ref()) {
            entry.used = entry.used.max(*used);
        }
    }
}

/// The names of the blob and the snapshot in a record. A damaged record names none: it is never used either.
fn layer_of(record: &Path) -> Option<Vec<String>> {
    let bytes = fs::read(record).ok()?;
    let stored: Stored<StepRecord> = serde_json::from_slice(bytes.get(65..)?).ok()?;
    let layer = stored.record.layer?;
    let snapshot = layer.snapshot.map(|id| id.as_str().to_owned());
    Some(snapshot.into_iter().chain([layer.digest.hex().to_owned()]).collect())
}

/// The status change time: the times of a layer's own files are those that the image gives them.
fn changed(metadata: &fs::Metadata) -> SystemTime {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn disk_space(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = if metadata.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| disk_space(&entry.path())).sum()
    } else {
        0
    };
    metadata.blocks() * 512 + below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(root: &Path) -> Store {
        let store = Store::open_alone(root).unwrap().unwrap();
        store.blobs().put(&[7; 100_000]).unwrap();
        fs::create_dir_all(store.root().join("snapshots/abc/deep")).unwrap();
        fs::write(store.root().join("snapshots/abc/deep/file"), [1; 50_000]).unwrap();
        fs::create_dir(store.root().join("mounts/m")).unwrap();
        store
    }

    #[test]
    fn a_store_in_use_is_not_had_alone() {
        let root = tempfile::tempdir().unwrap();
        let builds = Store::open(root.path()).unwrap();
        assert!(Store::open_alone(root.path()).unwrap().is_none());
        drop(builds);
        assert!(Store::open_alone(root.path()).unwrap().is_some());
    }

    #[test]
    fn the_size_counts_all_files_and_nothing_young_is_old() {
        let root = tempfile::tempdir().unwrap();
        let store = filled(root.path());
        let total: u64 = store.entries().unwrap().iter().map(|entry| entry.size).sum();
        assert!(total >= 150_000, "{total}");
        let day = Limits { older_than: Some(Duration::from_secs(86_400)), ..Limits::default() };
        assert!(store.prune(&day).unwrap().is_empty());
        assert!(store.prune(&Limits { max_size: Some(total), ..Limits::default() }).unwrap().is_empty());
    }

    #[test]
    fn what_is_kept_stays_and_the_rest_goes() {
        let root = tempfile::tempdir().unwrap();
        let store = filled(root.path());
        let removed = store.prune(&Limits { max_size: Some(0), keep: vec![Kind::Mounts], ..Limits::default() }).unwrap();
        assert_eq!(removed.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [Kind::Snapshots, Kind::Blobs]);
        assert!(store.entries().unwrap().iter().all(|entry| entry.kind == Kind::Mounts));
        assert!(store.root().join("mounts/m").exists());
    }
}
