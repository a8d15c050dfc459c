//! What can be copied from: a build context, or the files of a stage or image.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Content, Entry, EntryKind, View};

use super::CopyError;
use super::item::{FileItem, Identity, Item, ItemKind, Origin};
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

    /// What is at a path whose parents are no links.
    pub(super) fn step(self, path: &Path) -> Result<Step, CopyError> {
        Ok(match self {
            Self::Context(context) => match context.lookup(path)?.map(Node::kind) {
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

    /// The names in a directory, sorted.
    pub(super) fn names(self, path: &Path) -> Result<Vec<OsString>, CopyError> {
        match self {
            Self::Context(context) => {
                let Some(directory) = context.lookup(path)?.and_then(Node::directory) else { return Ok(Vec::new()) };
                Ok(context.children(directory)?.into_iter().map(|node| node.name().to_os_string()).collect())
            }
            Self::View(view) => Ok(view.read_dir(path)?),
        }
    }

    /// The object at `path`, which is no link, and all below it that `judge` lets through.
    pub(super) fn items(self, path: &Path, judge: &mut Judge<'_>) -> Result<Vec<Item>, CopyError> {
        match self {
            Self::Context(context) => context_items(context, path, judge),
            Self::View(view) => view_items(view, path, judge),
        }
    }
}

fn context_items(context: &Context, path: &Path, judge: &mut Judge<'_>) -> Result<Vec<Item>, CopyError> {
    let Some(top) = context.lookup(path)? else { return Ok(Vec::new()) };
    if let Some(directory) = top.directory() {
        context.prefetch(directory)?;
    }
    let mut items = vec![context_item(context, top, path, PathBuf::new(), true)];
    // Directories whose children are to be visited, deepest last; paths can be too deep for recursion.
    let mut open = vec![(PathBuf::new(), children(context, top)?)];
    while let Some((relative, rest)) = open.last_mut() {
        let Some(node) = rest.next() else {
            open.pop();
            continue;
        };
        let below = relative.join(node.name());
        let visit = judge(&below, node.directory().is_some());
        if visit.descends && node.directory().is_some() {
            open.push((below.clone(), children(context, node)?));
        }
        if visit.included || visit.descends && node.directory().is_some() {
            items.push(context_item(context, node, &path.join(&below), below, visit.included));
        }
    }
    Ok(items)
}

fn children<'a>(context: &Context, node: &'a Node) -> Result<std::vec::IntoIter<&'a Node>, CopyError> {
    let children = node.directory().map(|directory| context.children(directory)).transpose()?;
    Ok(children.unwrap_or_default().into_iter())
}

fn context_item(context: &Context, node: &Node, path: &Path, relative: PathBuf, included: bool) -> Item {
    let state = *node.state();
    let kind = match node.kind() {
        NodeKind::Directory(_) => ItemKind::Directory,
        NodeKind::Symlink(target) => ItemKind::Symlink(target.clone()),
        NodeKind::Fifo => ItemKind::Fifo,
        NodeKind::CharacterDevice(major, minor) => ItemKind::CharacterDevice(*major, *minor),
        NodeKind::BlockDevice(major, minor) => ItemKind::BlockDevice(*major, *minor),
        NodeKind::File => ItemKind::File(FileItem {
            size: state.size,
            content: Content::File(Arc::from(context.path().join(path))),
            identity: (node.links() > 1).then_some(Identity::Inode(state.device, state.inode)),
            origin: Some(Origin { path: path.to_path_buf(), state }),
            digest: [0; 32],
        }),
    };
    Item { path: relative, kind, mode: node.mode(), uid: 0, gid: 0, modified: state.modified, xattrs: Vec::new(), included }
}

fn view_items(view: &View, path: &Path, judge: &mut Judge<'_>) -> Result<Vec<Item>, CopyError> {
    let mut items = Vec::new();
    let mut skipped: Option<PathBuf> = None;
    // A walk of the root leaves the root itself out.
    let root = if path.as_os_str().is_empty() { view.lookup(path)? } else { None };
    for entry in root.into_iter().chain(view.walk(path)?) {
        let relative = entry.path.strip_prefix(path).unwrap_or(&entry.path).to_path_buf();
        if skipped.as_ref().is_some_and(|skipped| relative.starts_with(skipped)) {
            continue;
        }
        let is_directory = matches!(entry.kind, EntryKind::Directory { .. });
        let visit = if relative.as_os_str().is_empty() {
            Visit { included: true, descends: true }
        } else {
            judge(&relative, is_directory)
        };
        if is_directory && !visit.descends {
            skipped = Some(relative.clone());
        }
        if visit.included || is_directory && visit.descends {
            items.extend(view_item(view, entry, relative, visit.included)?);
        }
    }
    Ok(items)
}

fn view_item(view: &View, entry: Entry, relative: PathBuf, included: bool) -> Result<Option<Item>, CopyError> {
    let identity = |path: &Path| Some(Identity::Path(Arc::from(path)));
    let file = |size, content, identity| ItemKind::File(FileItem { size, content, identity, origin: None, digest: [0; 32] });
    let kind = match entry.kind {
        EntryKind::Directory { .. } => ItemKind::Directory,
        EntryKind::File { size, content } => file(size, content, identity(&entry.path)),
        EntryKind::HardLink { target } => match view.lookup(&target)?.map(|entry| entry.kind) {
            Some(EntryKind::File { size, content }) => file(size, content, identity(&target)),
            // Pipes, devices and links have several names, too. Their copies have one each.
            Some(EntryKind::Symlink { target }) => ItemKind::Symlink(target),
            Some(EntryKind::Fifo) => ItemKind::Fifo,
            Some(EntryKind::CharacterDevice { major, minor }) => ItemKind::CharacterDevice(major, minor),
            Some(EntryKind::BlockDevice { major, minor }) => ItemKind::BlockDevice(major, minor),
            _ => return Err(CopyError::NotUnpacked { path: super::error::absolute(&entry.path) }),
        },
        EntryKind::Symlink { target } => ItemKind::Symlink(target),
        EntryKind::Fifo => ItemKind::Fifo,
        EntryKind::CharacterDevice { major, minor } => ItemKind::CharacterDevice(major, minor),
        EntryKind::BlockDevice { major, minor } => ItemKind::BlockDevice(major, minor),
        EntryKind::Whiteout => return Ok(None),
    };
    let Entry { mode, uid, gid, modified, xattrs, .. } = entry;
    Ok(Some(Item { path: relative, kind, mode, uid, gid, modified, xattrs, included }))
}

/// The last part of a path, as a directory it is put into would name it.
pub(super) fn base_name(path: &Path) -> OsString {
    path.file_name().unwrap_or(OsStr::new("")).to_os_string()
}
