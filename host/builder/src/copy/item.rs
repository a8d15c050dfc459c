//! What has been selected to be copied.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Content, Timestamp};

use crate::context::FileState;

/// A part of a selection, in the order of the instruction: a source, and then what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Pick(Pick),
    Item(Item),
}

/// One source of an instruction, or one match of its pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    /// As the instruction names it.
    pub(super) source: String,
    /// The name it gets in a directory.
    pub(super) name: OsString,
    /// The directory of the context that it comes from; nothing for heredocs and for files of a stage or image.
    pub(super) context: Option<Arc<Path>>,
    /// Its path in the context, stage or image.
    pub(super) place: PathBuf,
    /// Whether nobody changes it while it is read.
    pub(super) is_settled: bool,
    /// Whether it is unpacked when it is an archive.
    pub(super) unpacks: bool,
}

/// One object of a source: parents before children, siblings by name; the first is the source itself.
#[derive(Debug, Clone, PartialEq, Eq)]
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ItemKind {
    Directory,
    File(FileItem),
    Symlink(PathBuf),
    Fifo,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileItem {
    pub(super) size: u64,
    pub(super) origin: Origin,
    /// A number that the names of one file have in common; `None` for a file of which one name is selected.
    pub(super) file: Option<u64>,
    pub(super) digest: [u8; 32],
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// At its place in the context, in the state in which it was when it was looked at.
    Context(FileState),
    /// In a stage, an image or a heredoc.
    Content(Content),
}

impl Record {
    pub(super) fn item_mut(&mut self) -> Option<&mut Item> {
        match self {
            Self::Item(item) => Some(item),
            Self::Pick(_) => None,
        }
    }
}

impl Item {
    pub(super) fn file_mut(&mut self) -> Option<&mut FileItem> {
        match &mut self.kind {
            ItemKind::File(file) => Some(file),
            _ => None,
        }
    }
}

impl Pick {
    /// Where an item of it lies in the context, stage or image.
    pub(super) fn path_of(&self, item: &Item) -> PathBuf {
        if item.path.as_os_str().is_empty() { self.place.clone() } else { self.place.join(&item.path) }
    }

    /// The content of a file of it.
    pub(super) fn content(&self, item: &Item, file: &FileItem) -> Content {
        match &file.origin {
            Origin::Content(content) => content.clone(),
            Origin::Context(_) => {
                let context = self.context.as_deref().unwrap_or(Path::new(""));
                Content::File(Arc::from(context.join(self.path_of(item))))
            }
        }
    }
}
