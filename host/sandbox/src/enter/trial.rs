//! Trying an isolation, in a child process: the real set-up, with an empty root and without a command.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkdirat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use rustix::thread::UnshareFlags;

use super::{Mapping, refusal};
use crate::command;
use crate::failure::Failure;
use crate::isolation::Isolation;
use crate::run::RunError;
use crate::spec::{RunSpec, Security, Tree, Upper};
use crate::sys;

/// Longer reasons are cut.
const REASON: u64 = 4096;

/// Tries an isolation; the error is the reason why it cannot be had. `mapping` is that of the user namespace to make.
pub(super) fn run(isolation: Isolation, store: Option<&Path>, mapping: Option<&Mapping>) -> Result<(), String> {
    in_child(|| outer(isolation, store, mapping))
}

/// Tries a change of the root directory, and the rest that the isolation by it takes.
pub(super) fn chroot(store: Option<&Path>) -> Result<(), String> {
    let parent = store.map_or_else(std::env::temp_dir, Path::to_owned);
    let directory = parent.join(format!(".windlass-trial-{}", getpid().as_raw_nonzero()));
    std::fs::remove_dir(&directory).ok();
    mkdirat(CWD, &directory, Mode::RWXU).map_err(|errno| format!("{} cannot be written to ({errno})", directory.display()))?;
    let tried = in_child(|| {
        give_away(&directory)?;
        crate::chroot::enter(&directory).map_err(|failure| describe(failure.into()))?;
        let dropped = command::identity::drop_capabilities(Security::Sandbox, Isolation::Chroot);
        dropped.map_err(|errno| format!("capabilities cannot be given up ({errno}): CAP_SETPCAP is missing"))
    });
    let _ = std::fs::remove_dir(&directory);
    tried
}

/// Tries what the isolation in place takes, in a container of an image that is made for it.
pub(super) fn in_place(store: Option<&Path>) -> Result<(), String> {
    crate::in_place::check(store)?;
    let name = format!(".windlass-trial-{}", getpid().as_raw_nonzero());
    let (directory, moved) = (store.map_or_else(std::env::temp_dir, Path::to_owned).join(&name), Path::new("/").join(&name));
    mkdirat(CWD, &directory, Mode::RWXU).map_err(|errno| format!("{} cannot be written to ({errno})", directory.display()))?;
    let tried = in_child(|| {
        give_away(&directory)?;
        let dropped = command::identity::drop_capabilities(Security::Sandbox, Isolation::InPlace);
        dropped.map_err(|errno| format!("capabilities cannot be given up ({errno}): CAP_SETPCAP is missing"))
    });
    let tried = tried.and_then(|()| {
        let exchanged = std::fs::rename(&directory, &moved).and_then(|()| std::fs::rename(&moved, &directory));
        exchanged.map_err(|error| format!("files cannot be moved from {} to `/` and back ({error})", directory.display()))
    });
    let _ = std::fs::remove_dir(&directory);
    tried
}

fn give_away(directory: &Path) -> Result<(), String> {
    let owned = std::os::unix::fs::chown(directory, Some(1), Some(1));
    owned.map_err(|error| format!("files cannot be given to other users ({error}): CAP_CHOWN is missing"))
}

/// Runs `work` in a child, and gives its answer.
fn in_child(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
    let child = sys::fork(move || {
        let Err(reason) = work() else { return 0 };
        let _ = rustix::io::write(&writer, reason.as_bytes());
        1
    });
    let child = child.map_err(|errno| format!("no process can be started ({errno})"))?;
    let mut reason = String::new();
    let read = File::from(reader).take(REASON).read_to_string(&mut reason);
    match (wait(child), read) {
        (true, _) => Ok(()),
        (false, Ok(1..)) => Err(reason),
        (false, _) => Err("the trial ended without an answer".to_owned()),
    }
}

/// The child: enters the user namespace, and makes the directories that the root is put together of.
fn outer(isolation: Isolation, store: Option<&Path>, mapping: Option<&Mapping>) -> Result<(), String> {
    if let Some(mapping) = mapping {
        mapping.enter(UnshareFlags::NEWNS | UnshareFlags::NEWPID)?;
    } else {
        let needed = UnshareFlags::NEWNS | UnshareFlags::NEWPID;
        sys::unshare(needed).map_err(|errno| format!("namespaces are refused ({errno}): CAP_SYS_ADMIN is missing"))?;
    }
    let scratch = Scratch::new(store).map_err(|(path, errno)| format!("{} cannot be written to ({errno})", path.display()))?;
    let spec = RunSpec::new(isolation, scratch.tree(), Vec::new());
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
    let inner = sys::fork(move || match command::isolate(&spec, &[]) {
        Ok(()) => 0,
        Err(failure) => tell(&writer, failure),
    });
    let inner = inner.map_err(|errno| format!("no process can be started ({errno})"))?;
    let mut reason = String::new();
    let _ = File::from(reader).take(REASON).read_to_string(&mut reason);
    if wait(inner) { Ok(()) } else { Err(reason + if mapping.is_some() { refusal::hint() } else { "" }) }
}

fn tell(writer: &OwnedFd, failure: Failure) -> u8 {
    let _ = rustix::io::write(writer, describe(failure.into()).as_bytes());
    1
}

fn describe(error: RunError) -> String {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("cannot {error}{cause}")
}

fn wait(pid: Pid) -> bool {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) => return status.exit_status() == Some(0),
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Directories for the trial, removed when dropped. They are in the store, or, where that is not known, in memory.
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn new(store: Option<&Path>) -> Result<Self, (PathBuf, Errno)> {
        let parent = match store {
            Some(store) => store.to_owned(),
            None => Self::mount_memory().map_err(|errno| (PathBuf::from("a tmpfs on /tmp"), errno))?,
        };
        // A process that had the same id may have been killed here.
        let directory = parent.join(format!(".windlass-trial-{}", getpid().as_raw_nonzero()));
        let scratch = Self { directory };
        std::fs::remove_dir_all(&scratch.directory).ok();
        for path in ["", "lower", "upper", "work"].map(|name| scratch.directory.join(name)) {
            mkdirat(CWD, &path, Mode::RWXU).map_err(|errno| (path, errno))?;
        }
        Ok(scratch)
    }

    /// Mounts a file system over `/tmp`, in this process's mount namespace.
    fn mount_memory() -> rustix::io::Result<PathBuf> {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount("tmpfs", "/tmp", "tmpfs", MountFlags::empty(), None)?;
        Ok(PathBuf::from("/tmp"))
    }

    fn tree(&self) -> Tree {
        let upper = Upper { directory: self.directory.join("upper"), work: self.directory.join("work") };
        Tree::Layers { lower: vec![self.directory.join("lower")], upper: Some(upper) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
