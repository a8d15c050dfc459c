//! A layer that is known by its entries only.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::layer::{Identity, Presence};
use super::names::LayerDirectory;
use crate::path::split;
use crate::{Entry, EntryKind, Listing};

/// A listing, with an index by directory once somebody looks into it.
#[derive(Debug)]
pub(crate) struct ListedLayer {
    entries: Arc<Listing>,
    index: OnceLock<Index>,
}

#[derive(Debug)]
struct Index {
    /// What was listed last under a path.
    places: HashMap<PathBuf, usize>,
    directories: HashMap<PathBuf, Arc<LayerDirectory>>,
    /// Files that further names link to.
    linked: HashSet<PathBuf>,
}

impl ListedLayer {
    pub(crate) fn new(entries: Arc<Listing>) -> Self {
        Self { entries, index: OnceLock::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.entries))
    }

    pub(crate) fn read_directory(&self, path: &Path) -> Option<Arc<LayerDirectory>> {
        self.index().directories.get(path).cloned()
    }

    pub(crate) fn entry(&self, path: &Path) -> Option<(Entry, Option<Identity>)> {
        let Index { places, linked, .. } = self.index();
        let entry = &self.entries[*places.get(path)?];
        let EntryKind::HardLink { target } = &entry.kind else {
            let identity = linked.contains(path).then(|| Identity::Path(path.to_owned()));
            return Some((entry.clone(), identity));
        };
        let Some(file) = places.get(target).map(|&index| &self.entries[index]) else {
            return Some((entry.clone(), None));
        };
        Some((Entry { path: path.to_owned(), ..file.clone() }, Some(Identity::Path(target.clone()))))
    }
}

impl Index {
    fn of(entries: &Listing) -> Self {
        let mut directories: HashMap<PathBuf, LayerDirectory> = HashMap::from([(PathBuf::new(), LayerDirectory::default())]);
        let mut places: HashMap<PathBuf, usize> = HashMap::with_capacity(entries.len());
        let mut linked = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let replaces_removal = places.get(&entry.path).is_some_and(|&before| entries[before].kind == EntryKind::Whiteout);
            if let EntryKind::HardLink { target } = &entry.kind {
                linked.insert(target.clone());
            }
            match &entry.kind {
                EntryKind::Directory { opaque } => {
                    imply(&mut directories, &entry.path);
                    let directory = directories.entry(entry.path.clone()).or_default();
                    directory.opaque |= *opaque || replaces_removal;
                }
                EntryKind::Whiteout => insert(&mut directories, &entry.path, Presence::Whiteout),
                _ => insert(&mut directories, &entry.path, Presence::Other),
            }
            places.insert(entry.path.clone(), index);
        }
        let directories = directories.into_iter().map(|(path, directory)| (path, Arc::new(directory.sorted()))).collect();
        Self { places, directories, linked }
    }
}

/// Makes a path a directory in its parent, and its parents directories in theirs.
fn imply(directories: &mut HashMap<PathBuf, LayerDirectory>, path: &Path) {
    let mut path = path;
    while let Some((parent, name)) = split(path) {
        let known = directories.contains_key(parent);
        directories.entry(parent.to_owned()).or_default().names.insert(name, Presence::Directory);
        if known {
            break;
        }
        path = parent;
    }
}

fn insert(directories: &mut HashMap<PathBuf, LayerDirectory>, path: &Path, presence: Presence) {
    let Some((parent, name)) = split(path) else { return };
    if !directories.contains_key(parent) {
        imply(directories, parent);
    }
    directories.entry(parent.to_owned()).or_default().names.insert(name, presence);
}
