//! Further names of files.

use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::SnapshotError;
use super::materialise::fill;
use super::place::{Place, Standing};
use super::writer::{Result, SnapshotWriter, errno, lower_failed};
use crate::{Entry, EntryKind, Layer};

/// A file that takes further names in place of one that can have no more.
#[derive(Debug)]
pub(super) struct FurtherFile {
    path: PathBuf,
    inode: u64,
}

impl SnapshotWriter<'_> {
    pub(super) fn hard_link(&mut self, entry: &Entry, target: &Path) -> Result<()> {
        let no_target = || SnapshotError::LinkTarget { path: entry.path.clone(), target: target.to_owned() };
        if target.as_os_str().is_empty() {
            return Err(no_target());
        }
        let mut from = self.place(target)?;
        if matches!(self.standing(&from)?, Standing::Nothing) {
            let found = self.below(&from.path)?.ok_or_else(no_target)?;
            // Nothing on the way is a link any more.
            let path = self.outside(&from.path).to_owned();
            self.copy_up(&Entry { path, ..found }).map_err(|error| match error {
                SnapshotError::Entry { .. } => no_target(),
                error => error,
            })?;
            from = self.place(target)?;
        }
        if !matches!(self.standing(&from)?, Standing::Other) {
            return Err(no_target());
        }
        let place = self.place(&entry.path)?;
        if place.path == from.path {
            return Ok(());
        }
        let link = || rustix::fs::linkat(from.fd(), from.name(), place.fd(), place.name(), AtFlags::empty());
        let linked = match link() {
            Err(Errno::EXIST) => {
                self.clear(&place)?;
                link()
            }
            result => result,
        };
        match linked {
            Ok(()) => {}
            Err(Errno::MLINK) => self.link_to_copy(entry, &from, &place)?,
            Err(_) => return Err(no_target()),
        }
        if let Some(recorded) = self.owners.get(&from.path).cloned() {
            self.owners.insert(place.path, recorded);
        }
        Ok(())
    }

    /// A file system allows a file so many names, ext4 65,000 and others fewer: beyond that, the names are those of a copy.
    fn link_to_copy(&mut self, entry: &Entry, from: &Place, place: &Place) -> Result<()> {
        let inode = inode(from)?;
        if let Some(further) = self.further.get(&inode) {
            let path = further.path.clone();
            let at = path.parent().unwrap_or(Path::new(""));
            let copy = Place { directory: self.make_directories(at)?, path };
            // Another entry may have taken its place.
            let is_same = self.standing(&copy)? == Standing::Other && self::inode(&copy)? == self.further[&inode].inode;
            let link = || rustix::fs::linkat(copy.fd(), copy.name(), place.fd(), place.name(), AtFlags::empty());
            if is_same && link().is_ok() {
                return Ok(());
            }
        }
        let original = Layer::directory(&self.snapshot).and_then(|layer| layer.entry(&from.path));
        let original = original.map_err(|source| lower_failed(&from.path, source))?.map(|(original, _)| original);
        self.copy_up(&Entry { path: entry.path.clone(), ..original.unwrap_or_else(|| entry.clone()) })?;
        self.further.insert(inode, FurtherFile { path: place.path.clone(), inode: self::inode(place)? });
        Ok(())
    }

    /// Brings a file that stands elsewhere to the entry's place.
    fn copy_up(&mut self, entry: &Entry) -> Result<()> {
        match &entry.kind {
            EntryKind::File { size, content } => self.file(entry, |file| fill(file, entry, *size, content)),
            EntryKind::Directory { .. } => Err(SnapshotError::Entry { path: entry.path.clone(), problem: "it is a directory" }),
            _ => self.put(entry),
        }
    }
}

fn inode(place: &Place) -> Result<u64> {
    let found = rustix::fs::statat(place.fd(), place.name(), AtFlags::SYMLINK_NOFOLLOW);
    Ok(found.map_err(errno("look at", &place.path))?.st_ino)
}
