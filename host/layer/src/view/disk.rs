//! A layer in a directory of the overlay's form.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::ViewError;
use super::layer::{Identity, Presence};
use super::names::LayerDirectory;
use crate::snapshot::{has_whiteout_mark, opaque_mark, read_xattrs};
use crate::{Content, Entry, EntryKind, Owners, Ownership, RecordedDevice, Snapshot, Timestamp, beneath};

/// An open layer directory.
#[derive(Debug)]
pub(crate) struct DiskLayer {
    snapshot: Snapshot,
    files: PathBuf,
    root: OwnedFd,
    owners: Owners,
    directories: Mutex<HashMap<PathBuf, Option<Arc<LayerDirectory>>>>,
}

impl DiskLayer {
    pub(crate) fn open(snapshot: &Snapshot) -> Result<Self, ViewError> {
        let files = snapshot.files();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(&files, flags, rustix::fs::Mode::empty()).map_err(|error| ViewError::System {
            action: "open the layer",
            path: files.clone(),
            source: error.into(),
        })?;
        let owners = snapshot.owners().map_err(|source| ViewError::Snapshot { source })?;
        Ok(Self { snapshot: snapshot.clone(), files, root, owners, directories: Mutex::default() })
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn read_directory(&self, path: &Path) -> Result<Option<Arc<LayerDirectory>>, ViewError> {
        if let Some(known) = self.directories.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(known.clone());
        }
        let read = self.read_directory_once(path)?;
        self.directories.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), read.clone());
        Ok(read)
    }

    /// The same without a memory of it.
    pub(crate) fn read_directory_once(&self, path: &Path) -> Result<Option<Arc<LayerDirectory>>, ViewError> {
        Ok(self.read_directory_anew(path).map_err(failed("read the directory", path))?.map(Arc::new))
    }

    fn read_directory_anew(&self, path: &Path) -> io::Result<Option<LayerDirectory>> {
        let directory = match beneath::open(&self.root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(directory) => directory,
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let mark = opaque_mark(&self.files.join(path), self.snapshot.format().overlay_xattrs)?;
        let mut result = LayerDirectory { opaque: mark == Some(b'y'), ..LayerDirectory::default() };
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let name = OsStr::from_bytes(name);
            if let Some(presence) = self.presence(&directory, path, name, entry.file_type(), mark.is_some())? {
                result.names.insert(name, presence);
            }
        }
        Ok(Some(result.sorted()))
    }

    /// What a name stands for. Sockets are left out: no layer can hold them.
    fn presence(
        &self,
        directory: &OwnedFd,
        path: &Path,
        name: &OsStr,
        kind: FileType,
        marked: bool,
    ) -> io::Result<Option<Presence>> {
        let kind = match kind {
            FileType::Unknown => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        Ok(match kind {
            FileType::Directory => Some(Presence::Directory),
            FileType::Socket => None,
            FileType::CharacterDevice => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                Some(if stat.st_rdev == 0 { Presence::Whiteout } else { Presence::Other })
            }
            FileType::RegularFile if marked => {
                let file = self.files.join(path).join(name);
                let whiteout = has_whiteout_mark(&file, self.snapshot.format().overlay_xattrs)?;
                Some(if whiteout { Presence::Whiteout } else { Presence::Other })
            }
            _ => Some(Presence::Other),
        })
    }

    pub(crate) fn entry(&self, path: &Path) -> Result<Option<(Entry, Option<Identity>)>, ViewError> {
        self.entry_on_disk(path).map_err(failed("read", path))
    }

    fn entry_on_disk(&self, path: &Path) -> io::Result<Option<(Entry, Option<Identity>)>> {
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let stat = match rustix::fs::statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let file = self.files.join(path);
        let Some(kind) = self.kind(&stat, path, &file)? else { return Ok(None) };
        let mut entry = Entry {
            path: path.to_owned(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified: Timestamp { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) },
            xattrs: read_xattrs(&file)?,
        };
        self.apply_record(&mut entry);
        let shared = stat.st_nlink > 1 && !matches!(entry.kind, EntryKind::Directory { .. });
        Ok(Some((entry, shared.then_some(Identity::Inode(stat.st_dev, stat.st_ino)))))
    }

    fn kind(&self, stat: &Stat, path: &Path, file: &Path) -> io::Result<Option<EntryKind>> {
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let opaque = opaque_mark(file, self.snapshot.format().overlay_xattrs)? == Some(b'y');
                EntryKind::Directory { opaque }
            }
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                EntryKind::File { size, content: Content::File(Arc::from(file)) }
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.root, path, Vec::new())?;
                EntryKind::Symlink { target: PathBuf::from(OsString::from_vec(target.into_bytes())) }
            }
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharacterDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Socket | FileType::Unknown => return Ok(None),
        }))
    }

    /// Puts what is recorded beside the files in place of what is on disk.
    fn apply_record(&self, entry: &mut Entry) {
        if self.snapshot.format().ownership == Ownership::Recorded {
            (entry.uid, entry.gid) = (0, 0);
        }
        let Some(recorded) = self.owners.get(&entry.path) else { return };
        (entry.uid, entry.gid, entry.mode) = (recorded.uid, recorded.gid, recorded.mode);
        match recorded.device {
            Some(RecordedDevice::Character { major, minor }) => entry.kind = EntryKind::CharacterDevice { major, minor },
            Some(RecordedDevice::Block { major, minor }) => entry.kind = EntryKind::BlockDevice { major, minor },
            None => {}
        }
        for (name, value) in &recorded.xattrs {
            entry.xattrs.retain(|(known, _)| known != name);
            entry.xattrs.push((name.clone(), value.clone()));
        }
        entry.xattrs.sort();
    }
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> ViewError + 'p {
    move |source| ViewError::System { action, path: path.to_owned(), source }
}
