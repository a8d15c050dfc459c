//! Adding an archive to what an image has: names are kept below one place of it, and links of the layers below count.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode};

use super::attributes::opaque_mark;
use super::directories::times;
use super::writer::{Result, SnapshotWriter, errno, lower_failed, system, whole_record};
use super::{Recorded, Snapshot};
use crate::path::Found;
use crate::{Entry, EntryKind, Timestamp, View};

/// How an archive is added.
#[derive(Debug)]
pub(super) struct Adding {
    /// The root for the archive's names and links, as a path of the image.
    root: PathBuf,
    /// What directories have that it only implies.
    modified: Timestamp,
}

impl<'l> SnapshotWriter<'l> {
    /// Adds an archive to `snapshot` at the place `root` of an image that has `lower` below the snapshot.
    pub(crate) fn adding(snapshot: &Snapshot, lower: Option<&'l View>, root: &Path) -> Result<Self> {
        let adding = Adding { root: root.to_owned(), modified: Timestamp::default() };
        Ok(Self { adding: Some(adding), ..Self::new(snapshot, lower)? })
    }

    /// Sets the time of directories that the next entry implies.
    pub(crate) fn implies(&mut self, modified: Timestamp) {
        if let Some(adding) = &mut self.adding {
            adding.modified = modified;
        }
    }

    /// A directory that neither an entry nor a layer below tells of. It is root's.
    pub(super) fn implied_directory(&self, path: &Path) -> Entry {
        Entry::directory(path, self.adding.as_ref().map(|adding| adding.modified).unwrap_or_default())
    }

    /// The path of the image for a clean path of the archive.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        match &self.adding {
            Some(adding) if path.as_os_str().is_empty() => adding.root.clone(),
            Some(adding) => adding.root.join(path),
            None => path.to_owned(),
        }
    }

    /// The way back: the path of the archive for a path without links.
    pub(super) fn outside<'p>(&self, path: &'p Path) -> &'p Path {
        self.adding.as_ref().and_then(|adding| path.strip_prefix(&adding.root).ok()).unwrap_or(path)
    }

    /// What the layers below have where this snapshot has nothing. A layer that is unpacked by itself does not know.
    pub(super) fn found_below(&self, path: &Path) -> Result<Found> {
        let (Some(lower), Some(_)) = (self.lower, &self.adding) else { return Ok(Found::Missing) };
        match lower.found(path).map_err(|source| lower_failed(path, source))? {
            Found::Missing => Ok(Found::Missing),
            // Most paths are not there, so whether it shows is asked second.
            found => Ok(if self.shows_below(path)? { found } else { Found::Missing }),
        }
    }

    /// The entry that the layers below have at a path, unless a directory of this snapshot hides it.
    pub(super) fn below(&self, path: &Path) -> Result<Option<Entry>> {
        let Some(lower) = self.lower else { return Ok(None) };
        let below = lower.lookup(path).map_err(|source| lower_failed(path, source))?;
        Ok(if below.is_some() && self.shows_below(path)? { below } else { None })
    }

    /// Whether a new directory at a path hides another one below. It does where that is not known.
    pub(super) fn hides_directory(&self, path: &Path) -> Result<bool> {
        let Some(lower) = self.lower else { return Ok(true) };
        let below = lower.found(path).map_err(|source| lower_failed(path, source))?;
        Ok(below == Found::Directory && self.shows_below(path)?)
    }

    /// Whether no directory above a path hides what lies below.
    fn shows_below(&self, path: &Path) -> Result<bool> {
        for directory in path.ancestors().skip(1) {
            let mark = opaque_mark(&self.files.join(directory), self.snapshot.format().overlay_xattrs);
            match mark {
                Ok(Some(b'y')) => return Ok(false),
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(system("look at", directory)(error)),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Gives a file what the entry of a further name tells of it: it then holds for all its names.
    pub(crate) fn dress_link(&mut self, entry: &Entry) -> Result<()> {
        let place = self.place(&entry.path)?;
        let found =
            rustix::fs::statat(place.fd(), place.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(errno("look at", &place.path))?;
        let owned = (found.st_uid, found.st_gid) == (entry.uid, entry.gid);
        let (fd, name) = (place.fd(), place.name());
        // Changing the owner, even to the same, takes a file's capabilities away.
        self.own(entry, &place.path, |uid, gid| match owned {
            true => Ok(()),
            false => rustix::fs::chownat(fd, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW),
        })?;
        let is_link = rustix::fs::FileType::from_raw_mode(found.st_mode).is_symlink();
        if !is_link {
            let mode = Mode::from_raw_mode(self.mode_on_disk(entry, 0o600));
            rustix::fs::chmodat(fd, name, mode, AtFlags::empty()).map_err(errno("set the mode of", &place.path))?;
        }
        rustix::fs::utimensat(fd, name, &times(entry.modified), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(errno("set the time of", &place.path))?;
        let kind = if is_link { EntryKind::Symlink { target: PathBuf::new() } } else { entry.kind.clone() };
        let told = Entry { kind, ..entry.clone() };
        let mut names = vec![place];
        if let EntryKind::HardLink { target } = &entry.kind {
            names.push(self.place(target)?);
        }
        for name in names {
            let Recorded { device, xattrs, .. } = self.owners.get(&name.path).cloned().unwrap_or_default();
            self.record(&name, &told, Recorded { device, xattrs, ..whole_record(entry) });
        }
        Ok(())
    }
}
