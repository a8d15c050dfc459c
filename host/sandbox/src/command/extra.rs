//! The mounts of `RUN --mount`.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, Uid, fstat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::content_attributes;
use super::root::Opened;
use super::scaffold::Scaffold;
use super::stubs::{self, MountPoint};
use crate::failure::{Attempt, Failure, Step};
use crate::mount::{self, DATA_ONLY};
use crate::spec::{Mount, MountKind, RunSpec, Tree};

/// `f_type` of `/proc` and `/sys`, as in `linux/magic.h`: nothing of ours is to cover what is in them.
const KERNEL_FILESYSTEMS: [u64; 2] = [0x9fa0, 0x6265_6572];

/// A mount that waits for its place.
pub(super) struct Prepared<'a> {
    pub(super) target: &'a Path,
    /// A directory or a regular file.
    pub(super) kind: FileType,
    mount: OwnedFd,
}

/// Makes the mounts, detached, in the order in which they are to be attached: parents first.
pub(super) fn prepare<'a>(spec: &'a RunSpec, scaffold: &Scaffold, secrets: &[OwnedFd]) -> Step<Vec<Prepared<'a>>> {
    let mut secrets = secrets.iter();
    let mut prepared = Vec::new();
    for Mount { target, kind } in &spec.mounts {
        let mount = match kind {
            MountKind::Bind { tree, source } => bind(spec, scaffold, tree, source).map_err(|failure| about(target, failure))?,
            MountKind::Cache { directory, read_only } => {
                let attributes = content_attributes(spec) | read_only_if(*read_only);
                copy(directory, attributes).on(target, "open the cache directory")?
            }
            MountKind::Tmpfs { size } => tmpfs(*size).on(target, "make a tmpfs")?,
            MountKind::Secret { mode, uid, gid, .. } => {
                let content = secrets.next().ok_or(Errno::INVAL).on(target, "receive the secret")?;
                secret(scaffold, content, *mode, *uid, *gid).on(target, "make the file of the secret")?
            }
            MountKind::Socket { path } => copy(path, DATA_ONLY).on(target, "open the socket")?,
        };
        let status = fstat(&mount).on(target, "look at what is to be mounted")?;
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => FileType::Directory,
            _ => FileType::RegularFile,
        };
        prepared.push(Prepared { target, kind, mount });
    }
    prepared.sort_by(|one, other| one.target.cmp(other.target));
    Ok(prepared)
}

/// Attaches the mounts.
pub(super) fn attach(prepared: &[Prepared<'_>], root: BorrowedFd<'_>) -> Step<()> {
    prepared.iter().try_for_each(|extra| {
        let place = place(root, extra)?;
        let magic = rustix::fs::fstatfs(&place).on(extra.target, "look at the place of the mount")?.f_type;
        if KERNEL_FILESYSTEMS.contains(&(magic as u64)) {
            return Err(Errno::PERM).on(extra.target, "nothing can be mounted in /proc or /sys");
        }
        let attached = mount::attach(&extra.mount, place.as_fd());
        attached.on(
            extra.target,
            match extra.kind {
                FileType::Directory => "mount the directory (is the target a file?)",
                _ => "mount the file (is the target a directory?)",
            },
        )
    })
}

fn place(root: BorrowedFd<'_>, extra: &Prepared<'_>) -> Step<OwnedFd> {
    let found = match mount::place_inside(root, extra.target) {
        Err(Errno::NOENT) => {
            let point = MountPoint { path: extra.target, kind: extra.kind };
            stubs::make_in_place(root, &point).on(extra.target, "make a place for the mount in another mount")?;
            mount::place_inside(root, extra.target)
        }
        found => found,
    };
    found.on(extra.target, "find the place of the mount")
}

/// Links of the source are followed inside the tree only (CVE-2024-1753).
fn bind(spec: &RunSpec, scaffold: &Scaffold, tree: &Tree, source: &Path) -> Step<OwnedFd> {
    let opened = Opened::new(tree)?;
    let mounted = opened.mounted(spec, scaffold)?;
    let part = mount::place_inside(mounted.as_fd(), source).to(&format!("find the source {}", source.display()))?;
    let read_only = read_only_if(!matches!(tree, Tree::Layers { upper: Some(_), .. }));
    let copy = || {
        let copy = mount::copy_mount(part.as_fd(), true)?;
        mount::restrict(&copy, content_attributes(spec) | read_only)?;
        Ok(copy)
    };
    copy().to("copy the mount of the source")
}

fn copy(path: &Path, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let copy = mount::copy_mount(mount::place(path)?.as_fd(), true)?;
    mount::restrict(&copy, attributes)?;
    Ok(copy)
}

fn tmpfs(size: Option<u64>) -> Result<OwnedFd, Errno> {
    let size = size.map(|size| size.to_string());
    let mut options = vec![("mode", Some("1777"))];
    options.extend(size.as_deref().map(|size| ("size", Some(size))));
    mount::new_filesystem("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
}

fn secret(scaffold: &Scaffold, content: &OwnedFd, mode: u32, uid: u32, gid: u32) -> Result<OwnedFd, Errno> {
    let io = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut file = File::from(scaffold.file(Mode::from_raw_mode(0o600))?);
    std::io::copy(&mut File::from(content.try_clone().map_err(io)?), &mut file).map_err(io)?;
    // With one id, root inside is the only owner there is.
    let owned = rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    if !matches!(owned, Err(Errno::INVAL)) {
        owned?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    let copy = mount::copy_mount(file.as_fd(), false)?;
    mount::restrict(&copy, DATA_ONLY | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    Ok(copy)
}

fn read_only_if(read_only: bool) -> MountAttrFlags {
    if read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() }
}

/// A failure on the way to one mount is told as that of the mount.
fn about(target: &Path, failure: Failure) -> Failure {
    match failure {
        Failure::Setup { action, errno } => Failure::Mount { target: PathBuf::from(target), problem: action, errno },
        other => other,
    }
}
