//! Build contexts: directories of which COPY, ADD and mounts take parts.
//!
//! A context is opened once. Its directories are read when they are asked for, without following links, and what
//! `.dockerignore` leaves out is never looked at. Whatever is read is compared with what it was when it was looked at.
//! A context may have millions of files: what is known of them is kept for the first ones, and read again for the others.

mod archive;
mod beneath;
mod children;
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
use std::sync::atomic::AtomicUsize;

use rustix::fs::{Mode, OFlags};
use windlass_dockerfile::ignore::IgnoreRules;

pub use archive::{finish_download, is_archive, unpack_archive};
pub use children::Children;
pub use error::ContextError;
pub(crate) use hash::digests;
pub use hash::{FileDigest, Pending};
pub use tree::{Directory, FileState, Node, NodeKind};

use rules::Rules;

/// So many nodes are kept, which takes about 20 MB.
const MOST_KEPT: usize = 120_000;

/// A directory to build from.
#[derive(Debug)]
pub struct Context {
    path: PathBuf,
    root: OwnedFd,
    rules: Rules,
    top: Node,
    /// How many more nodes are kept.
    room: AtomicUsize,
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
        let kind = NodeKind::Directory(Arc::new(Directory::new(PathBuf::new(), rules.top())));
        let mode = u32::from(stat.stx_mode) & 0o7777;
        let top = Node { name: OsString::new(), mode, links: stat.stx_nlink, state: FileState::from(&stat), kind };
        Ok(Self { path, root, rules, top, room: AtomicUsize::new(MOST_KEPT) })
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
    pub fn lookup(&self, path: &Path) -> Result<Option<Node>, ContextError> {
        let mut node = self.top.clone();
        for name in path.iter() {
            let Some(directory) = node.directory() else { return Ok(None) };
            match self.child(directory, name)? {
                Some(child) => node = child,
                None => return Ok(None),
            }
        }
        Ok(self.is_visible(&node)?.then_some(node))
    }

    /// Whether something is at `path` after all, and the ignore file is why nobody sees it.
    #[must_use]
    pub fn is_ignored(&self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let there = beneath::open_directory(self.root.as_fd(), parent).and_then(|parent| beneath::look(parent.as_fd(), name));
        self.rules.0.is_some() && there.is_ok()
    }

    /// An excluded directory is there for what a later pattern takes in again below it, and only for that.
    fn is_visible(&self, node: &Node) -> Result<bool, ContextError> {
        match node.directory().filter(|directory| directory.verdict.is_excluded) {
            None => Ok(true),
            Some(directory) => Ok(self.children(directory)?.next().transpose()?.is_some()),
        }
    }

    /// What tells whether files have changed.
    #[must_use]
    pub fn verifier(&self) -> Verifier<'_> {
        Verifier { context: self, open: None }
    }
}

/// Looks whether files are still what they were when they were looked at: to be asked after they were read, so that no layer
/// holds what no key stands for.
#[derive(Debug)]
pub struct Verifier<'a> {
    context: &'a Context,
    open: Option<(PathBuf, OwnedFd)>,
}

impl Verifier<'_> {
    /// Makes sure of one file. The next one costs least when it lies in the same directory.
    ///
    /// # Errors
    /// When it has changed.
    pub fn verify(&mut self, path: &Path, state: &FileState) -> Result<(), ContextError> {
        let changed = || ContextError::Changed { path: path.to_path_buf() };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(changed()) };
        if self.open.as_ref().is_none_or(|(path, _)| *path != parent) {
            let directory = beneath::open_directory(self.context.root.as_fd(), parent).map_err(|_| changed())?;
            self.open = Some((parent.to_owned(), directory));
        }
        let found = self.open.as_ref().and_then(|(_, directory)| beneath::look(directory.as_fd(), name).ok());
        if found.as_ref().map(FileState::from) == Some(*state) { Ok(()) } else { Err(changed()) }
    }
}
