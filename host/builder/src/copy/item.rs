//! What has been selected to be copied.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Content, Timestamp};

use crate::context::FileState;

/// One object of a source.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Relative to the source; empty for the source itself.
    pub(super) path: PathBuf,
    pub(super) kind: ItemKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified: Timestamp,
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
    /// Directories that are here only for what is below them are not included.
    pub(super) included: bool,
}

impl Item {
    pub(super) fn file(&self) -> Option<&FileItem> {
        match &self.kind {
            ItemKind::File(file) => Some(file),
            _ => None,
        }
    }

    pub(super) fn file_mut(&mut self) -> Option<&mut FileItem> {
        match &mut self.kind {
            ItemKind::File(file) => Some(file),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum ItemKind {
    Directory,
    File(FileItem),
    Symlink(PathBuf),
    Fifo,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

#[derive(Debug, Clone)]
pub(super) struct FileItem {
    pub(super) size: u64,
    pub(super) content: Content,
    /// Equal for the names of one file; `None` for a file with one name.
    pub(super) identity: Option<Identity>,
    /// The context's file, to be verified after it was read.
    pub(super) origin: Option<Origin>,
    pub(super) digest: [u8; 32],
}

/// Where in the context a file lies, and what it was when it was looked at.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) path: PathBuf,
    pub(super) state: FileState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Inode(u64, u64),
    Path(Arc<Path>),
}

/// One source of an instruction, or one match of its pattern.
#[derive(Debug)]
pub(super) struct Pick {
    /// As the instruction names it.
    pub(super) source: String,
    /// The name it gets in a directory.
    pub(super) name: OsString,
    /// Parents before children, siblings by name; the first is the source itself.
    pub(super) items: Vec<Item>,
    /// Whether it is unpacked when it is an archive.
    pub(super) unpacks: bool,
}
