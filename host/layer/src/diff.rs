//! What a RUN has changed, read off the overlay's upper directory.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::text::shown;
use crate::view::{Identity, Merged, Presence};
use crate::{Content, Entry, EntryKind, Layer, Listing, Snapshot, View, ViewError};

/// Why the changes of a step could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The upper directory or the layers below cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A file could not be compared with the one below it.
    #[error("cannot compare {} with the file below it", shown(.path))]
    Compare {
        /// The path in the image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the upper directory changes in the layers below.
///
/// As containerd's and BuildKit's differs do: what the overlay has merely copied up, its attributes, time and content as
/// they were, is left out; a directory counts as changed by its attributes alone, and comes along when something below it
/// has changed; the root itself and sockets are left out. Directories that were made anew over others are `opaque`.
///
/// The paths in `ignore` are those that a mount needed: files among them are left out, directories unless there is
/// something else below them.
///
/// # Errors
/// When the upper directory or the layers below cannot be read.
pub fn diff(upper: &Snapshot, lower: &View, ignore: &[PathBuf]) -> Result<Listing, DiffError> {
    let upper = Layer::directory(upper)?;
    let mut differ = Differ { upper, lower, ignore, listing: Listing::new(), links: HashMap::new() };
    let root = lower.merged(Path::new(""))?;
    let mut open = vec![differ.open(PathBuf::new(), root)?];
    while let Some(directory) = open.last_mut() {
        let Some(name) = directory.names.pop() else {
            differ.close(open.pop());
            continue;
        };
        let path = directory.path.join(&name.0);
        let below = directory.lower.as_ref().and_then(|lower| lower.topmost(&name.0));
        if let Some(child) = differ.visit(path, name.1, below)? {
            open.push(child);
        }
    }
    Ok(differ.listing)
}

/// A directory of the upper layer that is being read.
struct OpenDirectory {
    path: PathBuf,
    /// The names that are still to come, the next one last.
    names: Vec<(OsString, Presence)>,
    /// The same directory below, unless it is hidden.
    lower: Option<Merged>,
    /// Where it stands in the listing if nothing below it has changed and it has not either.
    unchanged: Option<usize>,
}

struct Differ<'l> {
    upper: Layer,
    lower: &'l View,
    ignore: &'l [PathBuf],
    listing: Listing,
    links: HashMap<Identity, PathBuf>,
}

impl Differ<'_> {
    fn open(&self, path: PathBuf, lower: Option<Merged>) -> Result<OpenDirectory, DiffError> {
        let mut names: Vec<_> = match self.upper.read_directory(&path)? {
            Some(directory) => directory.iter().map(|(name, presence)| (name.clone(), presence)).collect(),
            None => Vec::new(),
        };
        names.sort_by(|a, b| b.0.cmp(&a.0));
        Ok(OpenDirectory { path, names, lower, unchanged: None })
    }

    /// Takes an unchanged directory back out when nothing was listed after it.
    fn close(&mut self, directory: Option<OpenDirectory>) {
        if let Some(place) = directory.and_then(|directory| directory.unchanged)
            && self.listing.len() == place + 1
        {
            self.listing.pop();
        }
    }

    /// Lists what has changed under a name; a directory is returned to be read next.
    fn visit(&mut self, path: PathBuf, presence: Presence, below: Option<Presence>) -> Result<Option<OpenDirectory>, DiffError> {
        if presence == Presence::Whiteout {
            if below.is_some() && !self.ignored(&path) {
                self.listing.push(Entry::whiteout(path));
            }
            return Ok(None);
        }
        let Some((mut entry, identity)) = self.upper.entry(&path)? else { return Ok(None) };
        let before = if below.is_some() { self.lower.lookup(&path)? } else { None };
        if let EntryKind::Directory { opaque } = &mut entry.kind {
            let hides = *opaque && below == Some(Presence::Directory);
            *opaque = hides;
            let merges = below == Some(Presence::Directory) && !hides;
            return self.visit_directory(entry, merges, before).map(Some);
        }
        if self.ignored(&path) {
            return Ok(None);
        }
        if let Some(before) = before
            && same(&before, &entry).map_err(|source| DiffError::Compare { path, source })?
        {
            return Ok(None);
        }
        self.push(entry, identity);
        Ok(None)
    }

    fn visit_directory(&mut self, entry: Entry, merges: bool, before: Option<Entry>) -> Result<OpenDirectory, DiffError> {
        let path = entry.path.clone();
        let lower = if merges { self.lower.merged(&path)? } else { None };
        let unchanged = self.ignored(&path) || merges && before.is_some_and(|before| same_attributes(&before, &entry));
        let mut directory = self.open(path, lower)?;
        directory.unchanged = unchanged.then_some(self.listing.len());
        self.listing.push(entry);
        Ok(directory)
    }

    /// Lists an entry, as a hard link when another name of its file is listed already.
    fn push(&mut self, mut entry: Entry, identity: Option<Identity>) {
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

    fn ignored(&self, path: &Path) -> bool {
        self.ignore.iter().any(|ignored| ignored == path)
    }
}

fn same_attributes(before: &Entry, after: &Entry) -> bool {
    let kinds = matches!(
        (&before.kind, &after.kind),
        (EntryKind::Directory { .. }, EntryKind::Directory { .. }) | (EntryKind::File { .. }, EntryKind::File { .. })
    ) || before.kind == after.kind;
    let modes = before.mode == after.mode || matches!(after.kind, EntryKind::Symlink { .. });
    kinds && modes && (before.uid, before.gid) == (after.uid, after.gid) && before.xattrs == after.xattrs
}

/// Whether an entry that is no directory is what it was before. A time without nanoseconds may have come from an archive,
/// where two versions of a file have the same one: then the content decides.
fn same(before: &Entry, after: &Entry) -> io::Result<bool> {
    if !same_attributes(before, after) || before.modified.seconds != after.modified.seconds {
        return Ok(false);
    }
    let (nanoseconds, other) = (before.modified.nanoseconds, after.modified.nanoseconds);
    if nanoseconds != other && nanoseconds != 0 && other != 0 {
        return Ok(false);
    }
    let (EntryKind::File { size, content }, EntryKind::File { size: new_size, content: new_content }) =
        (&before.kind, &after.kind)
    else {
        return Ok(true);
    };
    if size != new_size {
        return Ok(false);
    }
    if nanoseconds == other && nanoseconds != 0 {
        return Ok(true);
    }
    same_content(content, new_content, *size)
}

fn same_content(before: &Content, after: &Content, size: u64) -> io::Result<bool> {
    let (Some(mut before), Some(mut after)) = (open(before, size)?, open(after, size)?) else { return Ok(false) };
    let (mut old, mut new) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).map_or(old.len(), |left| left.min(old.len()));
        before.read_exact(&mut old[..part])?;
        after.read_exact(&mut new[..part])?;
        if old[..part] != new[..part] {
            return Ok(false);
        }
        left -= part as u64;
    }
    Ok(true)
}

/// A reader of a content, or nothing when it is not on this machine.
fn open(content: &Content, size: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
    Ok(match content {
        Content::File(path) => Some(Box::new(crate::blob::open_content(path, size).map_err(io::Error::from)?)),
        Content::Inline(bytes) => Some(Box::new(&bytes[..])),
        Content::Absent => None,
    })
}

#[cfg(test)]
mod tests;
