//! Build contexts: directories of which COPY, ADD and mounts take parts.
//!
//! A context is opened once. Its directories are read when they are asked for, without following links, and what
//! `.dockerignore` leaves out is never looked at. Whatever is read is compared with what it was when it was looked at.

mod archive;
mod beneath;
mod error;
mod hash;
mod ignore;
mod rules;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use windlass_dockerfile::ignore::IgnoreRules;

pub use archive::{finish_download, is_archive, unpack_archive};
pub use error::ContextError;
pub(crate) use hash::digests;
pub use hash::{FileDigest, Pending};
pub use tree::{Directory, FileState, Node, NodeKind};

use rules::Rules;

/// A directory to build from.
#[derive(Debug)]
pub struct Context {
    path: PathBuf,
    root: OwnedFd,
    rules: Rules,
    top: Node,
}

impl Context {
    /// Opens the directory. What it leaves out says `<dockerfile>.dockerignore` where a Dockerfile is named and that
    /// file is there, else `.dockerignore` in the directory. Named contexts have no Dockerfile.
    ///
    /// # Errors
    /// When the directory or the ignore file cannot be read, or a pattern is malformed.
    pub fn open(directory: &Path, dockerfile: Option<&Path>) -> Result<Self, ContextError> {
        Self::open_with(directory, |root| Ok(Rules(ignore::rules(root, dockerfile)?)))
    }

    /// Opens the directory and leaves nothing out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_whole(directory: &Path) -> Result<Self, ContextError> {
        Self::open_with(directory, |_| Ok(Rules(None)))
    }

    fn open_with(
        directory: &Path,
        rules: impl FnOnce(BorrowedFd<'_>) -> Result<Rules, ContextError>,
    ) -> Result<Self, ContextError> {
        let failed = |source: std::io::Error| ContextError::Open { path: directory.to_path_buf(), source: Arc::new(source) };
        let path = directory.canonicalize().map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let stat = beneath::look_at(root.as_fd()).map_err(|errno| failed(errno.into()))?;
        let rules = rules(root.as_fd())?;
        let kind = NodeKind::Directory(Box::new(Directory::new(PathBuf::new(), rules.top())));
        let mode = u32::from(stat.stx_mode) & 0o7777;
        let top = Node { name: OsString::new(), mode, links: stat.stx_nlink, state: FileState::from(&stat), kind };
        Ok(Self { path, root, rules, top })
    }

    /// The directory's absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the context leaves out, where it has an ignore file.
    #[must_use]
    pub fn ignore_rules(&self) -> Option<&IgnoreRules> {
        self.rules.0.as_ref()
    }

    /// The directory itself.
    #[must_use]
    pub fn top(&self) -> &Node {
        &self.top
    }

    /// What is at `path`, a clean relative path of which no part is followed when it is a link. The empty path is the
    /// context itself. What is left out is not there.
    ///
    /// # Errors
    /// When a directory on the way cannot be read.
    pub fn lookup(&self, path: &Path) -> Result<Option<&Node>, ContextError> {
        let mut node = &self.top;
        for name in path.iter() {
            let Some(directory) = node.directory() else { return Ok(None) };
            let nodes = self.nodes(directory)?;
            match nodes.binary_search_by(|node| node.name.as_os_str().cmp(name)) {
                Ok(index) => node = &nodes[index],
                Err(_) => return Ok(None),
            }
        }
        Ok(self.is_visible(node)?.then_some(node))
    }

    /// Whether something is at `path` after all, and the ignore file is why nobody sees it.
    #[must_use]
    pub fn is_ignored(&self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let there = beneath::open_directory(self.root.as_fd(), parent).and_then(|parent| beneath::look(parent.as_fd(), name));
        self.rules.0.is_some() && there.is_ok()
    }

    /// The nodes of a directory that are not left out, sorted by the bytes of their names.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn children<'a>(&self, directory: &'a Directory) -> Result<Vec<&'a Node>, ContextError> {
        let mut children = Vec::new();
        for node in self.nodes(directory)? {
            if self.is_visible(node)? {
                children.push(node);
            }
        }
        Ok(children)
    }

    /// An excluded directory is there for what a later pattern takes in again below it, and only for that.
    fn is_visible(&self, node: &Node) -> Result<bool, ContextError> {
        let Some(directory) = node.directory().filter(|directory| directory.verdict.is_excluded) else { return Ok(true) };
        for node in self.nodes(directory)? {
            if self.is_visible(node)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes sure that those files are still what they were when they were looked at: to be called after they were
    /// read, so that no layer holds what no key stands for.
    ///
    /// # Errors
    /// When one has changed.
    pub fn verify(&self, files: &[Pending<'_>]) -> Result<(), ContextError> {
        let mut open: Option<(&Path, OwnedFd)> = None;
        for file in files {
            let changed = || ContextError::Changed { path: file.path.to_path_buf() };
            let (Some(parent), Some(name)) = (file.path.parent(), file.path.file_name()) else { return Err(changed()) };
            if open.as_ref().is_none_or(|(path, _)| *path != parent) {
                open = Some((parent, beneath::open_directory(self.root.as_fd(), parent).map_err(|_| changed())?));
            }
            let state = open.as_ref().and_then(|(_, directory)| beneath::look(directory.as_fd(), name).ok());
            if state.as_ref().map(FileState::from) != Some(file.state) {
                return Err(changed());
            }
        }
        Ok(())
    }
}
