//! Where an entry of a snapshot goes: inside the root, whatever links there are on its path.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::SnapshotError;
use super::attributes::has_whiteout_mark;
use super::directories::OpenDirectory;
use super::writer::{Result, SnapshotWriter, errno, system};
use crate::EntryKind;
use crate::path::{Found, Lost, follow, split};

/// Where an entry goes: an open directory, the name in it, and the path of both without links.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: Rc<OpenDirectory>,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn name(&self) -> &Path {
        Path::new(self.path.file_name().unwrap_or_default())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.fd.as_fd()
    }
}

/// What stands at a place of this snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    Directory,
    Whiteout,
    Other,
}

impl SnapshotWriter<'_> {
    /// The place of a path, its parents' links followed and missing parents made.
    pub(super) fn place(&mut self, path: &Path) -> Result<Place> {
        let Some((parent, name)) = split(path) else {
            return Err(SnapshotError::Entry { path: path.to_owned(), problem: "the root can only be a directory" });
        };
        let direct = self.inside(parent);
        if self.directories.is_open(&direct) {
            let directory = self.directories.get(&direct).map_err(system("open", parent))?;
            return Ok(Place { directory, path: direct.join(name) });
        }
        let parent = self.resolve(parent)?;
        let directory = self.make_directories(&parent)?;
        Ok(Place { directory, path: parent.join(name) })
    }

    /// The path without links of a directory that is there or may be made.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf> {
        let resolved = follow(path, true, |path| self.found(&self.inside(path))).map_err(|lost| match lost {
            Lost::Links => SnapshotError::Links { path: path.to_owned() },
            Lost::NotADirectory => SnapshotError::NotADirectory { path: path.to_owned() },
            Lost::Failed(error) => error,
        })?;
        let resolved = self.inside(&resolved);
        match self.found(&resolved)? {
            Found::Other => Err(SnapshotError::NotADirectory { path: path.to_owned() }),
            _ => Ok(resolved),
        }
    }

    pub(super) fn found(&self, path: &Path) -> Result<Found> {
        if path.as_os_str().is_empty() || self.directories.is_open(path) {
            return Ok(Found::Directory);
        }
        // No part of the path is a link: `follow` has looked at each before.
        let file = self.files.join(path);
        match std::fs::symlink_metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.found_below(path),
            Err(error) => Err(system("look at", path)(error)),
            Ok(found) if found.is_dir() => Ok(Found::Directory),
            Ok(found) if found.is_symlink() => {
                std::fs::read_link(&file).map(Found::Symlink).map_err(system("read the link", path))
            }
            Ok(found) if self.is_whiteout(&file, &found).map_err(system("look at", path))? => Ok(Found::Missing),
            Ok(_) => Ok(Found::Other),
        }
    }

    fn is_whiteout(&self, file: &Path, found: &std::fs::Metadata) -> io::Result<bool> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        if found.file_type().is_char_device() {
            return Ok(found.rdev() == 0);
        }
        Ok(found.is_file() && found.len() == 0 && has_whiteout_mark(file, self.snapshot.format().overlay_xattrs)?)
    }

    pub(super) fn standing(&self, place: &Place) -> Result<Standing> {
        let file = self.files.join(&place.path);
        match std::fs::symlink_metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
            Err(error) => Err(system("look at", &place.path)(error)),
            Ok(found) if found.is_dir() => Ok(Standing::Directory),
            Ok(found) if self.is_whiteout(&file, &found).map_err(system("look at", &place.path))? => Ok(Standing::Whiteout),
            Ok(_) => Ok(Standing::Other),
        }
    }

    /// The directory at a path without links, made where it is missing.
    pub(super) fn make_directories(&mut self, path: &Path) -> Result<Rc<OpenDirectory>> {
        match self.directories.get(path) {
            Ok(directory) => return Ok(directory),
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR)) => {}
            Err(error) => return Err(system("open", path)(error)),
        }
        let mut made = PathBuf::new();
        for name in path {
            let directory = self.directories.get(&made).map_err(system("open", &made))?;
            made.push(name);
            let place = Place { directory, path: made.clone() };
            if self.standing(&place)? != Standing::Directory {
                self.imply(&place)?;
            }
        }
        self.directories.get(path).map_err(system("open", path))
    }

    /// Makes a directory that no entry tells of, with the attributes that it has in the layers below.
    fn imply(&mut self, place: &Place) -> Result<()> {
        let opaque = self.make_directory(place)?;
        let below = if opaque { None } else { self.below(&place.path)? };
        let entry = below
            .filter(|entry| matches!(entry.kind, EntryKind::Directory { .. }))
            .unwrap_or_else(|| self.implied_directory(&place.path));
        if self.adding.is_none() {
            self.implied.insert(place.path.clone());
        }
        self.dress_directory(&place.path, &entry, opaque)
    }

    /// Takes away what stands at a place.
    pub(super) fn clear(&mut self, place: &Place) -> Result<()> {
        self.owners.remove(&place.path);
        match rustix::fs::unlinkat(place.fd(), place.name(), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                self.directories.forget(&place.path);
                let below = self.implied.range(place.path.clone()..).take_while(|path| path.starts_with(&place.path));
                for path in below.cloned().collect::<Vec<_>>() {
                    self.implied.remove(&path);
                }
                std::fs::remove_dir_all(self.files.join(&place.path)).map_err(system("remove", &place.path))
            }
            result => result.map_err(errno("remove", &place.path)),
        }
    }
}
