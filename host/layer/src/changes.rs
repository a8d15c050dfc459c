//! What a RUN has changed in a plain directory, found by comparing the metadata of its files before and after.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::snapshot::{SnapshotWriter, root_of};
use crate::view::Identity;
use crate::{Entry, EntryKind, Layer, Listing, Snapshot, SnapshotError, SnapshotFormat, View, ViewError};

/// Writes all that `view` shows into a new snapshot: one directory that a process can have as its root.
///
/// # Errors
/// When the view cannot be read, and when the snapshot cannot be written.
pub fn flatten(view: &View, root: &Path, format: SnapshotFormat) -> Result<Snapshot, SnapshotError> {
    let snapshot = Snapshot::create(root, format)?;
    let mut writer = SnapshotWriter::new(&snapshot, None)?;
    for entry in view.entries() {
        writer.put_whole(&entry.map_err(|source| SnapshotError::Lower { path: PathBuf::new(), source: Box::new(source) })?)?;
    }
    writer.put(&root_of(view)?)?;
    writer.finish()?;
    Ok(snapshot)
}

/// The metadata of every file below a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<PathBuf, Stamp>);

/// What changes when anything about a file does: no process can set the change time (`ctime`).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    is_directory: bool,
    identity: (u64, u64),
    changed: (i64, i64),
    modified: (i64, i64),
    size: u64,
    mode: u32,
    owner: (u32, u32),
}

impl Metadata {
    /// Reads the metadata of everything below the files of `snapshot`. Nothing may change meanwhile.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn read(snapshot: &Snapshot) -> Result<Self, ViewError> {
        let root = snapshot.files();
        let mut stamps = BTreeMap::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            let failed = |source| ViewError::System { action: "read the directory", path: directory.clone(), source };
            for entry in fs::read_dir(root.join(&directory)).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let status = entry.metadata().map_err(failed)?;
                let path = directory.join(entry.file_name());
                if status.is_dir() {
                    pending.push(path.clone());
                }
                stamps.insert(path, Stamp::of(&status));
            }
        }
        Ok(Self(stamps))
    }
}

impl Stamp {
    fn of(status: &fs::Metadata) -> Self {
        Self {
            is_directory: status.is_dir(),
            identity: (status.dev(), status.ino()),
            changed: (status.ctime(), status.ctime_nsec()),
            modified: (status.mtime(), status.mtime_nsec()),
            size: status.size(),
            mode: status.mode(),
            owner: (status.uid(), status.gid()),
        }
    }
}

/// What has come, changed and gone in `snapshot` since `before` was read of it. More may be listed than has changed in an
/// image's sense, such as a file that was moved away and back: [`diff`](crate::diff) tells the rest.
///
/// # Errors
/// When the directory cannot be read.
pub fn changes(before: &Metadata, snapshot: &Snapshot) -> Result<Listing, ViewError> {
    let after = Metadata::read(snapshot)?;
    let layer = Layer::directory(snapshot)?;
    let mut listing = Listing::new();
    let mut links: HashMap<Identity, PathBuf> = HashMap::new();
    for (path, stamp) in &after.0 {
        if before.0.get(path) == Some(stamp) {
            continue;
        }
        let Some((mut entry, identity)) = layer.entry(path)? else { continue };
        // To an overlay it would be a removal, which no step makes by hand.
        if entry.kind == (EntryKind::CharacterDevice { major: 0, minor: 0 }) {
            continue;
        }
        if let Some(identity) = identity {
            match links.entry(identity) {
                Slot::Occupied(first) => entry.kind = EntryKind::HardLink { target: first.get().clone() },
                Slot::Vacant(slot) => {
                    slot.insert(path.clone());
                }
            }
        }
        listing.push(entry);
    }
    let is_directory = |path: &Path| path.as_os_str().is_empty() || after.0.get(path).is_some_and(|stamp| stamp.is_directory);
    let gone = before.0.keys().filter(|path| !after.0.contains_key(*path) && path.parent().is_some_and(is_directory));
    listing.extend(gone.map(|path| Entry::whiteout(path.clone())));
    Ok(listing)
}

#[cfg(test)]
mod tests;
