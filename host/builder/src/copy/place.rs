//! Putting one source into its place in the layer, as BuildKit's file operations do it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use windlass_dockerfile::file_mode::FileMode;
use windlass_layer::{Entry, EntryKind, Timestamp};

use super::CopyError;
use super::error::absolute;
use super::item::{FileItem, Item, ItemKind, Pick};
use super::target::{Found, Owner, Parents, Target};

/// What `--chown` and `--chmod` ask for, and the time of what is made on the way.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) owner: Option<Owner>,
    pub(super) mode: Option<FileMode>,
    pub(super) created: Timestamp,
}

/// Where to put it: a path in the image, and whether it was written as a directory, with a slash at its end.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) path: PathBuf,
    pub(super) is_directory: bool,
}

impl Attributes {
    fn owner(&self, item: &Item) -> Owner {
        self.owner.unwrap_or(Owner { uid: item.uid, gid: item.gid })
    }

    fn mode(&self, item: &Item) -> u32 {
        let is_directory = matches!(item.kind, ItemKind::Directory);
        self.mode.as_ref().map_or(item.mode, |mode| mode.apply(item.mode, is_directory))
    }

    /// Directories on the way get an octal `--chmod` too, without its special bits, and `--chown`.
    pub(super) fn parents(&self) -> Parents {
        let mode = match self.mode {
            Some(FileMode::Octal(bits)) => bits,
            _ => 0o755,
        };
        Parents { mode, ..self.plain_parents() }
    }

    /// As [`Self::parents`], for archives, which `--chmod` does not concern.
    pub(super) fn plain_parents(&self) -> Parents {
        let owner = self.owner.unwrap_or(Owner { uid: 0, gid: 0 });
        Parents { mode: 0o755, owner, modified: self.created }
    }
}

/// The copying of one source, object by object. A directory gives its contents; anything else goes into a directory under its
/// own name.
#[derive(Debug)]
pub(super) struct Placing {
    pick: Pick,
    attributes: Attributes,
    place: PathBuf,
    /// Directories that are made only when something below them is included.
    waiting: Vec<Item>,
    /// Where the first name of each file with several went.
    first_names: HashMap<u64, PathBuf>,
}

impl Placing {
    /// Finds the place for a source of which `first` is the first object, and makes the directories on the way.
    pub(super) fn begin(
        target: &mut Target,
        pick: Pick,
        first: &Item,
        destination: &Destination,
        attributes: Attributes,
    ) -> Result<Self, CopyError> {
        let parents = attributes.parents();
        let surely = if destination.is_directory { Some(destination.path.as_path()) } else { destination.path.parent() };
        let directory = target.resolve(surely.unwrap_or(Path::new("")))?;
        target.make_directories(&directory, &parents)?;
        let mut place = target.resolve(&destination.path)?;
        let existing = target.look(&place)?;
        if matches!(first.kind, ItemKind::Directory) {
            if existing.is_none() {
                target.make_directories(&place, &parents)?;
            }
        } else {
            if existing == Some(Found::Directory) {
                place.push(&pick.name);
            }
            target.make_directories(place.parent().unwrap_or(Path::new("")), &parents)?;
        }
        Ok(Self { pick, attributes, place, waiting: Vec::new(), first_names: HashMap::new() })
    }

    /// Copies the next object.
    pub(super) fn take(&mut self, target: &mut Target, item: &Item) -> Result<(), CopyError> {
        self.waiting.retain(|directory| item.path.starts_with(&directory.path));
        if !item.included {
            self.waiting.push(item.clone());
            return Ok(());
        }
        self.make_waiting(target, item)?;
        self.put(target, item)
    }

    fn make_waiting(&mut self, target: &mut Target, item: &Item) -> Result<(), CopyError> {
        let nested = !item.path.as_os_str().is_empty();
        for directory in std::mem::take(&mut self.waiting) {
            let path = self.at(&directory);
            match target.look(&path)? {
                None => target.put(self.entry(&directory, path, EntryKind::Directory { opaque: false }))?,
                Some(Found::Directory) if nested => {
                    if let Some(entry) = target.directory_mut(&path)? {
                        entry.mode = directory.mode;
                    }
                }
                Some(Found::Directory) => {}
                Some(_) => return Err(self.directory_over_file(&path)),
            }
        }
        Ok(())
    }

    fn put(&mut self, target: &mut Target, item: &Item) -> Result<(), CopyError> {
        let path = self.at(item);
        let kind = match &item.kind {
            ItemKind::Directory => return self.put_directory(target, item, path),
            ItemKind::File(file) => self.file(item, file, &path),
            ItemKind::Symlink(target) => EntryKind::Symlink { target: target.clone() },
            ItemKind::Fifo => EntryKind::Fifo,
            ItemKind::CharacterDevice(major, minor) => EntryKind::CharacterDevice { major: *major, minor: *minor },
            ItemKind::BlockDevice(major, minor) => EntryKind::BlockDevice { major: *major, minor: *minor },
        };
        if target.look(&path)? == Some(Found::Directory) {
            return Err(CopyError::FileOverDirectory { source_path: self.pick.source.clone(), path: absolute(&path) });
        }
        target.put(self.entry(item, path, kind))
    }

    fn put_directory(&self, target: &mut Target, item: &Item, path: PathBuf) -> Result<(), CopyError> {
        match target.look(&path)? {
            None => {}
            Some(Found::Directory) => {
                let nested = !item.path.as_os_str().is_empty();
                let replacement = nested.then(|| self.entry(item, path.clone(), EntryKind::Directory { opaque: false }));
                let Some(entry) = target.directory_mut(&path)? else { return Ok(()) };
                // The destination itself keeps what it has but for its time.
                entry.modified = item.modified;
                if let Some(new) = replacement {
                    (entry.mode, entry.uid, entry.gid) = (new.mode, new.uid, new.gid);
                    merge_xattrs(&mut entry.xattrs, new.xattrs);
                }
                return Ok(());
            }
            Some(_) => return Err(self.directory_over_file(&path)),
        }
        target.put(self.entry(item, path, EntryKind::Directory { opaque: false }))
    }

    fn file(&mut self, item: &Item, file: &FileItem, path: &Path) -> EntryKind {
        if let Some(number) = file.file {
            if let Some(first) = self.first_names.get(&number) {
                return EntryKind::HardLink { target: first.clone() };
            }
            self.first_names.insert(number, path.to_path_buf());
        }
        EntryKind::File { size: file.size, content: self.pick.content(item, file) }
    }

    fn at(&self, item: &Item) -> PathBuf {
        if item.path.as_os_str().is_empty() { self.place.clone() } else { self.place.join(&item.path) }
    }

    fn entry(&self, item: &Item, path: PathBuf, kind: EntryKind) -> Entry {
        let Owner { uid, gid } = self.attributes.owner(item);
        let mode = if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { self.attributes.mode(item) };
        Entry { path, kind, mode, uid, gid, modified: item.modified, xattrs: item.xattrs.clone() }
    }

    fn directory_over_file(&self, path: &Path) -> CopyError {
        CopyError::DirectoryOverFile { source_path: self.pick.source.clone(), path: absolute(path) }
    }
}

fn merge_xattrs(into: &mut Vec<(std::ffi::OsString, Vec<u8>)>, from: Vec<(std::ffi::OsString, Vec<u8>)>) {
    into.retain(|(name, _)| from.iter().all(|(other, _)| other != name));
    into.extend(from);
    into.sort();
}
