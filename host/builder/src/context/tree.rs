//! What is known of a context, filled in as it is asked for.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FileType, Statx};
use windlass_layer::Timestamp;

use super::ContextError;
use super::rules::Verdict;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// The inode's number.
    pub inode: u64,
    /// The device's number.
    pub device: u64,
    /// Bytes.
    pub size: u64,
    /// When the content was last modified.
    pub modified: Timestamp,
    /// When content or inode were last changed.
    pub changed: Timestamp,
}

/// One object of a context. Clones share what is known of a directory.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) name: OsString,
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) state: FileState,
    pub(super) kind: NodeKind,
}

/// What a node is. Sockets are left out of contexts, as they can be in no layer.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A directory.
    Directory(Arc<Directory>),
    /// A regular file.
    File,
    /// A symbolic link and its text.
    Symlink(PathBuf),
    /// A named pipe.
    Fifo,
    /// A character device: major and minor number.
    CharacterDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
}

/// A directory, whose nodes are read when they are first asked for.
#[derive(Debug)]
pub struct Directory {
    /// Relative to the context; empty for the context itself.
    pub(super) path: PathBuf,
    pub(super) verdict: Verdict,
    /// `None` for nodes that the context has no room for: they are read each time.
    pub(super) nodes: OnceLock<Result<Option<Arc<[Node]>>, ContextError>>,
}

impl Node {
    /// What `stat` says of `path` in the open directory `parent`; nothing for what is left out and for what no layer can hold.
    pub(super) fn read(parent: impl AsFd, path: PathBuf, verdict: Verdict, stat: &Statx) -> Result<Option<Self>, ContextError> {
        let name = path.file_name().unwrap_or_default().to_os_string();
        let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
            FileType::Directory => NodeKind::Directory(Arc::new(Directory::new(path, verdict))),
            _ if verdict.is_excluded => return Ok(None),
            FileType::RegularFile => NodeKind::File,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, &name, Vec::new());
                let target = target.map_err(|errno| ContextError::read(&path, errno))?;
                NodeKind::Symlink(PathBuf::from(OsString::from_vec(target.into_bytes())))
            }
            FileType::Fifo => NodeKind::Fifo,
            FileType::CharacterDevice => NodeKind::CharacterDevice(stat.stx_rdev_major, stat.stx_rdev_minor),
            FileType::BlockDevice => NodeKind::BlockDevice(stat.stx_rdev_major, stat.stx_rdev_minor),
            FileType::Socket | FileType::Unknown => return Ok(None),
        };
        let mode = u32::from(stat.stx_mode) & 0o7777;
        Ok(Some(Node { name, mode, links: stat.stx_nlink, state: FileState::from(stat), kind }))
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The permission bits with set-user-id, set-group-id and sticky.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// How many names the file has.
    #[must_use]
    pub fn links(&self) -> u32 {
        self.links
    }

    /// What tells this state of it from another.
    #[must_use]
    pub fn state(&self) -> &FileState {
        &self.state
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &NodeKind {
        &self.kind
    }

    /// Itself when it is a directory.
    #[must_use]
    pub fn directory(&self) -> Option<&Arc<Directory>> {
        match &self.kind {
            NodeKind::Directory(directory) => Some(directory),
            _ => None,
        }
    }
}

impl Directory {
    pub(super) fn new(path: PathBuf, verdict: Verdict) -> Self {
        Self { path, verdict, nodes: OnceLock::new() }
    }

    /// Relative to the context; empty for the context itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<&rustix::fs::Statx> for FileState {
    fn from(stat: &rustix::fs::Statx) -> Self {
        let time = |time: rustix::fs::StatxTimestamp| Timestamp { seconds: time.tv_sec, nanoseconds: time.tv_nsec };
        Self {
            inode: stat.stx_ino,
            device: (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor),
            size: stat.stx_size,
            modified: time(stat.stx_mtime),
            changed: time(stat.stx_ctime),
        }
    }
}
