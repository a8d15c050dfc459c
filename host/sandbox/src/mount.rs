//! Mounting by descriptors: a mount is made detached, restricted, and attached to a place that was resolved before, so
//! that no path is looked up twice. Needs Linux 5.12 (`mount_setattr`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::sys;

/// No setuid programs, devices or programs: for mounts that hold data only.
pub(crate) const DATA_ONLY: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// An option of a file system: a name alone, or with a value.
pub(crate) type FsOption<'a> = (&'a str, Option<&'a str>);

/// Makes a detached mount of a new file system.
pub(crate) fn new_filesystem(kind: &str, options: &[FsOption<'_>], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", kind)?;
    configure(context.as_fd(), options)?;
    create(context.as_fd(), attributes)
}

/// Sets options of a file system that is being made.
pub(crate) fn configure(context: BorrowedFd<'_>, options: &[FsOption<'_>]) -> Result<()> {
    options.iter().try_for_each(|(name, value)| match value {
        Some(value) => fsconfig_set_string(context, *name, *value),
        None => fsconfig_set_flag(context, *name),
    })
}

/// Ends the making of a file system with a detached mount of it.
pub(crate) fn create(context: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<OwnedFd> {
    fsconfig_create(context)?;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// What the kernel has to say about a file system that could not be made, such as ` (upper fs does not support …)`.
pub(crate) fn kernel_messages(context: BorrowedFd<'_>) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = rustix::io::read(context, &mut buffer) {
        // Each message begins with its severity: `e `, `w ` or `i `.
        text.push(String::from_utf8_lossy(buffer[..length].get(2..).unwrap_or_default()).trim().to_owned());
    }
    if text.is_empty() { String::new() } else { format!(" ({})", text.join("; ")) }
}

/// Makes a detached copy of the mount at `place`, beginning at `place` itself: a bind mount without a target yet.
pub(crate) fn copy_mount(place: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(place, "", flags)
}

/// Restricts a mount that is not attached yet, with all below it.
pub(crate) fn restrict(mount: &OwnedFd, attributes: MountAttrFlags) -> Result<()> {
    sys::set_mount_attributes(mount.as_fd(), attributes, true)
}

/// Attaches a detached mount.
pub(crate) fn attach(mount: &OwnedFd, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// Opens a place, without access to its content, for mounting.
pub(crate) fn place(path: &Path) -> Result<OwnedFd> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a place inside `root` for mounting. Links are followed as if `root` were `/`; those of `/proc` that lead
/// elsewhere are refused by the kernel.
pub(crate) fn place_inside(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open_inside(root, path, OFlags::PATH, ResolveFlags::IN_ROOT)
}

/// Opens a place inside `root` that is to be no link, and reached by none.
pub(crate) fn plain_place_inside(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open_inside(root, path, OFlags::PATH, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
}

/// Opens what lies at `path` inside `root`.
pub(crate) fn open_inside(root: BorrowedFd<'_>, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    loop {
        // EAGAIN: something was renamed meanwhile, and the kernel could not rule out an escape.
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}
