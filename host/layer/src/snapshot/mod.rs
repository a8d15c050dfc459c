//! Layers on disk: a directory that the overlay file system takes as lower or upper layer, and beside it a file with
//! what that directory cannot hold.

mod adding;
mod attributes;
mod directories;
mod links;
mod materialise;
mod owners;
mod place;
mod settle;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use attributes::OWNER_MARK;
pub(crate) use attributes::{belongs_to_image, has_whiteout_mark, opaque_mark, read_xattrs};
pub(crate) use materialise::root_of;
pub use materialise::{materialise, materialise_each};
pub use owners::{Owners, Recorded, RecordedDevice};
pub use settle::{Wanted, settle};
pub(crate) use writer::SnapshotWriter;

use crate::text::shown;

/// What the process that writes a snapshot may set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Owners, modes and devices go onto the files themselves.
    #[default]
    Apply,
    /// The process has one id only: owners, modes and devices that it cannot set are recorded beside the files, which
    /// it can always read and write. What is not recorded belongs to root.
    Recorded,
}

/// The names under which the overlay file system finds its marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OverlayXattrs {
    /// `trusted.overlay.*`, for mounts made by root.
    #[default]
    Trusted,
    /// `user.overlay.*`, for mounts with the option `userxattr`.
    User,
}

impl OverlayXattrs {
    /// The attribute that marks a directory as opaque.
    #[must_use]
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }

    /// The attribute that makes an empty file a whiteout, where devices cannot be made.
    #[must_use]
    pub fn whiteout(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.whiteout",
            Self::User => "user.overlay.whiteout",
        }
    }
}

/// The form of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotFormat {
    /// Where owners, modes and devices stand.
    pub ownership: Ownership,
    /// How opaque directories are marked.
    pub overlay_xattrs: OverlayXattrs,
}

/// One layer on disk: `ROOT/fs` holds its files, `ROOT/owners` what they cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    root: PathBuf,
    format: SnapshotFormat,
}

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A system call failed.
    #[error("cannot {action} {}", shown(.path))]
    System {
        /// What was tried.
        action: &'static str,
        /// On what: a path of the image, or one on disk.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An owner that this process may not set.
    #[error("cannot give {} to {uid}:{gid}: the id is not mapped for this user; add a range in /etc/subuid and /etc/subgid, or let owners be recorded", shown(.path))]
    Owner {
        /// The path in the image.
        path: PathBuf,
        /// The owner.
        uid: u32,
        /// The group.
        gid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// A path leads through something that is no directory.
    #[error("cannot write {}: a part of its path is no directory", shown(.path))]
    NotADirectory {
        /// The path in the image.
        path: PathBuf,
    },
    /// A path leads through too many symbolic links, or becomes too long by them.
    #[error("cannot write {}: too many symbolic links on its path", shown(.path))]
    Links {
        /// The path in the image.
        path: PathBuf,
    },
    /// A hard link to something that is not there, or cannot be linked.
    #[error("{} is a hard link to {}, which is no file of this layer or below", shown(.path), shown(.target))]
    LinkTarget {
        /// The path in the image.
        path: PathBuf,
        /// What it links to.
        target: PathBuf,
    },
    /// An entry that no layer may hold.
    #[error("{} cannot be part of a layer: {problem}", shown(.path))]
    Entry {
        /// The path in the image.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A source file could not be read as it was listed.
    #[error("cannot copy {} to {}", shown(.file), shown(.path))]
    Content {
        /// The path in the image.
        path: PathBuf,
        /// The file on disk.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The file of recorded owners is damaged.
    #[error("the record of owners {} is damaged in line {line}", shown(.path))]
    Owners {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// The lower layers could not be read.
    #[error("cannot look {} up in the layers below", shown(.path))]
    Lower {
        /// The path in the image.
        path: PathBuf,
        /// Why.
        source: Box<crate::ViewError>,
    },
}

impl Snapshot {
    /// Makes the directories of a new snapshot; its root is mode 755.
    ///
    /// # Errors
    /// When they cannot be made, or are there already.
    pub fn create(root: impl Into<PathBuf>, format: SnapshotFormat) -> Result<Self, SnapshotError> {
        let snapshot = Self::open(root, format);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| SnapshotError::System { action: "make the directory", path, source }
        };
        std::fs::create_dir_all(&snapshot.root).map_err(failed(&snapshot.root))?;
        let files = snapshot.files();
        std::fs::create_dir(&files).map_err(failed(&files))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&files, mode).map_err(failed(&files))?;
        Ok(snapshot)
    }

    /// Names a snapshot that is there already.
    #[must_use]
    pub fn open(root: impl Into<PathBuf>, format: SnapshotFormat) -> Self {
        Self { root: root.into(), format }
    }

    /// The directory that holds all of the snapshot.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the layer's files, which an overlay mount takes.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.root.join("fs")
    }

    /// The form of the snapshot.
    #[must_use]
    pub fn format(&self) -> SnapshotFormat {
        self.format
    }

    fn owners_file(&self) -> PathBuf {
        self.root.join("owners")
    }

    /// What is recorded beside the files; nothing when there is no record.
    ///
    /// # Errors
    /// When the record cannot be read or is damaged.
    pub fn owners(&self) -> Result<Owners, SnapshotError> {
        Owners::load(&self.owners_file())
    }

    /// Replaces the record beside the files, or takes it away when there is nothing to record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_owners(&self, owners: &Owners) -> Result<(), SnapshotError> {
        owners.save(&self.owners_file())
    }
}
