//! The file that a call of the command names, as the command sees it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::call::{Change, Place};
use super::open_directory;
use crate::sys::{self, Notification};

/// The longest path, with its end (`PATH_MAX`).
const PATH: usize = 4096;
/// What is read of another process's memory at once; such a piece lies in one page.
const PIECE: usize = 256;

/// The command's mounts, with our own `/proc`: in the command's, we are not.
pub(super) struct View {
    processes: OwnedFd,
    /// The root of the command's mounts, once they were entered.
    root: Option<OwnedFd>,
}

impl View {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { processes: open_directory(CWD, Path::new("/proc"))?, root: None })
    }

    /// Opens what a call names, without rights to read or write it.
    pub(super) fn open(&mut self, change: &Change, call: &Notification, listener: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
        self.enter(call.process)?;
        let of_process = |name: String| PathBuf::from(format!("{}/{name}", call.process));
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = |number: i32| rustix::fs::openat(&self.processes, of_process(format!("fd/{number}")), flags, Mode::empty());
        let descriptor = |number: i32| file(number).map_err(|_| Errno::BADF);
        let (root, base, path) = match change.place {
            Place::Descriptor(number) => (None, descriptor(number)?, None),
            Place::Path { directory, address, may_be_empty, .. } => {
                let path = self.text(call.process, address)?;
                let root = open_directory(&self.processes, &of_process("root".to_owned()))?;
                let base = match directory {
                    Some(number) if !path.starts_with(b"/") => descriptor(number)?,
                    _ => open_directory(&self.processes, &of_process("cwd".to_owned()))?,
                };
                match (path.is_empty(), may_be_empty) {
                    (true, false) => return Err(Errno::NOENT),
                    (true, true) => (None, base, None),
                    (false, _) => (Some(root), base, Some(path)),
                }
            }
        };
        // Until now it is certain that this is the process that asks; another may have its number when it is dead.
        sys::check_notification(listener, call)?;
        let (Some(root), Some(path)) = (root, path) else { return Ok(base) };
        change_root(&root)?;
        rustix::process::fchdir(&base)?;
        let follows = matches!(change.place, Place::Path { follows: true, .. });
        rustix::fs::openat(CWD, path, if follows { flags } else { flags | OFlags::NOFOLLOW }, Mode::empty())
    }

    /// Joins the command's mounts.
    fn enter(&mut self, process: u32) -> Result<(), Errno> {
        if self.root.is_none() {
            let path = format!("{process}/ns/mnt");
            let mounts = rustix::fs::openat(&self.processes, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
            self.root = Some(open_directory(CWD, Path::new("/"))?);
        }
        Ok(())
    }

    /// Goes where links to open files can be read, as paths from the root of all of the command's mounts.
    pub(super) fn leave(&self) -> Result<(), Errno> {
        self.root.as_ref().map_or(Ok(()), change_root)?;
        rustix::process::fchdir(&self.processes)
    }

    /// The link to one of our open files, after [`leave`](Self::leave).
    pub(super) fn link_to(&self, file: &OwnedFd) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("self/fd/{}", file.as_raw_fd()))
    }

    /// The text at an address of a process.
    fn text(&self, process: u32, address: u64) -> Result<Vec<u8>, Errno> {
        let path = format!("{process}/mem");
        let memory = rustix::fs::openat(&self.processes, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let memory = File::from(memory);
        let mut text = Vec::new();
        let mut piece = [0; PIECE];
        while text.len() < PATH {
            let from = address.checked_add(text.len() as u64).ok_or(Errno::FAULT)?;
            let size = PIECE - usize::try_from(from % PIECE as u64).unwrap_or(0);
            let length = memory.read_at(&mut piece[..size], from).map_err(|_| Errno::FAULT)?;
            match piece[..length].iter().position(|&byte| byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&piece[..end]);
                    return Ok(text);
                }
                None if length == 0 => return Err(Errno::FAULT),
                None => text.extend_from_slice(&piece[..length]),
            }
        }
        Err(Errno::NAMETOOLONG)
    }
}

fn change_root(root: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::chroot(".")
}
