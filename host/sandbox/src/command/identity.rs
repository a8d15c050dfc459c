//! The user, the capabilities and the system calls of the command.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use crate::failure::{Attempt, Failure, Step};
use crate::isolation::Isolation;
use crate::spec::{RunSpec, Security, User};
use crate::sys::{self, Instruction};
use crate::wire;

/// Docker's default capabilities.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);
/// The kernel knows fewer than this many.
const CAPABILITIES: u32 = 64;

/// Becomes the user, and gives up what the command is not to have.
///
/// The bounding set decides what root has after `execve`; another user has nothing then. The filter comes before the
/// change of the user, because installing it takes a capability that goes with that change.
///
/// With one id, the descriptor that tells of changes of owners goes through `clerk`.
pub(super) fn assume(spec: &RunSpec, filter: &[Instruction], clerk: Option<BorrowedFd<'_>>) -> Step<()> {
    let user = &spec.user;
    own_standard_streams(user);
    let is_single = spec.isolation == Isolation::SingleId;
    if is_single && user.uid != 0 {
        become_only_user(user).map_err(|errno| failure(user, errno))?;
    }
    drop_capabilities(spec.security, spec.isolation).to("give up capabilities")?;
    if !filter.is_empty() {
        let listener = match sys::install_filter(filter, clerk.is_some()) {
            // The container that leaves us no namespaces has a filter of its own.
            Err(Errno::ACCESS | Errno::PERM) if spec.isolation.is_plain() => None,
            result => result.to("install the seccomp filter")?,
        };
        if let (Some(clerk), Some(listener)) = (clerk, listener) {
            wire::send_descriptor(clerk, listener.as_fd()).to("hand on what tells of changes of owners")?;
        }
    }
    if is_single { Ok(()) } else { switch_user(user).map_err(|errno| failure(user, errno)) }
}

fn failure(user: &User, errno: Errno) -> Failure {
    Failure::User { uid: user.uid, gid: user.gid, errno: errno.raw_os_error() }
}

/// Lets a user who is not root open `/dev/stdout` and the like. It fails for ids that are not mapped, as does the rest then.
fn own_standard_streams(user: &User) {
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        // `/dev/null` is the machine's.
        if rustix::fs::fstat(stream).is_ok_and(|status| rustix::fs::FileType::from_raw_mode(status.st_mode).is_char_device()) {
            continue;
        }
        let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)));
    }
}

/// With one id, another user than root is the same id by another name: that of one more user namespace.
fn become_only_user(user: &User) -> Result<(), Errno> {
    let write = |name: &str, text: String| {
        let path = Path::new("/proc/self").join(name);
        let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    sys::unshare(UnshareFlags::NEWUSER)?;
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{} 0 1", user.gid))?;
    write("uid_map", format!("{} 0 1", user.uid))
}

/// Where a change of the root directory is all the isolation there is, the right to another one would undo it. Without that
/// right the command cannot trace our processes either, which have it (ptrace(2), "Ptrace access mode checking").
pub(crate) fn drop_capabilities(security: Security, isolation: Isolation) -> Result<(), Errno> {
    rustix::thread::clear_ambient_capability_set()?;
    let current = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..current })?;
    if security == Security::Insecure {
        return Ok(());
    }
    let kept = if isolation.is_plain() { KEPT.difference(CapabilitySet::SYS_CHROOT) } else { KEPT };
    let all = (0..CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number));
    for capability in all.filter(|capability| !kept.contains(*capability)) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // One that this kernel does not know.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn switch_user(user: &User) -> Result<(), Errno> {
    let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}
