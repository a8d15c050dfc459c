//! The directories of a snapshot that are being written to.
//!
//! Writing into a directory changes its time. Each open one therefore remembers the time that it is to have, and gets it
//! when it is closed. A bounded number is open at any time, so memory and descriptors do not grow with the layer.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};

use crate::Timestamp;
use crate::path::split;

/// How many directories are open at most.
const MOST_OPEN: usize = 128;

/// An open directory.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    pub(super) fd: OwnedFd,
    modified: Cell<Timestamp>,
}

impl OpenDirectory {
    /// Sets the time that the directory is to have in the end.
    pub(super) fn set_modified(&self, modified: Timestamp) {
        self.modified.set(modified);
    }
}

/// Open directories by their path without links.
#[derive(Debug)]
pub(super) struct Directories {
    open: HashMap<PathBuf, Rc<OpenDirectory>>,
}

impl Directories {
    /// Begins with the root of the snapshot.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = opened(rustix::fs::open(root, flags, Mode::empty())?)?;
        Ok(Self { open: HashMap::from([(PathBuf::new(), Rc::new(root))]) })
    }

    pub(super) fn is_open(&self, path: &Path) -> bool {
        self.open.contains_key(path)
    }

    /// The directory at `path`, which must be one and have no links in it.
    pub(super) fn get(&mut self, path: &Path) -> io::Result<Rc<OpenDirectory>> {
        if let Some(known) = self.open.get(path) {
            return Ok(Rc::clone(known));
        }
        let (mut at, mut names) = (path, Vec::new());
        let mut directory = loop {
            if let Some(known) = self.open.get(at) {
                break Rc::clone(known);
            }
            let (parent, name) = split(at).ok_or(rustix::io::Errno::BADF)?;
            names.push((at, name));
            at = parent;
        };
        while let Some((path, name)) = names.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = Rc::new(opened(rustix::fs::openat(&directory.fd, name, flags, Mode::empty())?)?);
            self.keep(path, &next)?;
            directory = next;
        }
        Ok(directory)
    }

    fn keep(&mut self, path: &Path, directory: &Rc<OpenDirectory>) -> io::Result<()> {
        if self.open.len() >= MOST_OPEN {
            self.close()?;
        }
        self.open.insert(path.to_owned(), Rc::clone(directory));
        Ok(())
    }

    /// Closes a directory that goes away, and all below it.
    pub(super) fn forget(&mut self, path: &Path) {
        self.open.retain(|open, _| !open.starts_with(path));
    }

    /// Closes all but the root and gives each its time.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let root = self.open.remove(Path::new(""));
        for (_, directory) in self.open.drain() {
            set_times(&directory.fd, directory.modified.get())?;
        }
        if let Some(root) = root {
            set_times(&root.fd, root.modified.get())?;
            self.open.insert(PathBuf::new(), root);
        }
        Ok(())
    }
}

fn opened(fd: OwnedFd) -> io::Result<OpenDirectory> {
    let stat = rustix::fs::fstat(&fd)?;
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Ok(OpenDirectory { fd, modified: Cell::new(Timestamp { seconds: stat.st_mtime, nanoseconds }) })
}

/// The form in which the kernel takes a modification time; the access time stays.
pub(super) fn times(modified: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.seconds, tv_nsec: i64::from(modified.nanoseconds.min(999_999_999)) },
    }
}

/// Sets the modification time of an open file.
pub(super) fn set_times(fd: impl AsFd, modified: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::futimens(fd, &times(modified))?)
}
