//! Opening what lies below a directory without ever leaving it: no symbolic link is followed on the way.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat, openat2, statx};
use rustix::io::Errno;

/// Opens the directory at `path` below `root`; the empty path is `root` itself.
pub(super) fn open_directory(root: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens the file at `path` below `root` for reading. A named pipe without a writer does not block.
pub(super) fn open_file(root: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that know only older system calls.
        Err(Errno::NOSYS | Errno::PERM) => open_by_steps(root, path, flags),
        other => other,
    }
}

/// The same with one `openat` a component.
fn open_by_steps(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut names: Vec<&OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(Errno::XDEV),
        }
    }
    let Some(last) = names.pop() else { return openat(root, ".", flags, Mode::empty()) };
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parent: Option<OwnedFd> = None;
    for name in names {
        let at = parent.as_ref().map_or(root, AsFd::as_fd);
        parent = Some(openat(at, name, step, Mode::empty())?);
    }
    openat(parent.as_ref().map_or(root, AsFd::as_fd), last, flags, Mode::empty())
}

/// What is at `name` in the open directory, itself and not what it links to.
pub(super) fn look(directory: BorrowedFd<'_>, name: impl rustix::path::Arg) -> rustix::io::Result<Statx> {
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS)
}

/// What is open.
pub(super) fn look_at(file: BorrowedFd<'_>) -> rustix::io::Result<Statx> {
    statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn neither_way_follows_links_or_climbs_out() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        let inner = outer.path().join("context");
        std::fs::create_dir_all(inner.join("d/e")).unwrap();
        std::fs::write(inner.join("d/e/f"), "x").unwrap();
        symlink("../secret", inner.join("link")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink("d", inner.join("inside")).unwrap();
        let root = std::fs::File::open(&inner).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for path in ["link", "up/secret", "../secret", "inside/e/f", "/etc/passwd"] {
            assert!(open_file(root.as_fd(), Path::new(path)).is_err(), "{path}");
            assert!(open_by_steps(root.as_fd(), Path::new(path), flags).is_err(), "{path}");
        }
        for path in ["d/e/f", "./d/./e/f"] {
            assert!(open_file(root.as_fd(), Path::new(path)).is_ok(), "{path}");
            assert!(open_by_steps(root.as_fd(), Path::new(path), flags).is_ok(), "{path}");
        }
        assert!(open_directory(root.as_fd(), Path::new("")).is_ok());
    }

    #[test]
    fn a_pipe_without_writer_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(directory.path()).unwrap();
        rustix::fs::mknodat(&root, "p", rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(open_file(root.as_fd(), Path::new("p")).is_ok());
    }
}
