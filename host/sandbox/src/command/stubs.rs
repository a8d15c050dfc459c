//! Places for mounts that the image lacks. They are a layer of their own, which is above the image's layers, below the
//! upper directory, and in memory: nothing of it can end up in the image.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fstat, openat, readlinkat,
};
use rustix::io::{Errno, Result};

use super::scaffold::Scaffold;
use crate::failure::{Attempt, Step};
use crate::mount;

/// As many links as the kernel follows in one path.
const MAX_LINKS: usize = 40;
const NO_LINKS: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_SYMLINKS);

/// A place that has to be there for something to be mounted on it.
pub(super) struct MountPoint<'a> {
    /// An absolute path.
    pub(super) path: &'a Path,
    /// A directory or a regular file.
    pub(super) kind: FileType,
}

/// Makes the layer; nothing where the view has all the places already.
pub(super) fn make(view: BorrowedFd<'_>, points: &[MountPoint<'_>], scaffold: &Scaffold) -> Step<Option<OwnedFd>> {
    let mut missing = Vec::new();
    for point in points {
        match mount::place_inside(view, point.path) {
            Ok(_) => {}
            Err(Errno::NOENT) => {
                let path = locate(view, point.path).on(point.path, "look for the place of the mount")?;
                missing.push((point, path));
            }
            Err(errno) => Err(errno).on(point.path, "look for the place of the mount")?,
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let layer = scaffold.directory().to("make a directory")?;
    let mut present = BTreeMap::new();
    for (point, path) in missing {
        add(layer.as_fd(), view, &path, point.kind, &mut present).on(point.path, "make a place for the mount")?;
    }
    // The layer lies above the image's, so its directories stand for theirs. The deepest first: each changes its parent.
    for (path, original) in present.iter().rev() {
        imitate(layer.as_fd(), path, original).to("copy the attributes of a directory")?;
    }
    Ok(Some(layer))
}

/// Makes a place in a file system that is mounted already, such as a tmpfs of the same step.
pub(super) fn make_in_place(root: BorrowedFd<'_>, point: &MountPoint<'_>) -> Result<()> {
    let path = locate(root, point.path)?;
    add(root, root, &path, point.kind, &mut BTreeMap::new())
}

/// Where a path leads inside `view` when all links are followed, and none of what is missing is taken for one.
pub(crate) fn locate(view: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    let mut left: VecDeque<OsString> = parts(path);
    let mut reached = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            reached.pop();
            continue;
        }
        reached.push(&part);
        let Some(target) = link_target(view, &reached)? else { continue };
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        reached.pop();
        if target.is_absolute() {
            reached = PathBuf::new();
        }
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(reached)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

/// What a link points to; nothing for anything else and for what is not there.
fn link_target(view: BorrowedFd<'_>, path: &Path) -> Result<Option<PathBuf>> {
    match mount::open_inside(view, path, OFlags::PATH | OFlags::NOFOLLOW, NO_LINKS) {
        Ok(file) if kind(&fstat(&file)?) == FileType::Symlink => {
            Ok(Some(OsString::from_vec(readlinkat(&file, "", Vec::new())?.into_bytes()).into()))
        }
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn kind(status: &Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

/// Adds one place and the directories above it; notes those that the view has too.
fn add(
    layer: BorrowedFd<'_>,
    view: BorrowedFd<'_>,
    path: &Path,
    kind: FileType,
    present: &mut BTreeMap<PathBuf, OwnedFd>,
) -> Result<()> {
    let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents {
        match mount::open_inside(view, parent, OFlags::PATH | OFlags::DIRECTORY, NO_LINKS) {
            Ok(original) => drop(present.insert(parent.to_owned(), original)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        make_directory(layer, parent)?;
    }
    if kind == FileType::Directory {
        return make_directory(layer, path);
    }
    let (parent, name) = split(layer, path)?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
}

fn make_directory(layer: BorrowedFd<'_>, path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let (parent, name) = split(layer, path)?;
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// The directory that holds a path, and its name there.
fn split<'a>(layer: BorrowedFd<'_>, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok((mount::open_inside(layer, parent, OFlags::PATH | OFlags::DIRECTORY, NO_LINKS)?, name))
}

/// Gives a directory of the layer the attributes that the image's has.
fn imitate(layer: BorrowedFd<'_>, path: &Path, original: &OwnedFd) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let copy = mount::open_inside(layer, path, flags, NO_LINKS)?;
    let status = fstat(original)?;
    // Ids that the user namespace does not map cannot be set; such a directory belongs to nobody anyway.
    let _ = rustix::fs::chownat(
        &copy,
        "",
        Some(Uid::from_raw(status.st_uid)),
        Some(Gid::from_raw(status.st_gid)),
        AtFlags::EMPTY_PATH,
    );
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(status.st_mode & 0o7777))?;
    copy_attributes(original, &copy);
    let modified = Timespec { tv_sec: status.st_mtime as _, tv_nsec: status.st_mtime_nsec as _ };
    let accessed = Timespec { tv_sec: status.st_atime as _, tv_nsec: status.st_atime_nsec as _ };
    rustix::fs::futimens(&copy, &Timestamps { last_access: accessed, last_modification: modified })
}

/// Copies extended attributes, as far as a file system in memory takes them.
fn copy_attributes(original: &OwnedFd, copy: &OwnedFd) {
    let Ok(original) = openat(original, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else { return };
    let Ok(size) = rustix::fs::flistxattr_query(&original) else { return };
    let mut names = vec![0; size];
    let Ok(length) = rustix::fs::flistxattr(&original, &mut names[..]) else { return };
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let Ok(size) = rustix::fs::fgetxattr_query(&original, name) else { continue };
        let mut value = vec![0; size];
        if let Ok(length) = rustix::fs::fgetxattr(&original, name, &mut value[..]) {
            let _ = rustix::fs::fsetxattr(copy, name, &value[..length], XattrFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(links: &[(&str, &str)], path: &str) -> Result<PathBuf> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        for (link, target) in links {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        locate(mount::place(root.path()).unwrap().as_fd(), Path::new(path))
    }

    #[test]
    fn a_dangling_link_is_followed_to_what_is_missing() {
        let link = [("etc/resolv.conf", "../run/resolved/stub.conf")];
        assert_eq!(located(&link, "/etc/resolv.conf"), Ok("run/resolved/stub.conf".into()));
    }

    #[test]
    fn links_do_not_lead_out_of_the_root() {
        assert_eq!(located(&[("etc/hosts", "../../../../host/passwd")], "/etc/hosts"), Ok("host/passwd".into()));
        assert_eq!(located(&[("a", "/b"), ("b", "/etc")], "/a/x"), Ok("etc/x".into()));
    }

    #[test]
    fn a_cycle_of_links_is_an_error() {
        assert_eq!(located(&[("a", "b"), ("b", "a")], "/a/x"), Err(Errno::LOOP));
    }
}
