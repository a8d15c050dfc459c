//! Layers that lie on one another, merged to one.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::{Path, PathBuf};

use crate::view::{Identity, Merged, Presence};
use crate::{Entry, EntryKind, Layer, Listing, View, ViewError};

/// What `layers`, the lowest first, say together of what lies below them: of each path what the topmost of them says.
///
/// All removals are kept, because what lies below is not known: [`settle_removals`] takes out those that remove nothing. Nothing is
/// left of what one layer adds and a later one removes but that removal.
///
/// # Errors
/// When a layer cannot be read, or one links to a file below it.
pub fn merge(layers: Vec<Layer>) -> Result<Listing, ViewError> {
    let mut merger = Merger { view: View::new(layers), listing: Listing::new(), links: HashMap::new(), pending: Vec::new() };
    if let Some(root) = merger.view.merged(Path::new(""))? {
        merger.enter(Path::new(""), &root, false);
    }
    while let Some(next) = merger.pending.pop() {
        merger.visit(next)?;
    }
    Ok(merger.listing)
}

/// Whether some removal in a merged listing may remove nothing, so that it has to be settled.
#[must_use]
pub fn has_removals(listing: &[Entry]) -> bool {
    listing.iter().any(|entry| matches!(entry.kind, EntryKind::Whiteout | EntryKind::Directory { opaque: true }))
}

/// Takes the removals out of a merged listing that remove nothing of `below`.
///
/// # Errors
/// When a layer below cannot be read.
pub fn settle_removals(listing: Listing, below: &View) -> Result<Listing, ViewError> {
    let mut settled = Listing::with_capacity(listing.len());
    for mut entry in listing {
        match &mut entry.kind {
            EntryKind::Whiteout if below.lookup(&entry.path)?.is_none() => continue,
            EntryKind::Directory { opaque } if *opaque => {
                let found = below.lookup(&entry.path)?;
                *opaque = found.is_some_and(|found| matches!(found.kind, EntryKind::Directory { .. }));
            }
            _ => {}
        }
        settled.push(entry);
    }
    Ok(settled)
}

/// A name in a directory that is still to be visited.
struct Pending {
    path: PathBuf,
    presence: Presence,
    /// Whether a directory above it hides what lies below all layers.
    is_alone: bool,
}

struct Merger {
    view: View,
    listing: Listing,
    links: HashMap<(usize, Identity), PathBuf>,
    pending: Vec<Pending>,
}

impl Merger {
    /// Puts the names of a directory on the stack, the first one on top.
    fn enter(&mut self, path: &Path, directory: &Merged, is_alone: bool) {
        let mut names = directory.told();
        names.sort_by(|a, b| b.0.cmp(a.0));
        self.pending.extend(names.into_iter().map(|(name, presence)| Pending { path: path.join(name), presence, is_alone }));
    }

    fn visit(&mut self, next: Pending) -> Result<(), ViewError> {
        let Pending { path, presence, is_alone } = next;
        if presence == Presence::Whiteout {
            if !is_alone {
                self.listing.push(Entry::whiteout(path));
            }
            return Ok(());
        }
        let told = self.view.told(&path)?;
        if presence == Presence::Directory {
            let Some(directory) = self.view.merged(&path)? else { return Ok(()) };
            let hides = directory.hides() && !is_alone;
            // One that is only implied has the attributes that it has below.
            let entry = told.map(|told| told.entry).or_else(|| hides.then(|| Entry::directory(&path, Default::default())));
            self.listing.extend(entry.map(|entry| Entry { kind: EntryKind::Directory { opaque: hides }, ..entry }));
            self.enter(&path, &directory, is_alone || hides);
            return Ok(());
        }
        match told {
            Some(told) => self.push(told.entry, told.identity),
            // A name of a file below all of them, which no layer of a build has.
            None => return Err(ViewError::Absent { path }),
        }
        Ok(())
    }

    /// Lists an entry, as a hard link when another name of its file is listed already.
    fn push(&mut self, mut entry: Entry, identity: Option<(usize, Identity)>) {
        if let Some(identity) = identity {
            match self.links.entry(identity) {
                Slot::Occupied(first) => entry.kind = EntryKind::HardLink { target: first.get().clone() },
                Slot::Vacant(slot) => {
                    slot.insert(entry.path.clone());
                }
            }
        }
        self.listing.push(entry);
    }
}

#[cfg(test)]
mod tests;
