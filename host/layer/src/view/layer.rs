//! One layer of a view: on disk, or as a listing.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ViewError;
use super::disk::DiskLayer;
use super::listed::ListedLayer;
use crate::{Entry, Listing, Snapshot};

/// A layer that views are put together from. Clones share what has been read.
#[derive(Debug, Clone)]
pub struct Layer(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Disk(DiskLayer),
    Listed(ListedLayer),
}

/// What a layer has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Whiteout,
    Directory,
    Other,
}

/// What joins the names of one file within a layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Inode(u64, u64),
    Path(PathBuf),
}

/// The names that one layer has in a directory.
#[derive(Debug, Default)]
pub(crate) struct LayerDirectory {
    pub(crate) opaque: bool,
    names: HashMap<OsString, Presence>,
}

impl LayerDirectory {
    pub(crate) fn insert(&mut self, name: OsString, presence: Presence) {
        self.names.insert(name, presence);
    }

    pub(crate) fn get(&self, name: &OsStr) -> Option<Presence> {
        self.names.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, Presence)> {
        self.names.iter().map(|(name, presence)| (name, *presence))
    }
}

impl Layer {
    /// A layer that has been unpacked, materialised or left by a RUN, and does not change any more.
    ///
    /// # Errors
    /// When the directory or the record beside it cannot be read.
    pub fn directory(snapshot: &Snapshot) -> Result<Self, ViewError> {
        Ok(Self(Arc::new(Kind::Disk(DiskLayer::open(snapshot)?))))
    }

    /// A layer that is known by its entries only.
    #[must_use]
    pub fn listing(entries: Listing) -> Self {
        Self(Arc::new(Kind::Listed(ListedLayer::new(entries))))
    }

    /// The snapshot of a layer on disk.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match &*self.0 {
            Kind::Disk(layer) => Some(layer.snapshot()),
            Kind::Listed(_) => None,
        }
    }

    /// The directory at a path whose parts this layer has as directories; nothing when it is none here.
    pub(crate) fn read_directory(&self, path: &Path) -> Result<Option<Arc<LayerDirectory>>, ViewError> {
        match &*self.0 {
            Kind::Disk(layer) => layer.read_directory(path),
            Kind::Listed(layer) => Ok(layer.read_directory(path)),
        }
    }

    /// The entry at a path whose parents are directories here; nothing when the layer only implies it.
    pub(crate) fn entry(&self, path: &Path) -> Result<Option<(Entry, Option<Identity>)>, ViewError> {
        match &*self.0 {
            Kind::Disk(layer) => layer.entry(path),
            Kind::Listed(layer) => Ok(layer.entry(path)),
        }
    }
}
