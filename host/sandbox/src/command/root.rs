//! The root file system, and trees of which parts are mounted in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;
use rustix::mount::MountAttrFlags;

use super::content_attributes;
use super::extra::Prepared;
use super::overlay::Overlay;
use super::scaffold::Scaffold;
use super::stubs::{self, MountPoint};
use crate::failure::{Attempt, Step};
use crate::mount;
use crate::spec::{RunSpec, Tree};

/// The directories of a tree, opened.
pub(super) enum Opened {
    Directory(OwnedFd),
    Layers { lower: Vec<OwnedFd>, upper: Option<(OwnedFd, OwnedFd)> },
}

impl Opened {
    pub(super) fn new(tree: &Tree) -> Step<Self> {
        let open = |path: &Path| mount::place(path).to(&format!("open {}", path.display()));
        Ok(match tree {
            Tree::Directory(path) => Self::Directory(open(path)?),
            Tree::Layers { lower, upper } => Self::Layers {
                lower: lower.iter().map(|path| open(path)).collect::<Step<_>>()?,
                upper: upper.as_ref().map(|upper| Ok((open(&upper.directory)?, open(&upper.work)?))).transpose()?,
            },
        })
    }

    /// Makes a detached mount of layers, with `top` above the others.
    fn overlay(&self, spec: &RunSpec, scaffold: &Scaffold, top: Option<&OwnedFd>) -> Step<OwnedFd> {
        let (lower, upper) = match self {
            Self::Directory(directory) => (std::slice::from_ref(directory), None),
            Self::Layers { lower, upper } => (&lower[..], upper.as_ref().map(|(upper, work)| (upper, work))),
        };
        overlay(spec, scaffold, top.into_iter().chain(lower).collect(), upper)
    }

    /// The tree, mounted so that parts of it can be opened.
    pub(super) fn mounted(&self, spec: &RunSpec, scaffold: &Scaffold) -> Step<BorrowedOrOwned<'_>> {
        match self {
            Self::Directory(directory) => Ok(BorrowedOrOwned::Borrowed(directory.as_fd())),
            Self::Layers { .. } => {
                let mount = self.overlay(spec, scaffold, None)?;
                scaffold.attach(&mount).to("mount layers")?;
                Ok(BorrowedOrOwned::Owned(mount))
            }
        }
    }
}

/// A descriptor that is ours, or another's.
pub(super) enum BorrowedOrOwned<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for BorrowedOrOwned<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}

fn overlay(spec: &RunSpec, scaffold: &Scaffold, lower: Vec<&OwnedFd>, upper: Option<(&OwnedFd, &OwnedFd)>) -> Step<OwnedFd> {
    // The kernel wants a layer below an upper directory, and two where there is none.
    let empty = scaffold.directory().to("make a directory")?;
    let mut lower = lower;
    if lower.len() + usize::from(upper.is_some()) < 2 {
        lower.push(&empty);
    }
    Overlay { lower, upper }.mount(spec.isolation, content_attributes(spec), scaffold)
}

/// Mounts the root file system, with a place for everything that will be mounted in it.
pub(super) fn mount(spec: &RunSpec, scaffold: &Scaffold, extra: &[Prepared<'_>]) -> Step<OwnedFd> {
    let tree = Opened::new(&spec.root)?;
    let stubs = missing_mount_points(&tree, spec, scaffold, extra)?;
    let root = match &tree {
        Opened::Directory(directory) if stubs.is_none() => read_only_copy(directory, content_attributes(spec))?,
        _ => tree.overlay(spec, scaffold, stubs.as_ref())?,
    };
    scaffold.attach(&root).to("mount the root file system")?;
    Ok(root)
}

/// Makes a layer of the mount points that the tree lacks, if there are any. They are looked up in a read-only view.
fn missing_mount_points(tree: &Opened, spec: &RunSpec, scaffold: &Scaffold, extra: &[Prepared<'_>]) -> Step<Option<OwnedFd>> {
    let points = mount_points(extra);
    match tree {
        Opened::Directory(directory) => stubs::make(directory.as_fd(), &points, scaffold),
        Opened::Layers { lower, upper } => {
            let lower = upper.iter().map(|(upper, _)| upper).chain(lower).collect();
            stubs::make(overlay(spec, scaffold, lower, None)?.as_fd(), &points, scaffold)
        }
    }
}

fn mount_points<'a>(extra: &'a [Prepared<'_>]) -> Vec<MountPoint<'a>> {
    let point = |path, kind| MountPoint { path: Path::new(path), kind };
    let directories = ["/proc", "/sys", "/dev"].map(|path| point(path, FileType::Directory));
    let files = ["/etc/resolv.conf", "/etc/hosts"].map(|path| point(path, FileType::RegularFile));
    // What lies in another mount is made in that one.
    let covered = |path: &Path| {
        path.starts_with("/dev") || extra.iter().any(|other| other.target != path && path.starts_with(other.target))
    };
    let extra = extra.iter().filter(|mount| !covered(mount.target));
    directories.into_iter().chain(files).chain(extra.map(|mount| MountPoint { path: mount.target, kind: mount.kind })).collect()
}

fn read_only_copy(directory: &OwnedFd, attributes: MountAttrFlags) -> Step<OwnedFd> {
    let copy = || {
        let copy = mount::copy_mount(directory.as_fd(), true)?;
        mount::restrict(&copy, attributes | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
        Ok(copy)
    };
    copy().to("mount the root directory")
}
