//! What an image's file system looks like, put together from its layers without a mount.

mod disk;
mod layer;
mod listed;
mod merged;
mod names;
mod walk;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use layer::Layer;
pub(crate) use layer::{Identity, Presence};
pub(crate) use merged::Merged;
use merged::MergedCache;
pub(crate) use names::LayerDirectory;
pub use walk::{Walk, Walked};

use crate::path::{Found, Lost, follow, split};
use crate::text::shown;
use crate::{Content, Entry, EntryKind, Timestamp};

/// Layers from bottom to top as one tree.
///
/// Views are cheap to make and clone: what has been read of a layer is kept with the layer and shared by all views on it.
#[derive(Debug, Clone, Default)]
pub struct View {
    layers: Vec<Layer>,
    merged: MergedCache,
}

/// Why something cannot be read from a view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A system call failed.
    #[error("cannot {action} {}", shown(.path))]
    System {
        /// What was tried.
        action: &'static str,
        /// The path in the image, or on disk for a whole layer.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path leads through too many symbolic links.
    #[error("{} leads through too many symbolic links", shown(.path))]
    Links {
        /// The path in the image.
        path: PathBuf,
    },
    /// Something on the way is no directory.
    #[error("{} cannot be reached: a part of the path is no directory", shown(.path))]
    NotADirectory {
        /// The path in the image.
        path: PathBuf,
    },
    /// A directory, device or pipe where a file was expected.
    #[error("{} is no regular file", shown(.path))]
    NotAFile {
        /// The path in the image.
        path: PathBuf,
    },
    /// A file that is larger than the caller takes.
    #[error("{} is larger than {limit} bytes", shown(.path))]
    TooLarge {
        /// The path in the image.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file whose content is not on this machine.
    #[error("the content of {} is not on this machine: its layer has not been unpacked", shown(.path))]
    Absent {
        /// The path in the image.
        path: PathBuf,
    },
    /// The record beside a snapshot cannot be used.
    #[error("cannot use the snapshot")]
    Snapshot {
        /// Why.
        source: crate::SnapshotError,
    },
}

/// Where a path leads once its links have been followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links, below the root.
    pub path: PathBuf,
    /// What stands there.
    pub entry: Option<Entry>,
}

impl View {
    /// The view on `layers`, the lowest first.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers, merged: MergedCache::default() }
    }

    /// The view on nothing but an empty root, as `FROM scratch` has it.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// This view with one more layer on top.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self::new(layers)
    }

    /// The layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What stands at `path`, without following any link; the empty path is the root.
    ///
    /// A hard link is given as the file that it is.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn lookup(&self, path: &Path) -> Result<Option<Entry>, ViewError> {
        Ok(self.find(path)?.map(|found| found.entry))
    }

    /// As [`Self::lookup`], with what tells apart or joins the names of one file.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<FoundEntry>, ViewError> {
        let Some((parent, name)) = split(path) else { return self.find_root().map(Some) };
        if let Some(told) = self.told(path)? {
            return Ok(Some(told));
        }
        let implied = self.merged(parent)?.is_some_and(|parent| parent.topmost(name) == Some(Presence::Directory));
        Ok(implied.then(|| FoundEntry { entry: Entry::directory(path, Timestamp::default()), identity: None }))
    }

    /// As [`Self::find`], without the root and without directories that the layers only imply.
    pub(crate) fn told(&self, path: &Path) -> Result<Option<FoundEntry>, ViewError> {
        let Some((parent, name)) = split(path) else { return Ok(None) };
        let Some(parent) = self.merged(parent)? else { return Ok(None) };
        let is_directory = parent.topmost(name) == Some(Presence::Directory);
        for (index, presence) in parent.all_of(name) {
            // A directory that is only implied has nothing of what it replaces.
            if presence == Presence::Whiteout || is_directory && presence != Presence::Directory {
                break;
            }
            if let Some((entry, identity)) = self.layers[index].entry(path)? {
                return self.resolved_link(index, entry, identity.map(|identity| (index, identity)));
            }
            if presence != Presence::Directory {
                break;
            }
        }
        Ok(None)
    }

    fn find_root(&self) -> Result<FoundEntry, ViewError> {
        for layer in self.layers.iter().rev() {
            if let Some((entry, _)) = layer.entry(Path::new(""))? {
                return Ok(FoundEntry { entry, identity: None });
            }
        }
        Ok(FoundEntry { entry: Entry::directory("", Timestamp::default()), identity: None })
    }

    /// A hard link of a listed layer to a file of a layer below is that file.
    fn resolved_link(
        &self,
        index: usize,
        mut entry: Entry,
        identity: Option<(usize, Identity)>,
    ) -> Result<Option<FoundEntry>, ViewError> {
        let EntryKind::HardLink { target } = &entry.kind else { return Ok(Some(FoundEntry { entry, identity })) };
        let below = Self::new(self.layers[..index].to_vec());
        let Some(found) = below.find(target)? else { return Ok(None) };
        entry.kind = found.entry.kind;
        Ok(Some(FoundEntry { entry, identity: found.identity }))
    }

    /// The directory at `path` in all layers that have a part in it, or nothing when there is none.
    pub(crate) fn merged(&self, path: &Path) -> Result<Option<Merged>, ViewError> {
        self.merged.get(&self.layers, path)
    }

    /// Where `path` leads, inside this root, once all its links are followed.
    ///
    /// Names that are missing are kept, so that a destination can be resolved before it is made.
    ///
    /// # Errors
    /// When there are too many links, when something on the way is no directory, or when a layer cannot be read.
    pub fn resolve(&self, path: &Path) -> Result<Resolved, ViewError> {
        self.follow(path, true)
    }

    /// As [`Self::resolve`], but a link at the last name itself is not followed.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_parent(&self, path: &Path) -> Result<Resolved, ViewError> {
        self.follow(path, false)
    }

    fn follow(&self, path: &Path, last: bool) -> Result<Resolved, ViewError> {
        let resolved = follow(path, last, |path| self.found(path)).map_err(|lost| match lost {
            Lost::Links => ViewError::Links { path: path.to_owned() },
            Lost::NotADirectory => ViewError::NotADirectory { path: path.to_owned() },
            Lost::Failed(error) => error,
        })?;
        let entry = self.lookup(&resolved)?;
        Ok(Resolved { path: resolved, entry })
    }

    /// What stands at a path, as far as following it needs to know.
    pub(crate) fn found(&self, path: &Path) -> Result<Found, ViewError> {
        let Some((parent, name)) = split(path) else { return Ok(Found::Directory) };
        let topmost = self.merged(parent)?.and_then(|parent| parent.topmost(name));
        match topmost {
            None => Ok(Found::Missing),
            Some(Presence::Directory) => Ok(Found::Directory),
            Some(_) => Ok(match self.lookup(path)?.map(|entry| entry.kind) {
                None => Found::Missing,
                Some(EntryKind::Symlink { target }) => Found::Symlink(target),
                Some(_) => Found::Other,
            }),
        }
    }

    /// The names in the directory at `path`, sorted; no link is followed.
    ///
    /// # Errors
    /// When there is no directory, or a layer cannot be read.
    pub fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, ViewError> {
        match self.merged(path)? {
            Some(directory) => Ok(directory.names()),
            None => Err(ViewError::NotADirectory { path: path.to_owned() }),
        }
    }

    /// The content of the file at `path`, its links followed; nothing when there is none.
    ///
    /// # Errors
    /// When it is no regular file, has more than `limit` bytes, or cannot be read.
    pub fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ViewError> {
        let resolved = self.resolve(path)?;
        let Some(entry) = resolved.entry else { return Ok(None) };
        let EntryKind::File { size, content } = entry.kind else {
            return Err(ViewError::NotAFile { path: path.to_owned() });
        };
        if size > limit {
            return Err(ViewError::TooLarge { path: path.to_owned(), limit });
        }
        match content {
            Content::Inline(bytes) => Ok(Some(bytes.to_vec())),
            Content::Absent => Err(ViewError::Absent { path: path.to_owned() }),
            Content::File(file) => read_whole(&file, size).map(Some).map_err(|source| ViewError::System {
                action: "read",
                path: path.to_owned(),
                source,
            }),
        }
    }
}

/// An entry, and which other names it shares its file with.
#[derive(Debug)]
pub(crate) struct FoundEntry {
    pub(crate) entry: Entry,
    /// The layer's number and the file in it.
    pub(crate) identity: Option<(usize, Identity)>,
}

fn read_whole(file: &Path, size: u64) -> io::Result<Vec<u8>> {
    let file = crate::blob::open_content(file, size)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    io::Read::read_to_end(&mut io::Read::take(file, size), &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
