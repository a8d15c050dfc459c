//! `/dev`: the six devices that every program may expect, terminals, shared memory and message queues.
//!
//! The devices are the machine's own, mounted one by one. All other mounts are `nodev`, so a device node that the step
//! makes, or that an image brings, opens nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::failure::{Attempt, Step};
use crate::isolation::Isolation;
use crate::mount::{self, DATA_ONLY};
use crate::spec::RunSpec;

const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];
const NOSUID_NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// The size of `/dev/shm`, as docker has it.
const DEFAULT_SHARED_MEMORY: u64 = 64 << 20;

/// The machine's device nodes.
pub(super) struct Nodes(Vec<(&'static str, OwnedFd)>);

impl Nodes {
    /// Opens them while the machine's `/dev` can be reached.
    pub(super) fn open() -> Step<Self> {
        let open = |name| {
            let path = Path::new("/dev").join(name);
            match mount::place(&path) {
                // A small container may lack one or the other; then so do its steps.
                Err(Errno::NOENT) if name != "null" => None,
                node => Some(node.map(|node| (name, node)).to(&format!("open {}", path.display()))),
            }
        };
        NODES.into_iter().filter_map(open).collect::<Step<_>>().map(Self)
    }

    /// `/dev/null`.
    pub(super) fn null(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.0.first().map(|(_, node)| node.as_fd()).ok_or(Errno::NOENT)
    }
}

/// Mounts `/dev`.
pub(super) fn mount(spec: &RunSpec, root: BorrowedFd<'_>, nodes: &Nodes) -> Step<()> {
    let options = [("mode", Some("0755")), ("size", Some("65536k"))];
    let dev = mount::new_filesystem("tmpfs", &options, NOSUID_NODEV).to("make /dev")?;
    let target = mount::plain_place_inside(root, Path::new("/dev")).to("find /dev in the image, as a directory")?;
    mount::attach(&dev, target.as_fd()).to("mount /dev")?;
    for (name, node) in &nodes.0 {
        add_node(dev.as_fd(), name, node).to(&format!("mount /dev/{name}"))?;
    }
    for (link_target, name) in LINKS {
        symlinkat(link_target, &dev, name).to(&format!("make /dev/{name}"))?;
    }
    add_filesystem(dev.as_fd(), "pts", "devpts", &terminal_options(spec.isolation)).to("mount /dev/pts")?;
    let shared = spec.shm_size.unwrap_or(DEFAULT_SHARED_MEMORY).to_string();
    add_filesystem(dev.as_fd(), "shm", "tmpfs", &[("mode", Some("1777")), ("size", Some(&shared))]).to("mount /dev/shm")?;
    match add_filesystem(dev.as_fd(), "mqueue", "mqueue", &[]) {
        // A kernel without message queues.
        Err(Errno::NODEV) => Ok(()),
        result => result.to("mount /dev/mqueue"),
    }
}

fn add_node(dev: BorrowedFd<'_>, name: &str, node: &OwnedFd) -> Result<(), Errno> {
    let place = openat(dev, name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    mount::attach(&mount::copy_mount(node.as_fd(), false)?, place.as_fd())
}

fn add_filesystem(dev: BorrowedFd<'_>, name: &str, kind: &str, options: &[mount::FsOption<'_>]) -> Result<(), Errno> {
    let mut attributes = DATA_ONLY;
    // Terminals are devices.
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, kind != "devpts");
    mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    let filesystem = mount::new_filesystem(kind, options, attributes)?;
    mount::attach(&filesystem, mount::plain_place_inside(dev, Path::new(name))?.as_fd())
}

/// Group 5 is `tty` in every distribution; with one id there is no such group.
fn terminal_options(isolation: Isolation) -> Vec<mount::FsOption<'static>> {
    let mut options = vec![("newinstance", None), ("ptmxmode", Some("0666")), ("mode", Some("0620"))];
    if isolation != Isolation::SingleId {
        options.push(("gid", Some("5")));
    }
    options
}
