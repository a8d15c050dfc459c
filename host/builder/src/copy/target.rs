//! The layer that is being made, on top of what the stage has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use windlass_layer::{Entry, EntryKind, Listing, Timestamp, View};

use super::CopyError;
use super::error::absolute;
use super::resolve::{Step, resolve};
use super::unchanged;

/// How many directories deep a destination may be: as deep as layers are read, see `windlass_layer`.
const DEEPEST: usize = 255;

/// An owner, by ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// How directories on the way to a destination are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parents {
    pub(super) mode: u32,
    pub(super) owner: Owner,
    pub(super) modified: Timestamp,
}

/// What a path of the stage is, the new layer included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Directory,
    Link(PathBuf),
    Other,
}

#[derive(Debug)]
pub(super) struct Target {
    lower: Option<View>,
    /// What is new, in the order in which it came; a removed entry leaves a gap.
    entries: Vec<Option<Entry>>,
    index: HashMap<PathBuf, usize>,
    /// Files of this layer that have further names in it, with those names.
    links: HashMap<PathBuf, Vec<PathBuf>>,
    /// Directories of this layer that have been taken out of it, as far as they may come up again.
    settled: Vec<PathBuf>,
}

impl Target {
    /// A layer on top of `lower`; none for one that stands by itself.
    pub(super) fn new(lower: Option<View>) -> Self {
        Self { lower, entries: Vec::new(), index: HashMap::new(), links: HashMap::new(), settled: Vec::new() }
    }

    /// How many entries it holds, those that were removed again among them.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All that has come into the new layer.
    pub(super) fn into_listing(self) -> Listing {
        self.entries.into_iter().flatten().collect()
    }

    /// The new layer, without what is below it already.
    pub(super) fn into_changes(mut self) -> Result<Listing, CopyError> {
        let entries = std::mem::take(&mut self.entries).into_iter().flatten().collect();
        if self.lower.is_none() {
            return Ok(entries);
        }
        unchanged::leave_out(entries, |path| self.lower_entry(path))
    }

    /// What is at a path whose parents are no links. The root is always there.
    pub(super) fn look(&self, path: &Path) -> Result<Option<Found>, CopyError> {
        if path.as_os_str().is_empty() || self.is_settled(path) {
            return Ok(Some(Found::Directory));
        }
        if let Some(entry) = self.new_entry(path) {
            return Ok(found(entry));
        }
        Ok(self.lower_entry(path)?.as_ref().and_then(found))
    }

    /// Takes out what has come into the new layer. For one source, whose objects come in the order of a walk: none of them
    /// concerns an entry that was made for one before, but for the directories that it lies in.
    pub(super) fn take_settled(&mut self) -> Listing {
        let entries: Listing = self.entries.drain(..).flatten().collect();
        self.index.clear();
        self.links.clear();
        for entry in &entries {
            self.settled.retain(|directory| entry.path.starts_with(directory));
            if is_directory(entry) {
                self.settled.push(entry.path.clone());
            }
        }
        entries
    }

    fn is_settled(&self, path: &Path) -> bool {
        self.settled.iter().any(|directory| directory == path)
    }

    fn new_entry(&self, path: &Path) -> Option<&Entry> {
        self.index.get(path).and_then(|index| self.entries[*index].as_ref())
    }

    /// The mutable entry of this layer at `path`, if it has one.
    pub(super) fn entry_mut(&mut self, path: &Path) -> Option<&mut Entry> {
        self.index.get(path).and_then(|index| self.entries[*index].as_mut())
    }

    /// What is below the new layer at a path.
    pub(super) fn lower_entry(&self, path: &Path) -> Result<Option<Entry>, CopyError> {
        let Some(lower) = &self.lower else { return Ok(None) };
        Ok(lower.lookup(path)?)
    }

    /// The place that `path` means below the directory `root`, with links followed as if `root` were `/`.
    pub(super) fn resolve_below(&self, root: &Path, path: &Path) -> Result<PathBuf, CopyError> {
        if path.iter().count() > DEEPEST {
            return Err(CopyError::TooDeep { path: path.iter().take(10).collect(), limit: DEEPEST });
        }
        let resolved = resolve(path, |path| {
            Ok(match self.look(&root.join(path))? {
                None => Step::Missing,
                Some(Found::Directory) => Step::Directory,
                Some(Found::Link(target)) => Step::Link(target),
                Some(Found::Other) => Step::Other,
            })
        })?;
        Ok(if resolved.as_os_str().is_empty() { root.to_path_buf() } else { root.join(resolved) })
    }

    /// The place that `path` means in the image.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf, CopyError> {
        self.resolve_below(Path::new(""), path)
    }

    /// Makes `path` and what is missing above it. `path` must be resolved.
    pub(super) fn make_directories(&mut self, path: &Path, parents: &Parents) -> Result<(), CopyError> {
        match self.look(path)? {
            Some(Found::Directory) => return Ok(()),
            Some(_) => return Err(CopyError::NotADirectory { path: absolute(path) }),
            None => {}
        }
        // Upwards until something is there, then down again.
        let mut missing = vec![path];
        for ancestor in path.ancestors().skip(1) {
            match self.look(ancestor)? {
                Some(Found::Directory) => break,
                Some(_) => return Err(CopyError::NotADirectory { path: absolute(ancestor) }),
                None => missing.push(ancestor),
            }
        }
        for path in missing.into_iter().rev() {
            let Owner { uid, gid } = parents.owner;
            let directory = Entry::directory(path, parents.modified);
            self.put(Entry { mode: parents.mode & 0o777, uid, gid, ..directory })?;
        }
        Ok(())
    }

    /// Adds an entry in place of what the path has had. Its parents must be there.
    pub(super) fn put(&mut self, entry: Entry) -> Result<(), CopyError> {
        self.bring_up_parents(&entry.path)?;
        if let EntryKind::HardLink { target } = &entry.kind {
            self.links.entry(target.clone()).or_default().push(entry.path.clone());
        }
        if let Some(index) = self.index.get(&entry.path).copied() {
            let both_directories = is_directory(&entry) && self.entries[index].as_ref().is_some_and(is_directory);
            if both_directories {
                self.entries[index] = Some(entry);
                return Ok(());
            }
            self.drop_entry(&entry.path.clone());
        }
        self.index.insert(entry.path.clone(), self.entries.len());
        self.entries.push(Some(entry));
        Ok(())
    }

    /// The directory at `path` in this layer, with the metadata that it has had below. It must be a directory.
    pub(super) fn directory_mut(&mut self, path: &Path) -> Result<Option<&mut Entry>, CopyError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        self.bring_up_parents(&path.join("_"))?;
        Ok(self.entry_mut(path))
    }

    /// A layer says of every directory in it what it is like: unpacked by itself it would else lose that.
    fn bring_up_parents(&mut self, path: &Path) -> Result<(), CopyError> {
        let mut above: Vec<PathBuf> = Vec::new();
        for ancestor in path.ancestors().skip(1) {
            if ancestor.as_os_str().is_empty() || self.index.contains_key(ancestor) || self.is_settled(ancestor) {
                break;
            }
            above.push(ancestor.to_path_buf());
        }
        for directory in above.into_iter().rev() {
            if let Some(entry) = self.lower_entry(&directory)? {
                self.index.insert(directory, self.entries.len());
                self.entries.push(Some(Entry { kind: EntryKind::Directory { opaque: false }, ..entry }));
            }
        }
        Ok(())
    }

    /// Takes an entry out of this layer. When other names of the file stay, the first of them becomes the file.
    fn drop_entry(&mut self, path: &Path) {
        let Some(index) = self.index.remove(path) else { return };
        let Some(entry) = self.entries[index].take() else { return };
        if let EntryKind::HardLink { target } = &entry.kind
            && let Some(names) = self.links.get_mut(target)
        {
            names.retain(|name| name != path);
        }
        let Some(mut names) = self.links.remove(path) else { return };
        names.retain(|name| self.index.contains_key(name));
        let Some(heir) = names.first().cloned() else { return };
        names.remove(0);
        for name in &names {
            if let Some(other) = self.entry_mut(name) {
                other.kind = EntryKind::HardLink { target: heir.clone() };
            }
        }
        if let Some(other) = self.entry_mut(&heir) {
            other.kind = entry.kind;
        }
        self.links.insert(heir, names);
    }
}

fn is_directory(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Directory { .. })
}

fn found(entry: &Entry) -> Option<Found> {
    match &entry.kind {
        EntryKind::Directory { .. } => Some(Found::Directory),
        EntryKind::Symlink { target } => Some(Found::Link(target.clone())),
        EntryKind::Whiteout => None,
        _ => Some(Found::Other),
    }
}
