//! Opening paths below a directory, never through a symbolic link and never outside.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Opens `path`, which must be clean, below `root`; the empty path is the root itself.
pub(crate) fn open(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let root = root.as_fd();
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if path.as_os_str().is_empty() {
        return Ok(rustix::fs::openat(root, c".", flags, Mode::empty())?);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(fd) => Ok(fd),
        // Kernels before 5.6 lack the call, and the seccomp profiles of old container engines refuse it.
        Err(Errno::NOSYS | Errno::PERM) => open_by_steps(root, path, flags),
        Err(error) => Err(error.into()),
    }
}

/// As [`open`], a name at a time.
fn open_by_steps(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let (parent, name) = crate::path::split(path).ok_or(Errno::INVAL)?;
    let mut directory: Option<OwnedFd> = None;
    for part in parent {
        let at = directory.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        let next = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        directory = Some(rustix::fs::openat(at, part, next, Mode::empty())?);
    }
    let at = directory.as_ref().map_or(root.as_fd(), AsFd::as_fd);
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Opener = fn(OwnedFd, &Path, OFlags) -> io::Result<OwnedFd>;

    /// The ways out that CVE-2018-15664 and CVE-2021-30465 took: a link in the middle, and one at the end.
    #[test]
    fn no_link_is_followed_by_either_way_of_opening() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("real/inner")).unwrap();
        std::fs::write(directory.path().join("real/inner/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("out")).unwrap();
        std::os::unix::fs::symlink("real", directory.path().join("in")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("real/file")).unwrap();
        let ways: [Opener; 2] =
            [|fd, path, flags| open(fd, path, flags), |fd, path, flags| open_by_steps(fd, path, flags | OFlags::NOFOLLOW)];
        for way in ways {
            let root = || std::fs::File::open(directory.path()).unwrap().into();
            assert!(way(root(), Path::new("real/inner/file"), OFlags::RDONLY).is_ok());
            for path in ["out/passwd", "in/inner", "real/file"] {
                assert!(way(root(), Path::new(path), OFlags::RDONLY).is_err(), "{path}");
            }
        }
    }
}
