//! One layer of a view: on disk, or as a listing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ViewError;
use super::disk::DiskLayer;
use super::listed::ListedLayer;
use super::names::LayerDirectory;
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
    pub fn listing(entries: impl Into<Arc<Listing>>) -> Self {
        Self(Arc::new(Kind::Listed(ListedLayer::new(entries.into()))))
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

    /// The same for who reads each directory once: nothing is kept.
    pub(crate) fn read_directory_once(&self, path: &Path) -> Result<Option<Arc<LayerDirectory>>, ViewError> {
        match &*self.0 {
            Kind::Disk(layer) => layer.read_directory_once(path),
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
