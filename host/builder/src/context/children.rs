//! The nodes of a directory: kept from the first look on, or read a few at a time where there is no room for more.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use windlass_layer::Names;

use super::tree::{Directory, Node};
use super::{Context, ContextError, beneath};

/// So many nodes are read at a time where they are not kept.
const PORTION: usize = 1_000;

/// The nodes of a directory that are not left out, sorted by the bytes of their names.
#[derive(Debug)]
pub struct Children<'a> {
    context: &'a Context,
    directory: Arc<Directory>,
    nodes: Nodes,
}

#[derive(Debug)]
enum Nodes {
    Kept { nodes: Arc<[Node]>, next: usize },
    Read { names: Names<()>, next: usize, ready: std::vec::IntoIter<Node> },
}

impl Iterator for Children<'_> {
    type Item = Result<Node, ContextError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let node = match self.advance() {
                Ok(node) => node?,
                Err(error) => return Some(Err(error)),
            };
            match self.context.is_visible(&node) {
                Ok(true) => return Some(Ok(node)),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Children<'_> {
    fn advance(&mut self) -> Result<Option<Node>, ContextError> {
        let (names, next, ready) = match &mut self.nodes {
            Nodes::Kept { nodes, next } => {
                let node = nodes.get(*next).cloned();
                *next += 1;
                return Ok(node);
            }
            Nodes::Read { names, next, ready } => (names, next, ready),
        };
        loop {
            if let Some(node) = ready.next() {
                return Ok(Some(node));
            }
            let portion = *next..names.count().min(*next + PORTION);
            if portion.is_empty() {
                return Ok(None);
            }
            *next = portion.end;
            *ready = self.context.read_nodes(&self.directory, names, portion)?.into_iter();
        }
    }
}

impl Context {
    /// The nodes of a directory that are not left out, sorted by the bytes of their names.
    ///
    /// # Errors
    /// When it cannot be read, or is another directory by now.
    pub fn children(&self, directory: &Arc<Directory>) -> Result<Children<'_>, ContextError> {
        let nodes = match self.kept(directory)? {
            Some(nodes) => Nodes::Kept { nodes, next: 0 },
            None => Nodes::Read { names: self.names(directory)?, next: 0, ready: Vec::new().into_iter() },
        };
        Ok(Children { context: self, directory: Arc::clone(directory), nodes })
    }

    /// What has that name in a directory, whether it shows or not.
    pub(super) fn child(&self, directory: &Arc<Directory>, name: &OsStr) -> Result<Option<Node>, ContextError> {
        if let Some(nodes) = self.kept(directory)? {
            let found = nodes.binary_search_by(|node| node.name.as_os_str().cmp(name));
            return Ok(found.ok().map(|index| nodes[index].clone()));
        }
        let open = self.open_directory(directory)?;
        self.look(directory, &open, name)
    }

    /// All nodes of a directory, read when it is first asked for; nothing when there is no room for them.
    pub(super) fn kept(&self, directory: &Directory) -> Result<Option<Arc<[Node]>>, ContextError> {
        directory.nodes.get_or_init(|| self.read_directory(directory)).clone()
    }

    fn read_directory(&self, directory: &Directory) -> Result<Option<Arc<[Node]>>, ContextError> {
        // One that is full stays so: else each look at a large directory would read it whole.
        if self.room.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let names = self.names(directory)?;
        let count = names.count();
        let take = |room: usize| Some(room.saturating_sub(count));
        let room = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or_default();
        if room < count {
            return Ok(None);
        }
        Ok(Some(self.read_nodes(directory, &names, 0..count)?.into()))
    }

    /// The names in a directory that may have to be looked at, sorted.
    fn names(&self, directory: &Directory) -> Result<Names<()>, ContextError> {
        let open = self.open_directory(directory)?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(&open, buffer.spare_capacity_mut());
        let mut names = Names::default();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| failed(&directory.path, errno))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            // Most file systems tell the type without a look, and what is left out need not be looked at.
            let name = OsStr::from_bytes(name);
            let verdict = self.rules.judge(&directory.verdict, name);
            let may_hold = matches!(entry.file_type(), FileType::Directory | FileType::Unknown) && !verdict.is_closed;
            if !verdict.is_excluded || may_hold {
                names.insert(name, ());
            }
        }
        Ok(names.sorted())
    }

    fn read_nodes(
        &self,
        directory: &Directory,
        names: &Names<()>,
        portion: std::ops::Range<usize>,
    ) -> Result<Vec<Node>, ContextError> {
        let open = self.open_directory(directory)?;
        let mut nodes = Vec::with_capacity(portion.len());
        for (name, ()) in portion.filter_map(|number| names.at(number)) {
            nodes.extend(self.look(directory, &open, name)?);
        }
        Ok(nodes)
    }

    fn look(&self, directory: &Directory, open: &OwnedFd, name: &OsStr) -> Result<Option<Node>, ContextError> {
        let path = directory.path.join(name);
        match beneath::look(open.as_fd(), name) {
            Ok(stat) => Node::read(open, path, self.rules.judge(&directory.verdict, name), &stat),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(&path, errno)),
        }
    }

    fn open_directory(&self, directory: &Directory) -> Result<OwnedFd, ContextError> {
        beneath::open_directory(self.root.as_fd(), &directory.path).map_err(|errno| failed(&directory.path, errno))
    }
}

fn failed(path: &Path, errno: Errno) -> ContextError {
    match errno {
        // It was there when its parent was read.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => ContextError::Changed { path: path.to_path_buf() },
        errno => ContextError::read(path, errno),
    }
}
