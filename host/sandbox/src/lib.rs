//! Runs one process of a Dockerfile `RUN` step in isolation, on an overlay of layer directories.
//!
//! Three processes take part. The *caller* ([`run`]) starts a copy of its own program, the *supervisor*, and reads the
//! output. The supervisor makes a PID namespace, forks the *command* into it, and ends when the command has ended, the
//! caller asks for it, or the caller is gone. The command, process 1 of its namespace, makes all other namespaces and
//! mounts, gives up what it does not need, and executes the step. When it dies, the kernel kills whatever else runs in
//! the namespace and undoes the mounts, so nothing has to be cleaned up after any end.
//!
//! Where neither namespaces nor mounts can be had, [`Isolation::Chroot`] changes the root directory alone, and
//! [`Isolation::InPlace`] not even that.
//!
//! A program that embeds this crate calls [`init`] first in `main`, and [`enter_user_namespace`] right after it.

mod cancel;
mod chroot;
mod command;
mod enter;
mod failure;
mod in_place;
mod isolation;
mod limits;
mod lines;
mod mount;
mod owners;
mod run;
mod seccomp;
mod spec;
mod status;
mod supervisor;
mod sys;
mod ulimit;
mod wire;

#[cfg(test)]
mod tests;

pub use cancel::Cancel;
pub use enter::{EnterError, Request, enter_user_namespace};
pub use isolation::{Isolation, Probe, UnknownIsolation};
pub use limits::{LimitGroup, Limits, Unlimited};
pub use owners::OwnerRecord;
pub use run::{RunError, run};
pub use spec::{
    DEFAULT_HOSTNAME, Dns, Host, Mount, MountKind, Network, RunSpec, SecretContent, Security, SpecError, Tree, Upper, User,
};
pub use status::ExitStatus;
pub use supervisor::{init, init_before_main};
pub use ulimit::Ulimit;

/// Calls [`init`] before `main`, for test programs, whose `main` belongs to the test harness. Once a program.
#[macro_export]
macro_rules! init_in_tests {
    () => {
        // SAFETY: the C library calls the functions of this section once, after it has set itself up.
        #[used]
        #[unsafe(link_section = ".init_array")]
        static WINDLASS_SANDBOX_INIT: extern "C" fn() = {
            extern "C" fn start() {
                $crate::init_before_main();
            }
            start
        };
    };
}
