//! Everything below a path, as entries.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::{Path, PathBuf};

use super::{Identity, View, ViewError};
use crate::{EntryKind, Listing};

impl View {
    /// The entry at `path` and all below it, parents first and names in order, with their paths in the image; the root
    /// itself, for the empty path, is left out. No link is followed. Names of one file come as hard links to the first.
    ///
    /// Nothing at `path` is an empty listing.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn walk(&self, path: &Path) -> Result<Listing, ViewError> {
        let mut listing = Listing::new();
        let mut links: HashMap<(usize, Identity), PathBuf> = HashMap::new();
        let mut pending = vec![path.to_owned()];
        while let Some(path) = pending.pop() {
            let Some(found) = self.find(&path)? else { continue };
            let mut entry = found.entry;
            match &mut entry.kind {
                EntryKind::Directory { opaque } => {
                    *opaque = false;
                    pending.extend(self.read_dir(&path)?.into_iter().rev().map(|name| path.join(name)));
                }
                kind => {
                    if let Some(identity) = found.identity {
                        match links.entry(identity) {
                            Slot::Occupied(first) => *kind = EntryKind::HardLink { target: first.get().clone() },
                            Slot::Vacant(slot) => {
                                slot.insert(path.clone());
                            }
                        }
                    }
                }
            }
            if !path.as_os_str().is_empty() {
                listing.push(entry);
            }
        }
        Ok(listing)
    }
}
