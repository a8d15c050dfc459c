//! Everything below a path, as entries.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use super::{Identity, View, ViewError};
use crate::{Entry, EntryKind};

/// An object of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// What it is, with its path in the image. It is never a hard link.
    pub entry: Entry,
    /// A number that is the same for all names of one file. Files with one name have none.
    pub file: Option<u64>,
}

/// The entry at a path and all below it, parents first and names in order. No link is followed.
#[derive(Debug)]
pub struct Walk<'v> {
    view: &'v View,
    start: Option<PathBuf>,
    /// The directories on the way, and the names that come next.
    open: Vec<(PathBuf, IntoIter<OsString>)>,
    files: HashMap<(usize, Identity), u64>,
}

impl View {
    /// The entry at `path` and all below it, parents first and names in order; nothing when there is none. The root has an
    /// entry of its own, with an empty path. No link is followed.
    #[must_use]
    pub fn walk(&self, path: &Path) -> Walk<'_> {
        Walk { view: self, start: Some(path.to_owned()), open: Vec::new(), files: HashMap::new() }
    }

    /// All of the image but for the root itself, as a layer would have it: later names of a file are hard links to the first.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, ViewError>> + '_ {
        let mut first_names: HashMap<u64, PathBuf> = HashMap::new();
        let below_root =
            self.walk(Path::new("")).filter(|walked| !matches!(walked, Ok(root) if root.entry.path.as_os_str().is_empty()));
        below_root.map(move |walked| {
            let Walked { mut entry, file } = walked?;
            if let Some(file) = file {
                match first_names.get(&file) {
                    Some(first) => entry.kind = EntryKind::HardLink { target: first.clone() },
                    None => drop(first_names.insert(file, entry.path.clone())),
                }
            }
            Ok(entry)
        })
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Walked, ViewError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(path) = self.next_path() {
            match self.visit(&path) {
                Ok(None) => {}
                Ok(Some(walked)) => return Some(Ok(walked)),
                Err(error) => {
                    self.open.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Walk<'_> {
    /// Leaves out what is below the directory that came last.
    pub fn leave(&mut self) {
        self.open.pop();
    }

    fn next_path(&mut self) -> Option<PathBuf> {
        if let Some(start) = self.start.take() {
            return Some(start);
        }
        loop {
            let (path, names) = self.open.last_mut()?;
            match names.next() {
                Some(name) => return Some(path.join(name)),
                None => drop(self.open.pop()),
            }
        }
    }

    fn visit(&mut self, path: &Path) -> Result<Option<Walked>, ViewError> {
        let Some(found) = self.view.find(path)? else { return Ok(None) };
        let mut entry = found.entry;
        if let EntryKind::Directory { opaque } = &mut entry.kind {
            *opaque = false;
            self.open.push((path.to_owned(), self.view.read_dir(path)?.into_iter()));
            return Ok(Some(Walked { entry, file: None }));
        }
        let next = self.files.len() as u64;
        let file = found.identity.map(|identity| *self.files.entry(identity).or_insert(next));
        Ok(Some(Walked { entry, file }))
    }
}
