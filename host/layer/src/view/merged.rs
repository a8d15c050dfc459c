//! A directory as it is in all layers together.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::ViewError;
use super::layer::{Layer, Presence};
use super::names::LayerDirectory;
use crate::path::split;

/// A directory in all layers that have a part in it.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    /// The topmost first, with the layers' numbers.
    parts: Arc<[(usize, Arc<LayerDirectory>)]>,
    hides: bool,
}

impl Merged {
    /// What the topmost layer that knows the name has, unless that removes it.
    pub(crate) fn topmost(&self, name: &OsStr) -> Option<Presence> {
        self.all_of(name).next().map(|(_, presence)| presence).filter(|presence| *presence != Presence::Whiteout)
    }

    /// What the layers have under a name, the topmost first, with the layers' numbers.
    pub(crate) fn all_of<'n>(&'n self, name: &'n OsStr) -> impl Iterator<Item = (usize, Presence)> + 'n {
        self.parts.iter().filter_map(move |(index, directory)| Some((*index, directory.names.get(name)?)))
    }

    /// Whether one of the layers hides what lies below it here.
    pub(crate) fn hides(&self) -> bool {
        self.hides
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Vec<OsString> {
        let told = self.told().into_iter();
        told.filter(|(_, presence)| *presence != Presence::Whiteout).map(|(name, _)| name.to_owned()).collect()
    }

    /// What the topmost layer says of each name, sorted by the names.
    pub(crate) fn told(&self) -> Vec<(&OsStr, Presence)> {
        let mut names: Vec<(&OsStr, Presence)> = self.parts.iter().flat_map(|(_, directory)| directory.names.iter()).collect();
        // Of the same name the topmost stays first.
        names.sort_by_key(|(name, _)| *name);
        names.dedup_by_key(|(name, _)| *name);
        names
    }

    /// The directory under a name.
    fn child(&self, layers: &[Layer], path: &Path, name: &OsStr) -> Result<Option<Self>, ViewError> {
        let (mut parts, mut hides) = (Vec::new(), false);
        for (index, presence) in self.all_of(name) {
            if presence != Presence::Directory {
                hides = true;
                break;
            }
            let Some(directory) = layers[index].read_directory(path)? else { break };
            hides = directory.opaque;
            parts.push((index, directory));
            if hides {
                break;
            }
        }
        Ok((!parts.is_empty()).then(|| Self { parts: parts.into(), hides }))
    }

    fn root(layers: &[Layer]) -> Result<Self, ViewError> {
        let (mut parts, mut hides) = (Vec::new(), false);
        for (index, layer) in layers.iter().enumerate().rev() {
            let Some(directory) = layer.read_directory(Path::new(""))? else { continue };
            hides = directory.opaque;
            parts.push((index, directory));
            if hides {
                break;
            }
        }
        Ok(Self { parts: parts.into(), hides })
    }
}

/// Directories that have been put together before; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct MergedCache(Arc<Mutex<HashMap<PathBuf, Merged>>>);

impl MergedCache {
    pub(super) fn get(&self, layers: &[Layer], path: &Path) -> Result<Option<Merged>, ViewError> {
        if let Some(known) = self.known(path) {
            return Ok(Some(known));
        }
        // Most questions are about a directory next to one that is known; else the way begins at the root. What is not there
        // is not kept: there is no end of it.
        let beside = split(path).and_then(|(parent, _)| Some((parent, self.known(parent)?)));
        let (from, mut current) = match beside {
            Some(beside) => beside,
            None => (Path::new(""), self.root(layers)?),
        };
        let mut at = from.to_owned();
        for name in path.strip_prefix(from).unwrap_or(path) {
            at.push(name);
            current = match self.known(&at) {
                Some(known) => known,
                None => match current.child(layers, &at, name)? {
                    Some(child) => self.keep(&at, child),
                    None => return Ok(None),
                },
            };
        }
        Ok(Some(current))
    }

    fn root(&self, layers: &[Layer]) -> Result<Merged, ViewError> {
        let root = Path::new("");
        match self.known(root) {
            Some(known) => Ok(known),
            None => Ok(self.keep(root, Merged::root(layers)?)),
        }
    }

    fn known(&self, path: &Path) -> Option<Merged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn keep(&self, path: &Path, merged: Merged) -> Merged {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), merged.clone());
        merged
    }
}
