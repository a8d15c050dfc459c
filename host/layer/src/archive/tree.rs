//! The entries of an archive applied one after the other, in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use crate::path::{Found, Lost, follow, split};
use crate::{Entry, EntryKind, Listing, Timestamp, View};

/// What an archive makes of a tree.
#[derive(Debug)]
pub(super) struct Tree<'b> {
    /// What is there before; nothing when it is not known, as for a layer by itself.
    base: Option<&'b View>,
    /// The root for all names and links, as a path of the image.
    root: PathBuf,
    nodes: BTreeMap<PathBuf, Node>,
    /// Owner, mode and time of files that have several names.
    files: Vec<Attributes>,
}

/// What all names of a file share.
#[derive(Debug, Clone, Copy)]
struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: Timestamp,
}

#[derive(Debug)]
struct Node {
    entry: Entry,
    /// The file that it is a name of, when there are others.
    file: Option<usize>,
    /// Whether the archive itself has told of it.
    told: bool,
}

type Result<T> = std::result::Result<T, ArchiveError>;

impl<'b> Tree<'b> {
    /// Entries placed below `root` of an image.
    pub(super) fn onto(base: &'b View, root: &Path) -> Self {
        Self { base: Some(base), root: root.to_owned(), nodes: BTreeMap::new(), files: Vec::new() }
    }

    /// Entries of a layer whose lower layers are not known.
    pub(super) fn unknown_below() -> Self {
        Self { base: None, root: PathBuf::new(), nodes: BTreeMap::new(), files: Vec::new() }
    }

    /// Places an entry whose path, and target if it is a hard link, is clamped. The root's own entry changes nothing.
    pub(super) fn put(&mut self, mut entry: Entry) -> Result<()> {
        if entry.path.as_os_str().is_empty() {
            return Ok(());
        }
        if let EntryKind::CharacterDevice { major: 0, minor: 0 } = entry.kind {
            let problem = "the character device 0:0 means a removal to the overlay file system";
            return Err(ArchiveError::Entry { path: entry.path, problem });
        }
        let file = match &entry.kind {
            EntryKind::HardLink { target } => match self.link(&entry, &target.clone())? {
                None => return Ok(()),
                Some((kind, file)) => {
                    entry.kind = kind;
                    Some(file)
                }
            },
            _ => None,
        };
        entry.path = self.place(&entry.path)?;
        self.make_parents(&entry.path, entry.modified)?;
        if let EntryKind::Directory { opaque } = &mut entry.kind {
            *opaque = self.prepare_directory(&entry.path)?;
        } else {
            self.clear(&entry.path);
        }
        self.nodes.insert(entry.path.clone(), Node { entry, file, told: true });
        Ok(())
    }

    /// Hides what lies below at a path.
    pub(super) fn whiteout(&mut self, path: &Path) -> Result<()> {
        let path = self.place(path)?;
        match self.nodes.get_mut(&path).map(|node| &mut node.entry.kind) {
            Some(EntryKind::Directory { opaque }) => *opaque = true,
            // What the layer itself has there hides it already.
            Some(_) => {}
            None => {
                self.make_parents(&path, Timestamp::default())?;
                self.nodes.insert(path.clone(), Node { entry: Entry::whiteout(path), file: None, told: true });
            }
        }
        Ok(())
    }

    /// Hides what lies below in a directory.
    pub(super) fn opaque(&mut self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            let problem = "a layer that hides the whole root is not supported here";
            return Err(ArchiveError::Entry { path: path.to_owned(), problem });
        }
        let path = self.resolve(path)?;
        self.make_parents(&path.join("x"), Timestamp::default())?;
        if let Some(EntryKind::Directory { opaque }) = self.nodes.get_mut(&path).map(|node| &mut node.entry.kind) {
            *opaque = true;
        }
        Ok(())
    }

    /// What a hard link is a name of; nothing when it is a link to itself. As the kernel has it, what the link's entry
    /// tells of owner, mode and time then holds for all names.
    fn link(&mut self, link: &Entry, target: &Path) -> Result<Option<(EntryKind, usize)>> {
        let no_target = || ArchiveError::LinkTarget { path: link.path.clone(), target: target.to_owned() };
        if target.as_os_str().is_empty() {
            return Err(no_target());
        }
        let (path, target) = (self.place(&link.path)?, self.place(target)?);
        if !self.nodes.contains_key(&target) {
            let below = self.below(&target)?.ok_or_else(no_target)?;
            self.make_parents(&target, below.modified)?;
            self.nodes.insert(target.clone(), Node { entry: below, file: None, told: true });
        }
        let node = self.nodes.get_mut(&target).ok_or_else(no_target)?;
        if matches!(node.entry.kind, EntryKind::Directory { .. } | EntryKind::Whiteout) {
            return Err(no_target());
        }
        if path == target {
            return Ok(None);
        }
        let attributes = Attributes { mode: link.mode, uid: link.uid, gid: link.gid, modified: link.modified };
        let file = *node.file.get_or_insert(self.files.len());
        match self.files.get_mut(file) {
            Some(known) => *known = attributes,
            None => self.files.push(attributes),
        }
        let kind = node.entry.kind.clone();
        Ok(Some((kind, file)))
    }

    /// Makes room for a directory; true when it must hide what lies below it.
    fn prepare_directory(&mut self, path: &Path) -> Result<bool> {
        let replaced = match self.nodes.get(path).map(|node| &node.entry.kind) {
            Some(EntryKind::Directory { opaque }) => return Ok(*opaque),
            Some(_) => true,
            None => false,
        };
        self.clear(path);
        Ok(replaced && self.directory_below(path)?)
    }

    /// Whether a directory lies below at a path that the archive has put something else at.
    fn directory_below(&self, path: &Path) -> Result<bool> {
        if !self.shows_below(path) {
            return Ok(false);
        }
        match self.base {
            Some(base) => Ok(base.found(path)? == Found::Directory),
            None => Ok(true),
        }
    }

    /// Takes a path and all below it out of the tree.
    fn clear(&mut self, path: &Path) {
        if self.nodes.get(path).is_some_and(|node| matches!(node.entry.kind, EntryKind::Directory { .. })) {
            let below: Vec<_> =
                self.nodes.range(path.to_owned()..).map(|(p, _)| p).take_while(|p| p.starts_with(path)).cloned().collect();
            for path in below {
                self.nodes.remove(&path);
            }
        }
    }

    /// Puts the directories on the way to a path into the tree: those that are there as they are, others as docker implies them.
    fn make_parents(&mut self, path: &Path, modified: Timestamp) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = path;
        while let Some((parent, _)) = split(at) {
            if parent == self.root || self.is_directory_node(parent) {
                break;
            }
            missing.push(parent.to_owned());
            at = parent;
        }
        while let Some(path) = missing.pop() {
            let below = self.below(&path)?.filter(|entry| matches!(entry.kind, EntryKind::Directory { .. }));
            let told = below.is_some();
            let mut entry = below.unwrap_or_else(|| Entry::directory(&path, modified));
            entry.kind = EntryKind::Directory { opaque: self.prepare_directory(&path)? };
            self.nodes.insert(path, Node { entry, file: None, told });
        }
        Ok(())
    }

    fn is_directory_node(&self, path: &Path) -> bool {
        self.nodes.get(path).is_some_and(|node| matches!(node.entry.kind, EntryKind::Directory { .. }))
    }

    /// The path of the image for a name of the archive: its parents' links followed, the last name as it is.
    fn place(&self, path: &Path) -> Result<PathBuf> {
        let Some((parent, name)) = split(path) else {
            return Err(ArchiveError::Entry { path: path.to_owned(), problem: "it is the root" });
        };
        Ok(self.resolve(parent)?.join(name))
    }

    fn resolve(&self, path: &Path) -> Result<PathBuf> {
        if self.is_directory_node(&self.root.join(path)) {
            return Ok(self.root.join(path));
        }
        let problem = |problem| ArchiveError::Entry { path: path.to_owned(), problem };
        let resolved = follow(path, true, |path| self.found(&self.root.join(path))).map_err(|lost| match lost {
            Lost::Links => problem("too many symbolic links are on its path"),
            Lost::NotADirectory => problem("a part of its path is no directory"),
            Lost::Failed(error) => error,
        })?;
        match self.found(&self.root.join(&resolved))? {
            Found::Other => Err(problem("a part of its path is no directory")),
            _ => Ok(self.root.join(resolved)),
        }
    }

    fn found(&self, path: &Path) -> Result<Found> {
        match self.nodes.get(path).map(|node| &node.entry.kind) {
            Some(EntryKind::Directory { .. }) => Ok(Found::Directory),
            Some(EntryKind::Symlink { target }) => Ok(Found::Symlink(target.clone())),
            Some(EntryKind::Whiteout) => Ok(Found::Missing),
            Some(_) => Ok(Found::Other),
            None => match self.base.map(|base| base.found(path)).transpose()? {
                // Most paths are not in the base, so whether it shows is asked second.
                None | Some(Found::Missing) => Ok(Found::Missing),
                Some(found) => Ok(if self.shows_below(path) { found } else { Found::Missing }),
            },
        }
    }

    /// What the base has at a path, unless the archive has hidden it.
    fn below(&self, path: &Path) -> Result<Option<Entry>> {
        let below = self.base.map(|base| base.lookup(path)).transpose()?.flatten();
        Ok(below.filter(|_| self.shows_below(path)))
    }

    /// Whether nothing in the tree hides the base above a path.
    fn shows_below(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|ancestor| match self.nodes.get(ancestor).map(|node| &node.entry.kind) {
            None | Some(EntryKind::Directory { opaque: false }) => true,
            Some(_) => false,
        })
    }

    /// The entries in the order of their paths; of several names of a file, the first is the file.
    pub(super) fn into_listing(self) -> Listing {
        let keeps_implied = self.base.is_some();
        let mut first: Vec<Option<PathBuf>> = vec![None; self.files.len()];
        let mut listing = Listing::with_capacity(self.nodes.len());
        for (_, mut node) in self.nodes {
            if !node.told && !keeps_implied && node.entry.kind == (EntryKind::Directory { opaque: false }) {
                continue;
            }
            if let Some(file) = node.file {
                let Attributes { mode, uid, gid, modified } = self.files[file];
                node.entry = Entry { mode, uid, gid, modified, ..node.entry };
                match &mut first[file] {
                    Some(target) => node.entry.kind = EntryKind::HardLink { target: target.clone() },
                    none => *none = Some(node.entry.path.clone()),
                }
            }
            listing.push(node.entry);
        }
        listing
    }
}
