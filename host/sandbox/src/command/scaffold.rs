//! A private file system in memory, from which the root is put up and which is gone with the old root.

use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Result;
use rustix::mount::MountAttrFlags;

use crate::failure::{Attempt, Step};
use crate::mount;

/// The scaffold. It covers the machine's `/proc`, the one directory where nobody has files of his own.
pub(super) struct Scaffold {
    directory: OwnedFd,
    descriptors: OwnedFd,
    count: Cell<u32>,
}

impl Scaffold {
    pub(super) fn new() -> Step<Self> {
        let make = || {
            let descriptors = mount::place(Path::new("/proc/self/fd"))?;
            let directory = mount::new_filesystem("tmpfs", &[("mode", Some("0700"))], MountAttrFlags::empty())?;
            mount::attach(&directory, mount::place(Path::new("/proc"))?.as_fd())?;
            Ok(Self { directory, descriptors, count: Cell::new(0) })
        };
        make().to("mount a tmpfs over the machine's /proc")
    }

    /// The machine's `/proc/self/fd`, which names the files that this process has open.
    pub(super) fn descriptors(&self) -> &OwnedFd {
        &self.descriptors
    }

    /// Makes a directory, which is empty and has mode 755.
    pub(super) fn directory(&self) -> Result<OwnedFd> {
        let name = self.next_name();
        rustix::fs::mkdirat(&self.directory, name.as_c_str(), Mode::from_raw_mode(0o755))?;
        self.open(&name)
    }

    /// Makes a directory, has something mounted on it, and opens what is mounted.
    pub(super) fn mounted(&self, mount: impl FnOnce(OwnedFd) -> Result<()>) -> Result<OwnedFd> {
        let name = self.next_name();
        rustix::fs::mkdirat(&self.directory, name.as_c_str(), Mode::from_raw_mode(0o755))?;
        mount(self.open(&name)?)?;
        self.open(&name)
    }

    fn open(&self, name: &CString) -> Result<OwnedFd> {
        openat(&self.directory, name.as_c_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Makes a file, and gives it with a descriptor that can be written to.
    pub(super) fn file(&self, mode: Mode) -> Result<OwnedFd> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&self.directory, self.next_name().as_c_str(), flags, mode)
    }

    /// Attaches a mount to a new directory, from which parts of it can be mounted elsewhere.
    pub(super) fn attach(&self, mount: &OwnedFd) -> Result<()> {
        mount::attach(mount, self.directory()?.as_fd())
    }

    fn next_name(&self) -> CString {
        self.count.set(self.count.get() + 1);
        CString::new(self.count.get().to_string()).unwrap_or_default()
    }
}
