//! `/sys`: read-only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::devices::Nodes;
use super::proc::mask;
use crate::failure::{Attempt, Step};
use crate::mount::{self, DATA_ONLY};
use crate::spec::{RunSpec, Security};

/// Parts that tell about the machine's firmware and power, as in docker's defaults.
const MASKED: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// Mounts `/sys`.
pub(super) fn mount(spec: &RunSpec, root: BorrowedFd<'_>, nodes: &Nodes) -> Step<()> {
    let is_sandbox = spec.security == Security::Sandbox;
    let mut attributes = DATA_ONLY;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, is_sandbox);
    let sys = fresh_or_copied(attributes).to("mount /sys")?;
    let target = mount::plain_place_inside(root, Path::new("/sys")).to("find /sys in the image, as a directory")?;
    mount::attach(&sys, target.as_fd()).to("mount /sys")?;
    for name in MASKED.iter().filter(|_| is_sandbox) {
        mask(sys.as_fd(), name, nodes).to(&format!("mask /sys/{name}"))?;
    }
    Ok(())
}

/// A user namespace may mount a fresh one only for a network of its own; it gets the machine's otherwise.
fn fresh_or_copied(attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    match mount::new_filesystem("sysfs", &[], attributes) {
        Err(Errno::PERM) => {
            let copy = mount::copy_mount(mount::place(Path::new("/sys"))?.as_fd(), true)?;
            mount::restrict(&copy, attributes)?;
            Ok(copy)
        }
        result => result,
    }
}
