//! The process between the caller and the command: it outlives neither.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_type;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use rustix::thread::UnshareFlags;

use crate::failure::Attempt;
use crate::isolation::Isolation;
use crate::owners::Clerk;
use crate::status::ExitStatus;
use crate::wire::{self, Order, Report};
use crate::{chroot, command, sys};

/// `argv[0]` of the copy of the program that is to be a supervisor.
pub(crate) const PROGRAM_NAME: &str = "windlass-sandbox";

/// To be called first in `main`, before any thread starts. In the copy of the program that a run starts, it does that
/// run's work and never returns; otherwise it returns at once.
pub fn init() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_some_and(|name| name == PROGRAM_NAME) && arguments.next().is_none() {
        supervise_if_asked();
    }
}

/// [`init`] for the time before `main`, when the standard library does not know the arguments yet.
#[doc(hidden)]
pub fn init_before_main() {
    if std::fs::read("/proc/self/cmdline").is_ok_and(|line| line.strip_suffix(b"\0") == Some(PROGRAM_NAME.as_bytes())) {
        supervise_if_asked();
    }
}

fn supervise_if_asked() {
    // A user may have given the program this name; only a run gives it a socket as standard input.
    let stdin = rustix::stdio::stdin();
    if socket_type(stdin).is_ok_and(|kind| kind == SocketType::SEQPACKET)
        && let Ok(socket) = stdin.try_clone_to_owned()
    {
        sys::exit(supervise(&socket));
    }
}

/// Runs one command to its end. Returns the exit code of the supervisor itself, which means nothing to the caller.
fn supervise(socket: &OwnedFd) -> u8 {
    // Out of the reach of the terminal's Ctrl-C, which is for the caller to act on.
    let _ = rustix::process::setsid();
    let Ok(Some(order)) = wire::receive_order(socket.as_fd()) else { return command::FAILED };
    let isolation = order.spec.isolation;
    if isolation.is_plain() {
        hide_from_steps();
    }
    let started = start_clerk(&order).and_then(|(clerk, channel)| {
        adopt(isolation)?;
        Ok((sys::fork(move || command::start(order, socket, channel.as_ref()))?, clerk))
    });
    match started.to("start a process that ends with all its descendants") {
        Ok((pid, clerk)) => {
            let status = watch(socket, pid);
            if isolation.is_plain() {
                chroot::end_descendants();
            }
            if let Some(clerk) = clerk {
                clerk.end();
            }
            wire::send_report(socket.as_fd(), &Report::Exited(status));
            0
        }
        Err(failure) => {
            wire::send_report(socket.as_fd(), &Report::Failed(failure));
            command::FAILED
        }
    }
}

/// Keeps this process's memory, environment and open files from other processes of the same user: it takes a right to
/// trace that no step has.
pub(crate) fn hide_from_steps() {
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// With one id, starts who notes down the wanted owners; also gives the command's way to it.
fn start_clerk(order: &Order) -> Result<(Option<Clerk>, Option<OwnedFd>), Errno> {
    if order.spec.isolation != Isolation::SingleId {
        return Ok((None, None));
    }
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let user = (order.spec.user.uid, order.spec.user.gid);
    Ok((Some(Clerk::start(ours, order.spec.owners.clone(), user)?), Some(theirs)))
}

/// Sees to it that no process of the command can get away: by a PID namespace, or by becoming the parent of orphans.
fn adopt(isolation: Isolation) -> Result<(), Errno> {
    if isolation.is_plain() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
    } else {
        sys::unshare(UnshareFlags::NEWPID)
    }
}

/// Waits until the command has ended, and kills it when the caller hangs up.
fn watch(socket: &OwnedFd, pid: Pid) -> ExitStatus {
    close_output();
    if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
        let mut fds = [PollFd::new(socket, PollFlags::RDHUP), PollFd::new(&process, PollFlags::IN)];
        while poll(&mut fds, None) == Err(Errno::INTR) {}
        if !fds[1].revents().is_empty() {
            return wait(pid);
        }
    }
    // Also reached without a descriptor to wait on: better no run than one that cannot be stopped.
    let _ = kill_process(pid, Signal::KILL);
    wait(pid)
}

/// The output is the command's alone: whoever reads it is not to wait for the supervisor.
pub(crate) fn close_output() {
    if let Ok(null) = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Waits for the first process of the PID namespace. The kernel lets it end only after all others in there are gone.
fn wait(pid: Pid) -> ExitStatus {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(code) = status.exit_status() {
                    return ExitStatus::Code(code);
                }
                if let Some(signal) = status.terminating_signal() {
                    return ExitStatus::Signal(signal);
                }
            }
            Err(Errno::INTR) | Ok(None) => {}
            Err(_) => return ExitStatus::Signal(Signal::KILL.as_raw()),
        }
    }
}
