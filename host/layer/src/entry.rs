//! One entry of a layer, the form that every producer and consumer of layers speaks.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A list of entries, parents before children, each path at most once but for a removal before its replacement.
pub type Listing = Vec<Entry>;

/// One file-system object of a layer, or the removal of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the image's root, without a leading slash; never empty, never with `.` or `..`; bytes as they are.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-user-id, set-group-id and sticky (`0o7777`).
    pub mode: u32,
    /// The owner as the image has it, which a rootless store may be unable to put on disk.
    pub uid: u32,
    /// The group as the image has it.
    pub gid: u32,
    /// Modification time.
    pub modified: Timestamp,
    /// Extended attributes in the order of their names, those of the overlay file system left out.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// A point in time: seconds since 1970 (may be negative) and nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory; `opaque` hides whatever lower layers have below it.
    Directory {
        /// Whether lower layers' content is hidden.
        opaque: bool,
    },
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Where they are.
        content: Content,
    },
    /// A symbolic link, its target as it is.
    Symlink {
        /// The link's text.
        target: PathBuf,
    },
    /// Another name of a file that stands earlier in the same listing.
    HardLink {
        /// That file's path, in the form of [`Entry::path`].
        target: PathBuf,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The removal of what a lower layer has at this path.
    Whiteout,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In a file on disk. It is opened without following a symbolic link at its last component, and it is an
    /// error when it does not have the size that the entry tells.
    File(Arc<Path>),
    /// In memory, for heredocs and other small things.
    Inline(Arc<[u8]>),
    /// Known by its size only: the file stands in a layer that has not been unpacked.
    Absent,
}

impl Entry {
    /// A directory owned by root with mode 755, as builders make them on the way to a destination.
    #[must_use]
    pub fn directory(path: impl Into<PathBuf>, modified: Timestamp) -> Self {
        Self {
            path: path.into(),
            kind: EntryKind::Directory { opaque: false },
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified,
            xattrs: Vec::new(),
        }
    }

    /// Opens the content of a regular file that is on disk.
    ///
    /// # Errors
    /// When it is no such file, has another size than the entry tells, or cannot be opened.
    pub fn open(&self) -> io::Result<File> {
        match &self.kind {
            EntryKind::File { size, content: Content::File(path) } => Ok(crate::blob::open_content(path, *size)?),
            _ => Err(io::Error::other("it is no regular file on this machine")),
        }
    }

    /// The removal of `path`.
    #[must_use]
    pub fn whiteout(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind: EntryKind::Whiteout,
            mode: 0,
            uid: 0,
            gid: 0,
            modified: Timestamp::default(),
            xattrs: Vec::new(),
        }
    }
}
