//! What a RUN has changed, read off the overlay's upper directory.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::text::shown;
use crate::view::{Identity, LayerDirectory, Merged, Presence};
use crate::{Content, Entry, EntryKind, Layer, Snapshot, View, ViewError};

/// Why the changes of a step could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The upper directory or the layers below cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Entries that are made while they are asked for could not be made.
    #[error(transparent)]
    Made(Box<dyn std::error::Error + Send + Sync>),
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
pub fn diff(upper: &Snapshot, lower: &View, ignore: &[PathBuf]) -> Result<Changes, DiffError> {
    Changes::begin(upper, lower, ignore.to_vec(), true)
}

/// All that stands in a snapshot on top of the layers below, whether it is the same there or not.
///
/// # Errors
/// When the snapshot or the layers below cannot be read.
pub fn contents(snapshot: &Snapshot, lower: &View) -> Result<Changes, DiffError> {
    Changes::begin(snapshot, lower, Vec::new(), false)
}

/// The entries of a layer in the order of their paths, read off its directory one after the other: memory grows with the
/// largest directory alone.
#[derive(Debug)]
pub struct Changes {
    upper: Layer,
    lower: View,
    ignore: Vec<PathBuf>,
    /// Whether what is the same below is left out.
    compares: bool,
    /// The directories on the way, the root first.
    open: Vec<OpenDirectory>,
    /// What has been read and not been asked for.
    ready: VecDeque<Entry>,
    first_names: FirstNames,
}

/// The first name of each file that has several, in little memory: there may be a million of them.
#[derive(Debug, Default)]
struct FirstNames {
    /// Where a name begins, by the file's inode: all of a snapshot lies in one file system.
    places: HashMap<u64, usize>,
    /// The names, each with a zero byte after it.
    names: Vec<u8>,
}

impl FirstNames {
    /// The first name of a file, when `path` is not that.
    fn before(&mut self, inode: u64, path: &Path) -> Option<PathBuf> {
        match self.places.entry(inode) {
            Slot::Occupied(place) => {
                let name = self.names[*place.get()..].split(|&byte| byte == 0).next().unwrap_or_default();
                Some(PathBuf::from(OsStr::from_bytes(name)))
            }
            Slot::Vacant(place) => {
                place.insert(self.names.len());
                self.names.extend_from_slice(path.as_os_str().as_bytes());
                self.names.push(0);
                None
            }
        }
    }
}

/// A directory of the upper layer that is being read.
#[derive(Debug)]
struct OpenDirectory {
    path: PathBuf,
    names: Option<Arc<LayerDirectory>>,
    /// The number of the name that comes next.
    next: usize,
    /// The same directory below, unless it is hidden.
    lower: Option<Merged>,
    /// Itself, while neither it nor anything below it has changed.
    unchanged: Option<Entry>,
}

impl Iterator for Changes {
    type Item = Result<Entry, DiffError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(()) => self.ready.pop_front().map(Ok),
            Err(error) => {
                self.open.clear();
                Some(Err(error))
            }
        }
    }
}

impl Changes {
    fn begin(upper: &Snapshot, lower: &View, ignore: Vec<PathBuf>, compares: bool) -> Result<Self, DiffError> {
        let upper = Layer::directory(upper)?;
        let (open, ready) = (Vec::new(), VecDeque::new());
        let mut changes = Self { upper, lower: lower.clone(), ignore, compares, open, ready, first_names: FirstNames::default() };
        let root = changes.lower.merged(Path::new(""))?;
        let root = changes.opened(PathBuf::new(), root)?;
        changes.open.push(root);
        Ok(changes)
    }

    /// Whether there is nothing more.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn is_empty(&mut self) -> Result<bool, DiffError> {
        self.advance()?;
        Ok(self.ready.is_empty())
    }

    /// Reads until something is ready, or to the end.
    fn advance(&mut self) -> Result<(), DiffError> {
        while self.ready.is_empty() {
            let Some(directory) = self.open.last_mut() else { return Ok(()) };
            let Some((name, presence)) = directory.names.as_ref().and_then(|names| names.names.at(directory.next)) else {
                self.open.pop();
                continue;
            };
            directory.next += 1;
            let path = directory.path.join(name);
            let below = directory.lower.as_ref().and_then(|lower| lower.topmost(name));
            if let Some(child) = self.visit(path, presence, below)? {
                self.open.push(child);
            }
        }
        Ok(())
    }

    fn opened(&self, path: PathBuf, lower: Option<Merged>) -> Result<OpenDirectory, DiffError> {
        let names = self.upper.read_directory_once(&path)?;
        Ok(OpenDirectory { path, names, next: 0, lower, unchanged: None })
    }

    /// Lists what has changed under a name; a directory is returned to be read next.
    fn visit(&mut self, path: PathBuf, presence: Presence, below: Option<Presence>) -> Result<Option<OpenDirectory>, DiffError> {
        if presence == Presence::Whiteout {
            if below.is_some() && !self.ignored(&path) {
                self.list(Entry::whiteout(path));
            }
            return Ok(None);
        }
        let Some((mut entry, identity)) = self.upper.entry(&path)? else { return Ok(None) };
        let before = if self.compares && below.is_some() { self.lower.lookup(&path)? } else { None };
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
        self.list_file(entry, identity);
        Ok(None)
    }

    fn visit_directory(&mut self, entry: Entry, merges: bool, before: Option<Entry>) -> Result<OpenDirectory, DiffError> {
        let path = entry.path.clone();
        let lower = if merges { self.lower.merged(&path)? } else { None };
        let unchanged = self.ignored(&path) || merges && before.is_some_and(|before| same_attributes(&before, &entry));
        let mut directory = self.opened(path, lower)?;
        if unchanged {
            directory.unchanged = Some(entry);
        } else {
            self.list(entry);
        }
        Ok(directory)
    }

    /// Lists an entry, as a hard link when another name of its file is listed already.
    fn list_file(&mut self, mut entry: Entry, identity: Option<Identity>) {
        if let Some(Identity::Inode(_, inode)) = identity
            && let Some(target) = self.first_names.before(inode, &entry.path)
        {
            entry.kind = EntryKind::HardLink { target };
        }
        self.list(entry);
    }

    /// Lists an entry after the directories on the way to it.
    fn list(&mut self, entry: Entry) {
        self.ready.extend(self.open.iter_mut().filter_map(|directory| directory.unchanged.take()));
        self.ready.push_back(entry);
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

/// Whether two contents of `size` bytes are the same. One that is not on this machine is not the same as any.
///
/// # Errors
/// When one cannot be read, or is shorter.
pub fn same_content(before: &Content, after: &Content, size: u64) -> io::Result<bool> {
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
