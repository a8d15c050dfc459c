//! A directory as it is in all layers together.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::ViewError;
use super::layer::{Layer, LayerDirectory, Presence};
use crate::path::split;

/// The parts that layers have in one directory, the topmost first.
#[derive(Debug, Clone)]
pub(crate) struct Merged(Arc<[(usize, Arc<LayerDirectory>)]>);

impl Merged {
    /// What the topmost layer that knows the name has, unless that removes it.
    pub(crate) fn topmost(&self, name: &OsStr) -> Option<Presence> {
        self.all_of(name).next().map(|(_, presence)| presence).filter(|presence| *presence != Presence::Whiteout)
    }

    /// What the layers have under a name, the topmost first, with the layers' numbers.
    pub(crate) fn all_of<'n>(&'n self, name: &'n OsStr) -> impl Iterator<Item = (usize, Presence)> + 'n {
        self.0.iter().filter_map(move |(index, directory)| Some((*index, directory.get(name)?)))
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Vec<OsString> {
        let mut names: BTreeMap<&OsString, Presence> = BTreeMap::new();
        for (_, directory) in &*self.0 {
            for (name, presence) in directory.iter() {
                names.entry(name).or_insert(presence);
            }
        }
        names.into_iter().filter(|(_, presence)| *presence != Presence::Whiteout).map(|(name, _)| name.clone()).collect()
    }

    /// The directory under a name.
    fn child(&self, layers: &[Layer], path: &Path, name: &OsStr) -> Result<Option<Self>, ViewError> {
        let mut parts = Vec::new();
        for (index, presence) in self.all_of(name) {
            if presence != Presence::Directory {
                break;
            }
            let Some(directory) = layers[index].read_directory(path)? else { break };
            let opaque = directory.opaque;
            parts.push((index, directory));
            if opaque {
                break;
            }
        }
        Ok((!parts.is_empty()).then(|| Self(parts.into())))
    }

    fn root(layers: &[Layer]) -> Result<Self, ViewError> {
        let mut parts = Vec::new();
        for (index, layer) in layers.iter().enumerate().rev() {
            let Some(directory) = layer.read_directory(Path::new(""))? else { continue };
            let opaque = directory.opaque;
            parts.push((index, directory));
            if opaque {
                break;
            }
        }
        Ok(Self(parts.into()))
    }
}

/// Directories that have been put together before; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct MergedCache(Arc<Mutex<HashMap<PathBuf, Option<Merged>>>>);

impl MergedCache {
    pub(super) fn get(&self, layers: &[Layer], path: &Path) -> Result<Option<Merged>, ViewError> {
        // From the nearest ancestor that is known, downwards.
        let mut missing: Vec<(&Path, &OsStr)> = Vec::new();
        let mut at = path;
        let mut current = loop {
            if let Some(known) = self.known(at) {
                break known;
            }
            match split(at) {
                Some((parent, name)) => {
                    missing.push((at, name));
                    at = parent;
                }
                None => break self.keep(at, Some(Merged::root(layers)?)),
            }
        };
        while let Some((path, name)) = missing.pop() {
            let Some(parent) = current else { return Ok(None) };
            current = self.keep(path, parent.child(layers, path, name)?);
        }
        Ok(current)
    }

    fn known(&self, path: &Path) -> Option<Option<Merged>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn keep(&self, path: &Path, merged: Option<Merged>) -> Option<Merged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), merged.clone());
        merged
    }
}
