//! Writes entries into a snapshot, inside its root whatever their names and the links among them are.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::adding::Adding;
use super::attributes::{OWNER_MARK, is_mark, is_refusal, opaque_mark, set, set_at, unset};
use super::directories::{Directories, set_times, times};
use super::links::FurtherFile;
use super::place::{Place, Standing};
use super::{Owners, Ownership, Recorded, RecordedDevice, Snapshot, SnapshotError};
use crate::{Entry, EntryKind, View};

/// A snapshot being written.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<'l> {
    pub(super) snapshot: Snapshot,
    pub(super) files: PathBuf,
    pub(super) lower: Option<&'l View>,
    pub(super) directories: Directories,
    pub(super) owners: Owners,
    /// Directories that had to be made without an entry.
    pub(super) implied: BTreeSet<PathBuf>,
    /// How an archive is added, when it is no layer that is written.
    pub(super) adding: Option<Adding>,
    /// What goes on where a file can have no more names, by that file's inode.
    pub(super) further: HashMap<u64, FurtherFile>,
}

pub(super) type Result<T> = std::result::Result<T, SnapshotError>;

pub(super) fn system(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |source| SnapshotError::System { action, path, source }
}

pub(super) fn errno(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> SnapshotError {
    let failed = system(action, path);
    move |error| failed(error.into())
}

impl<'l> SnapshotWriter<'l> {
    /// Writes into `snapshot`; `lower` is what lies below it.
    pub(crate) fn new(snapshot: &Snapshot, lower: Option<&'l View>) -> Result<Self> {
        let files = snapshot.files();
        let directories = Directories::new(&files).map_err(system("open", &files))?;
        let owners = snapshot.owners()?;
        let (implied, further) = (BTreeSet::new(), HashMap::new());
        Ok(Self { snapshot: snapshot.clone(), files, lower, directories, owners, implied, adding: None, further })
    }

    /// Gives directories their times and saves what is recorded beside the files.
    pub(crate) fn finish(mut self) -> Result<Vec<PathBuf>> {
        let files = self.files.clone();
        self.directories.close().map_err(system("set the times of directories in", &files))?;
        self.snapshot.save_owners(&self.owners)?;
        Ok(self.implied.into_iter().collect())
    }

    /// Writes a directory, link, device, pipe or removal; files come by [`Self::file`].
    pub(crate) fn put(&mut self, entry: &Entry) -> Result<()> {
        match &entry.kind {
            EntryKind::Directory { opaque } => self.directory(entry, *opaque),
            EntryKind::File { .. } => Err(SnapshotError::Entry { path: entry.path.clone(), problem: "its content is missing" }),
            EntryKind::Symlink { target } => self.symlink(entry, target),
            EntryKind::HardLink { target } => self.hard_link(entry, target),
            EntryKind::Fifo => self.node(entry, FileType::Fifo, (0, 0)),
            EntryKind::CharacterDevice { major: 0, minor: 0 } => Err(SnapshotError::Entry {
                path: entry.path.clone(),
                problem: "the character device 0:0 means a removal to the overlay file system",
            }),
            EntryKind::CharacterDevice { major, minor } => self.node(entry, FileType::CharacterDevice, (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => self.node(entry, FileType::BlockDevice, (*major, *minor)),
            EntryKind::Whiteout => self.whiteout(&entry.path),
        }
    }

    /// Writes a regular file whose content `fill` provides.
    pub(crate) fn file<E: From<SnapshotError>>(
        &mut self,
        entry: &Entry,
        fill: impl FnOnce(&mut File) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let place = self.place(&entry.path)?;
        let mut file = self.create(&place, entry)?;
        fill(&mut file)?;
        Ok(self.finish_file(&file, &place, entry)?)
    }

    /// Makes an empty file, its mode that of the entry as far as the umask lets it.
    fn create(&mut self, place: &Place, entry: &Entry) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(self.mode_on_disk(entry, 0o600) & 0o777);
        let open = || rustix::fs::openat(place.fd(), place.name(), flags, mode);
        let file = match open() {
            Err(Errno::EXIST) => {
                self.clear(place)?;
                open()
            }
            result => result,
        };
        file.map(File::from).map_err(errno("make the file", &place.path))
    }

    fn finish_file(&mut self, file: &File, place: &Place, entry: &Entry) -> Result<()> {
        // Looking costs a tenth of what setting costs, and most files are right already.
        let found = rustix::fs::fstat(file).map_err(errno("look at", &place.path))?;
        let owned = (found.st_uid, found.st_gid) == (entry.uid, entry.gid);
        let mut recorded =
            self.own(entry, &place.path, |uid, gid| if owned { Ok(()) } else { rustix::fs::fchown(file, Some(uid), Some(gid)) })?;
        let mode = self.mode_on_disk(entry, 0o600);
        if !owned || found.st_mode & 0o7777 != mode {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(errno("set the mode of", &place.path))?;
        }
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| !is_mark(name)) {
            match set(file, name, value) {
                Err(error) if is_refusal(&error) => recorded.xattrs.push((name.clone(), value.clone())),
                result => result.map_err(system("set an extended attribute of", &place.path))?,
            }
        }
        self.mark_owner(file, entry).map_err(system("mark with its owner", &place.path))?;
        set_times(file, entry.modified).map_err(system("set the time of", &place.path))?;
        self.record(place, entry, recorded);
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, opaque: bool) -> Result<()> {
        if entry.path.as_os_str().is_empty() {
            return self.dress_directory(Path::new(""), entry, opaque);
        }
        let place = self.place(&entry.path)?;
        let hides = self.make_directory(&place)?;
        // What comes later tells of it after all.
        self.implied.remove(&place.path);
        self.dress_directory(&place.path, entry, opaque || hides)
    }

    /// Makes a directory unless there is one; true when something else had to go that hid a directory below.
    pub(super) fn make_directory(&mut self, place: &Place) -> Result<bool> {
        let make = || rustix::fs::mkdirat(place.fd(), place.name(), Mode::RWXU);
        match make() {
            Ok(()) => Ok(false),
            Err(Errno::EXIST) => {
                if self.standing(place)? == Standing::Directory {
                    return Ok(false);
                }
                self.clear(place)?;
                make().map_err(errno("make the directory", &place.path))?;
                self.hides_directory(&place.path)
            }
            Err(error) => Err(errno("make the directory", &place.path)(error)),
        }
    }

    pub(super) fn dress_directory(&mut self, path: &Path, entry: &Entry, opaque: bool) -> Result<()> {
        let directory = self.directories.get(path).map_err(system("open", path))?;
        let mut recorded = self.own(entry, path, |uid, gid| rustix::fs::fchown(&directory.fd, Some(uid), Some(gid)))?;
        let mode = self.mode_on_disk(entry, 0o700);
        rustix::fs::fchmod(&directory.fd, Mode::from_raw_mode(mode)).map_err(errno("set the mode of", path))?;
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| !is_mark(name)) {
            match set(&directory.fd, name, value) {
                Err(error) if is_refusal(&error) => recorded.xattrs.push((name.clone(), value.clone())),
                result => result.map_err(system("set an extended attribute of", path))?,
            }
        }
        self.mark_owner(&directory.fd, entry).map_err(system("mark with its owner", path))?;
        if opaque {
            self.mark_opaque(path)?;
        }
        directory.set_modified(entry.modified);
        self.record(&Place { directory, path: path.to_owned() }, entry, recorded);
        Ok(())
    }

    /// Hides what lower layers have in a directory of this snapshot.
    pub(crate) fn opaque(&mut self, path: &Path) -> Result<()> {
        let path = self.resolve(path)?;
        self.make_directories(&path)?;
        self.mark_opaque(&path)
    }

    fn mark_opaque(&mut self, path: &Path) -> Result<()> {
        let directory = self.directories.get(path).map_err(system("open", path))?;
        let name = self.snapshot.format().overlay_xattrs.opaque();
        set(&directory.fd, name.as_ref(), b"y").map_err(system("mark as opaque", path))
    }

    fn symlink(&mut self, entry: &Entry, target: &Path) -> Result<()> {
        let place = self.place(&entry.path)?;
        let make = || rustix::fs::symlinkat(target, place.fd(), place.name());
        match make() {
            Err(Errno::EXIST) => {
                self.clear(&place)?;
                make()
            }
            result => result,
        }
        .map_err(errno("make the symbolic link", &place.path))?;
        self.finish_node(&place, entry)
    }

    /// Makes a pipe or device; a device that may not be made is recorded, an empty file in its place.
    fn node(&mut self, entry: &Entry, kind: FileType, (major, minor): (u32, u32)) -> Result<()> {
        let place = self.place(&entry.path)?;
        if self.standing(&place)? != Standing::Nothing {
            self.clear(&place)?;
        }
        let device = rustix::fs::makedev(major, minor);
        let made = rustix::fs::mknodat(place.fd(), place.name(), kind, Mode::RUSR | Mode::WUSR, device);
        match (made, kind) {
            (Ok(()), _) => self.finish_node(&place, entry),
            (Err(Errno::PERM), FileType::CharacterDevice) => {
                self.recorded_node(&place, entry, RecordedDevice::Character { major, minor })
            }
            (Err(Errno::PERM), FileType::BlockDevice) => {
                self.recorded_node(&place, entry, RecordedDevice::Block { major, minor })
            }
            (Err(error), _) => Err(errno("make the node", &place.path)(error)),
        }
    }

    fn recorded_node(&mut self, place: &Place, entry: &Entry, device: RecordedDevice) -> Result<()> {
        let file = self.create(place, entry)?;
        self.finish_file(&file, place, entry)?;
        let recorded = Recorded { device: Some(device), ..whole_record(entry) };
        self.owners.insert(place.path.clone(), recorded);
        Ok(())
    }

    /// Owner, mode, attributes and time of what cannot be opened.
    fn finish_node(&mut self, place: &Place, entry: &Entry) -> Result<()> {
        let (fd, name) = (place.fd(), place.name());
        let mut recorded = self
            .own(entry, &place.path, |uid, gid| rustix::fs::chownat(fd, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            let mode = Mode::from_raw_mode(self.mode_on_disk(entry, 0o600));
            rustix::fs::chmodat(fd, name, mode, AtFlags::empty()).map_err(errno("set the mode of", &place.path))?;
        }
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| !is_mark(name)) {
            match set_at(&self.files.join(&place.path), name, value) {
                Err(error) if is_refusal(&error) => recorded.xattrs.push((name.clone(), value.clone())),
                result => result.map_err(system("set an extended attribute of", &place.path))?,
            }
        }
        rustix::fs::utimensat(fd, name, &times(entry.modified), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(errno("set the time of", &place.path))?;
        self.record(place, entry, recorded);
        Ok(())
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        let place = self.place(path)?;
        match self.standing(&place)? {
            Standing::Nothing => self.make_whiteout(&place),
            Standing::Directory => self.mark_opaque(&place.path),
            // It hides what lies below already.
            Standing::Whiteout | Standing::Other => Ok(()),
        }
    }

    fn make_whiteout(&self, place: &Place) -> Result<()> {
        match rustix::fs::mknodat(place.fd(), place.name(), FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::PERM) => self.make_marked_whiteout(place).map_err(system("mark as removed", &place.path)),
            result => result.map_err(errno("mark as removed", &place.path)),
        }
    }

    /// The form for where not even this device may be made (overlayfs documentation, "whiteouts and opaque directories").
    fn make_marked_whiteout(&self, place: &Place) -> io::Result<()> {
        let names = self.snapshot.format().overlay_xattrs;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(place.fd(), place.name(), flags, Mode::RUSR)?;
        set(&file, names.whiteout().as_ref(), b"y")?;
        let parent = self.files.join(place.path.parent().unwrap_or(Path::new("")));
        if opaque_mark(&parent, names)?.is_none() {
            set(place.fd(), names.opaque().as_ref(), b"x")?;
        }
        Ok(())
    }

    /// Sets the owner, or finds out what has to be recorded in its place.
    pub(super) fn own(
        &self,
        entry: &Entry,
        path: &Path,
        chown: impl FnOnce(Uid, Gid) -> rustix::io::Result<()>,
    ) -> Result<Recorded> {
        if entry.uid == u32::MAX || entry.gid == u32::MAX {
            return Err(SnapshotError::Entry { path: path.to_owned(), problem: "its owner or group is no id" });
        }
        if self.snapshot.format().ownership == Ownership::Apply {
            chown(Uid::from_raw(entry.uid), Gid::from_raw(entry.gid)).map_err(|error| match error {
                Errno::PERM | Errno::INVAL => {
                    SnapshotError::Owner { path: path.to_owned(), uid: entry.uid, gid: entry.gid, source: error.into() }
                }
                error => errno("set the owner of", path)(error),
            })?;
        }
        Ok(Recorded { xattrs: Vec::new(), ..whole_record(entry) })
    }

    /// Where owners are recorded beside the files, what a step moves or changes is still to have its own.
    fn mark_owner(&self, fd: impl AsFd, entry: &Entry) -> io::Result<()> {
        let is_directory = matches!(entry.kind, EntryKind::Directory { .. });
        let marked = match (self.snapshot.format().ownership, (entry.uid, entry.gid)) {
            (Ownership::Apply, _) => return Ok(()),
            (Ownership::Recorded, (0, 0)) if is_directory => unset(fd, OWNER_MARK.as_ref()),
            (Ownership::Recorded, (0, 0)) => return Ok(()),
            (Ownership::Recorded, (uid, gid)) => set(fd, OWNER_MARK.as_ref(), format!("{uid}:{gid}").as_bytes()),
        };
        match marked {
            Err(error) if is_refusal(&error) => Ok(()),
            marked => marked,
        }
    }

    pub(super) fn mode_on_disk(&self, entry: &Entry, needed: u32) -> u32 {
        match self.snapshot.format().ownership {
            Ownership::Apply => entry.mode & 0o7777,
            Ownership::Recorded => entry.mode & 0o7777 | needed,
        }
    }

    /// Records what the file on disk does not tell, or forgets what was recorded of its predecessor.
    pub(super) fn record(&mut self, place: &Place, entry: &Entry, recorded: Recorded) {
        let told = match self.snapshot.format().ownership {
            Ownership::Apply => true,
            Ownership::Recorded => {
                let needed = if matches!(entry.kind, EntryKind::Directory { .. }) { 0o700 } else { 0o600 };
                let is_link = matches!(entry.kind, EntryKind::Symlink { .. });
                (entry.uid, entry.gid) == (0, 0) && (is_link || self.mode_on_disk(entry, needed) == entry.mode)
            }
        };
        if told && recorded.xattrs.is_empty() && recorded.device.is_none() {
            if !self.owners.is_empty() && self.owners.get(&place.path).is_some() {
                self.owners.forget(&place.path);
            }
        } else {
            self.owners.insert(place.path.clone(), recorded);
        }
    }
}

pub(super) fn whole_record(entry: &Entry) -> Recorded {
    Recorded { uid: entry.uid, gid: entry.gid, mode: entry.mode & 0o7777, device: None, xattrs: Vec::new() }
}

pub(super) fn lower_failed(path: &Path, source: crate::ViewError) -> SnapshotError {
    SnapshotError::Lower { path: path.to_owned(), source: Box::new(source) }
}
