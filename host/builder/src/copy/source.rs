//! What can be copied from: a build context, or the files of a stage or image.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use windlass_layer::{Entry, EntryKind, View, Walked};

use super::CopyError;
use super::item::{FileItem, Item, ItemKind, Origin};
use super::resolve::Step;
use crate::context::{Context, Node, NodeKind};

/// Where an instruction takes its sources from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The build context, or a named one that is a directory. Everything in it belongs to root.
    Context(&'a Context),
    /// The files of a stage or image. Owners are kept.
    View(&'a View),
}

/// Asked about every object below a source, with its path relative to the source.
pub(super) type Judge<'j> = dyn FnMut(&Path, bool) -> Visit + 'j;

/// What becomes of an object, and of what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) included: bool,
    pub(super) descends: bool,
}

/// What errors call the build context.
pub(crate) const CONTEXT: &str = "the build context";

impl<'a> Source<'a> {
    /// In words, for errors.
    pub(super) fn place(self) -> &'static str {
        match self {
            Self::Context(_) => CONTEXT,
            Self::View(_) => "the stage or image",
        }
    }

    /// The directory of a context.
    pub(super) fn directory(self) -> Option<&'a Path> {
        match self {
            Self::Context(context) => Some(context.path()),
            Self::View(_) => None,
        }
    }

    /// What is at a path whose parents are no links.
    pub(super) fn step(self, path: &Path) -> Result<Step, CopyError> {
        Ok(match self {
            Self::Context(context) => match context.lookup(path)?.as_ref().map(Node::kind) {
                None => Step::Missing,
                Some(NodeKind::Directory(_)) => Step::Directory,
                Some(NodeKind::Symlink(target)) => Step::Link(target.clone()),
                Some(_) => Step::Other,
            },
            Self::View(view) => match view.lookup(path)?.map(|entry| entry.kind) {
                None | Some(EntryKind::Whiteout) => Step::Missing,
                Some(EntryKind::Directory { .. }) => Step::Directory,
                Some(EntryKind::Symlink { target }) => Step::Link(target),
                Some(_) => Step::Other,
            },
        })
    }

    /// The names in a directory, sorted; none when it is no directory.
    pub(super) fn names(self, path: &Path) -> Result<Names<'a>, CopyError> {
        match self {
            Self::Context(context) => {
                let node = context.lookup(path)?;
                let Some(directory) = node.as_ref().and_then(Node::directory) else { return Ok(Box::new(std::iter::empty())) };
                Ok(Box::new(context.children(directory)?.map(|node| Ok(node?.name().to_os_string()))))
            }
            Self::View(view) => Ok(Box::new(view.read_dir(path)?.into_iter().map(Ok))),
        }
    }

    /// Hands to `take` the object at `path`, which is no link, and all below it that `judge` lets through.
    pub(super) fn items(self, path: &Path, judge: &mut Judge<'_>, take: &mut Take<'_>) -> Result<(), CopyError> {
        match self {
            Self::Context(context) => context_items(context, path, judge, take),
            Self::View(view) => view_items(view, path, judge, take),
        }
    }
}

/// The names in a directory, read while they are asked for.
pub(super) type Names<'a> = Box<dyn Iterator<Item = Result<OsString, CopyError>> + 'a>;

/// Given every object of a source, parents first.
pub(super) type Take<'t> = dyn FnMut(Item) -> Result<(), CopyError> + 't;

fn context_items(context: &Context, path: &Path, judge: &mut Judge<'_>, take: &mut Take<'_>) -> Result<(), CopyError> {
    let Some(top) = context.lookup(path)? else { return Ok(()) };
    let mut files = HashMap::new();
    // Directories whose children are to be visited, deepest last; paths can be too deep for recursion.
    let mut open = Vec::new();
    if let Some(directory) = top.directory() {
        context.prefetch(directory)?;
        open.push((PathBuf::new(), context.children(directory)?));
    }
    take(context_item(&top, PathBuf::new(), true, &mut files))?;
    while let Some((relative, rest)) = open.last_mut() {
        let Some(node) = rest.next().transpose()? else {
            open.pop();
            continue;
        };
        let below = relative.join(node.name());
        let visit = judge(&below, node.directory().is_some());
        let entered = node.directory().filter(|_| visit.descends);
        if let Some(directory) = entered {
            open.push((below.clone(), context.children(directory)?));
        }
        if visit.included || entered.is_some() {
            take(context_item(&node, below, visit.included, &mut files))?;
        }
    }
    Ok(())
}

/// `files` has a number for each file of which a name has come and that has several.
fn context_item(node: &Node, path: PathBuf, included: bool, files: &mut HashMap<(u64, u64), u64>) -> Item {
    let state = *node.state();
    let kind = match node.kind() {
        NodeKind::Directory(_) => ItemKind::Directory,
        NodeKind::Symlink(target) => ItemKind::Symlink(target.clone()),
        NodeKind::Fifo => ItemKind::Fifo,
        NodeKind::CharacterDevice(major, minor) => ItemKind::CharacterDevice(*major, *minor),
        NodeKind::BlockDevice(major, minor) => ItemKind::BlockDevice(*major, *minor),
        NodeKind::File => {
            let next = files.len() as u64;
            let file = (node.links() > 1).then(|| *files.entry((state.device, state.inode)).or_insert(next));
            ItemKind::File(FileItem { size: state.size, origin: Origin::Context(state), file, digest: [0; 32] })
        }
    };
    Item { path, kind, mode: node.mode(), uid: 0, gid: 0, modified: state.modified, xattrs: Vec::new(), included }
}

fn view_items(view: &View, path: &Path, judge: &mut Judge<'_>, take: &mut Take<'_>) -> Result<(), CopyError> {
    let mut walk = view.walk(path);
    while let Some(Walked { entry, file }) = walk.next().transpose()? {
        let relative = entry.path.strip_prefix(path).unwrap_or(&entry.path).to_path_buf();
        let is_directory = matches!(entry.kind, EntryKind::Directory { .. });
        let visit = if relative.as_os_str().is_empty() {
            Visit { included: true, descends: true }
        } else {
            judge(&relative, is_directory)
        };
        if is_directory && !visit.descends {
            walk.leave();
        }
        if (visit.included || is_directory && visit.descends)
            && let Some(item) = view_item(entry, file, relative, visit.included)
        {
            take(item)?;
        }
    }
    Ok(())
}

fn view_item(entry: Entry, file: Option<u64>, path: PathBuf, included: bool) -> Option<Item> {
    let kind = match entry.kind {
        EntryKind::Directory { .. } => ItemKind::Directory,
        EntryKind::File { size, content } => {
            ItemKind::File(FileItem { size, origin: Origin::Content(content), file, digest: [0; 32] })
        }
        // Pipes, devices and links have several names, too. Their copies have one each.
        EntryKind::Symlink { target } => ItemKind::Symlink(target),
        EntryKind::Fifo => ItemKind::Fifo,
        EntryKind::CharacterDevice { major, minor } => ItemKind::CharacterDevice(major, minor),
        EntryKind::BlockDevice { major, minor } => ItemKind::BlockDevice(major, minor),
        EntryKind::HardLink { .. } | EntryKind::Whiteout => return None,
    };
    let Entry { mode, uid, gid, modified, xattrs, .. } = entry;
    Some(Item { path, kind, mode, uid, gid, modified, xattrs, included })
}

/// The last part of a path, as a directory it is put into would name it.
pub(super) fn base_name(path: &Path) -> OsString {
    path.file_name().unwrap_or(OsStr::new("")).to_os_string()
}
