//! Why the kernel refuses user namespaces: it gives one and the same error for many reasons.

use std::fs;
use std::io;

use rustix::io::Errno;

/// Explains a refused `unshare(CLONE_NEWUSER)`.
pub(super) fn of_user_namespace(errno: Errno) -> String {
    let reason = match errno {
        Errno::NOSPC => "their number is limited to none or used up (sysctl user.max_user_namespaces)",
        Errno::NOSYS | Errno::INVAL => "the kernel is built without them",
        Errno::PERM if is("/proc/sys/kernel/unprivileged_userns_clone", "0") => "sysctl kernel.unprivileged_userns_clone is 0",
        Errno::PERM if is_seccomp_filtered() => {
            "a seccomp filter, such as that of a container runtime, forbids it (seccomp profile `Unconfined` would not)"
        }
        Errno::PERM => "the process is in a chroot, or a security module forbids it",
        _ => return format!("user namespaces are refused ({errno})"),
    };
    format!("user namespaces are refused: {reason}")
}

/// Explains a refused mapping of ids.
pub(super) fn of_mapping(error: &io::Error) -> String {
    format!("the user's id cannot be mapped into a user namespace ({error}){}", hint())
}

/// Adds to a refusal inside of a user namespace what the machine is known to forbid there.
pub(super) fn hint() -> &'static str {
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "; AppArmor takes the rights inside of user namespaces away here \
         (sysctl kernel.apparmor_restrict_unprivileged_userns is 1)"
    } else {
        ""
    }
}

fn is(file: &str, value: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == value)
}

/// Whether this process has a filter, from `/proc/self/status`.
fn is_seccomp_filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}
