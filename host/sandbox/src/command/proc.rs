//! `/proc`: that of the new PID namespace, without what concerns the machine.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::devices::Nodes;
use crate::failure::{Attempt, Step};
use crate::mount::{self, DATA_ONLY};
use crate::spec::{RunSpec, Security};

/// Not to be read, as in docker's and runc's defaults.
const MASKED: [&str; 10] =
    ["acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats"];
/// Not to be written.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Mounts `/proc`.
pub(super) fn mount(spec: &RunSpec, root: BorrowedFd<'_>, nodes: &Nodes) -> Step<()> {
    let proc = mount::new_filesystem("proc", &[], DATA_ONLY)
        .to("mount a fresh /proc (a container that masks parts of its own /proc does not allow it)")?;
    let target = mount::plain_place_inside(root, Path::new("/proc")).to("find /proc in the image, as a directory")?;
    mount::attach(&proc, target.as_fd()).to("mount /proc")?;
    if spec.security == Security::Insecure {
        return Ok(());
    }
    for name in READ_ONLY {
        protect(proc.as_fd(), name).to(&format!("protect /proc/{name}"))?;
    }
    for name in MASKED {
        mask(proc.as_fd(), name, nodes).to(&format!("mask /proc/{name}"))?;
    }
    Ok(())
}

/// Lays a read-only copy of an entry over it.
fn protect(directory: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let Some(place) = entry(directory, name)? else { return Ok(()) };
    let copy = mount::copy_mount(place.as_fd(), true)?;
    mount::restrict(&copy, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    mount::attach(&copy, place.as_fd())
}

/// Lays something empty over an entry.
pub(super) fn mask(directory: BorrowedFd<'_>, name: &str, nodes: &Nodes) -> Result<(), Errno> {
    let Some(place) = entry(directory, name)? else { return Ok(()) };
    let cover = match FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) {
        FileType::Directory => mount::new_filesystem("tmpfs", &[], DATA_ONLY | MountAttrFlags::MOUNT_ATTR_RDONLY)?,
        _ => mount::copy_mount(nodes.null()?, false)?,
    };
    mount::attach(&cover, place.as_fd())
}

fn entry(directory: BorrowedFd<'_>, name: &str) -> Result<Option<std::os::fd::OwnedFd>, Errno> {
    match mount::plain_place_inside(directory, Path::new(name)) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
