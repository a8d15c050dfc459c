//! Isolation without namespaces and mounts: a change of the root directory alone, as a container allows it whose seccomp
//! profile refuses the rest.
//!
//! The caller puts into the root directory what would be mounted otherwise, and takes it out again afterwards
//! ([`Provided`]); the supervisor adopts whatever the command leaves behind, and kills it ([`end_descendants`]).

mod copy;
mod kernel_files;
mod processes;
mod provided;

use std::path::{Path, PathBuf};

pub(crate) use processes::end_descendants;
pub(crate) use provided::Provided;

use crate::failure::{Attempt, Step};

/// Where what has to make room in `root` lies meanwhile: beside it, on the same file system.
fn aside(root: &Path) -> PathBuf {
    let mut name = root.as_os_str().to_owned();
    name.push(".aside");
    PathBuf::from(name)
}

/// Makes `root` the root directory of this process. Nothing of the machine may be open in it afterwards but what the
/// command is to have.
pub(crate) fn enter(root: &Path) -> Step<()> {
    let change = || {
        rustix::process::chdir(root)?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")
    };
    change().to("change the root directory (chroot; it takes CAP_SYS_CHROOT)")
}
