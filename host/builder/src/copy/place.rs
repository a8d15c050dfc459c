//! Putting one source into its place in the layer, as BuildKit's file operations do it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use windlass_dockerfile::file_mode::FileMode;
use windlass_layer::{Entry, EntryKind, Timestamp};

use super::CopyError;
use super::error::absolute;
use super::item::{FileItem, Identity, Item, ItemKind, Pick};
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

/// Copies what has been picked. A directory gives its contents; anything else goes into a directory under its own name.
pub(super) fn place(
    target: &mut Target,
    pick: &Pick,
    destination: &Destination,
    attributes: &Attributes,
) -> Result<(), CopyError> {
    let Some(first) = pick.items.first() else { return Ok(()) };
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
    Placing { target, pick, attributes, place, waiting: Vec::new(), first_names: HashMap::new() }.run()
}

/// The state of one placing.
struct Placing<'p> {
    target: &'p mut Target,
    pick: &'p Pick,
    attributes: &'p Attributes,
    place: PathBuf,
    /// Directories that are made only when something below them is included.
    waiting: Vec<&'p Item>,
    /// Where the first name of each file with several went.
    first_names: HashMap<&'p Identity, PathBuf>,
}

impl<'p> Placing<'p> {
    fn run(mut self) -> Result<(), CopyError> {
        for item in &self.pick.items {
            self.waiting.retain(|directory| item.path.starts_with(&directory.path));
            if item.included {
                self.make_waiting(item)?;
                self.put(item)?;
            } else {
                self.waiting.push(item);
            }
        }
        Ok(())
    }

    fn make_waiting(&mut self, item: &Item) -> Result<(), CopyError> {
        let nested = !item.path.as_os_str().is_empty();
        for directory in std::mem::take(&mut self.waiting) {
            let path = self.at(directory);
            match self.target.look(&path)? {
                None => self.target.put(self.entry(directory, path, EntryKind::Directory { opaque: false }))?,
                Some(Found::Directory) if nested => {
                    if let Some(entry) = self.target.directory_mut(&path)? {
                        entry.mode = directory.mode;
                    }
                }
                Some(Found::Directory) => {}
                Some(_) => return Err(self.directory_over_file(&path)),
            }
        }
        Ok(())
    }

    fn put(&mut self, item: &'p Item) -> Result<(), CopyError> {
        let path = self.at(item);
        let kind = match &item.kind {
            ItemKind::Directory => return self.put_directory(item, path),
            ItemKind::File(file) => self.file(file, &path),
            ItemKind::Symlink(target) => EntryKind::Symlink { target: target.clone() },
            ItemKind::Fifo => EntryKind::Fifo,
            ItemKind::CharacterDevice(major, minor) => EntryKind::CharacterDevice { major: *major, minor: *minor },
            ItemKind::BlockDevice(major, minor) => EntryKind::BlockDevice { major: *major, minor: *minor },
        };
        if self.target.look(&path)? == Some(Found::Directory) {
            return Err(CopyError::FileOverDirectory { source_path: self.pick.source.clone(), path: absolute(&path) });
        }
        self.target.put(self.entry(item, path, kind))
    }

    fn put_directory(&mut self, item: &Item, path: PathBuf) -> Result<(), CopyError> {
        match self.target.look(&path)? {
            None => {}
            Some(Found::Directory) => {
                let nested = !item.path.as_os_str().is_empty();
                let replacement = nested.then(|| self.entry(item, path.clone(), EntryKind::Directory { opaque: false }));
                let Some(entry) = self.target.directory_mut(&path)? else { return Ok(()) };
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
        self.target.put(self.entry(item, path, EntryKind::Directory { opaque: false }))
    }

    fn file(&mut self, file: &'p FileItem, path: &Path) -> EntryKind {
        let content = EntryKind::File { size: file.size, content: file.content.clone() };
        let Some(identity) = &file.identity else { return content };
        match self.first_names.get(identity) {
            Some(first) => EntryKind::HardLink { target: first.clone() },
            None => {
                self.first_names.insert(identity, path.to_path_buf());
                content
            }
        }
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
