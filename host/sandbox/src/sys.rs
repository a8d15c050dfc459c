//! The system calls that rustix has no safe function for.
#![expect(
    unsafe_code,
    reason = "fork, execve, seccomp and a few others have no safe wrapper; each call is small and says why it is sound"
)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, Result};
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Forks. The child runs `child` and ends with the code that it returns, without unwinding or exit handlers.
///
/// To be called while the process has one thread only: the child could otherwise wait for ever for a lock that a
/// thread, which it does not have, was holding.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> Result<Pid> {
    // SAFETY: the process has one thread (the contract above), so the child is a complete copy of it.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        0 => exit(std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(crate::command::FAILED)),
        pid => Pid::from_raw(pid).ok_or(Errno::CHILD),
    }
}

/// Ends the process at once.
pub(crate) fn exit(code: u8) -> ! {
    // SAFETY: takes no pointer and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Moves this process (or its future children, for the PID namespace) into new namespaces.
pub(crate) fn unshare(namespaces: UnshareFlags) -> Result<()> {
    // SAFETY: no caller passes CLONE_FILES, the one flag by which safe code could lose descriptors.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// Executes a program; returns only when that fails.
pub(crate) fn execve(path: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: the path and both lists end with a NUL, and all outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_error()
}

/// Lets every descriptor from `first` on be closed when a program is executed.
pub(crate) fn close_on_exec_from(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: takes no pointer, and closes nothing before `execve`.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) })
}

/// Gives every signal its default action and blocks none.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: default actions run no code of ours. Numbers that cannot be changed are refused, which is fine.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero set is a valid argument, and is made empty by the first call.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Sets attributes of a mount, and of all below it where `recursive`.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: MountAttrFlags, recursive: bool) -> Result<()> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let request = MountAttributes { set: u64::from(attributes.bits()), clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is empty, and the structure has the layout and the size that are passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const request,
            size_of::<MountAttributes>(),
        )
    })
}

/// One instruction of a seccomp filter (`struct sock_filter` of `linux/filter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) if_true: u8,
    pub(crate) if_false: u8,
    pub(crate) operand: u32,
}

/// Installs a seccomp filter for this thread. Needs CAP_SYS_ADMIN, because setuid programs are left usable. With
/// `is_told`, gives the descriptor from which the calls can be received that the filter wants to be told of.
pub(crate) fn install_filter(program: &[Instruction], is_told: bool) -> Result<Option<OwnedFd>> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const Instruction,
    }
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let filter = Program { length, instructions: program.as_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | if is_told { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: the kernel copies `length` instructions, which `program` holds, and checks them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    check(result)?;
    let listener = RawFd::try_from(result).ok().filter(|_| is_told);
    // SAFETY: with this flag, the kernel answers with a new descriptor that nobody else owns.
    Ok(listener.map(|listener| unsafe { OwnedFd::from_raw_fd(listener) }))
}

/// A system call that a filter tells of (`struct seccomp_notif` of `linux/seccomp.h`, with `struct seccomp_data`).
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The thread that makes it, as the receiver's PID namespace numbers it.
    pub(crate) process: u32,
    pub(crate) flags: u32,
    pub(crate) number: i32,
    pub(crate) architecture: u32,
    pub(crate) instruction: u64,
    pub(crate) arguments: [u64; 6],
}

/// Waits for a call that a filter tells of.
pub(crate) fn receive_notification(listener: BorrowedFd<'_>) -> Result<Notification> {
    const RECEIVE: u32 = 0xc050_2100; // SECCOMP_IOCTL_NOTIF_RECV
    let mut notification = Notification::default();
    // SAFETY: the kernel writes one such structure, which is all zeros as it asks for.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut notification) })?;
    Ok(notification)
}

/// Whether the process that makes the call still waits for an answer.
pub(crate) fn check_notification(listener: BorrowedFd<'_>, notification: &Notification) -> Result<()> {
    const IS_VALID: u32 = 0x4008_2102; // SECCOMP_IOCTL_NOTIF_ID_VALID
    // SAFETY: the kernel reads one number.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), IS_VALID as _, &raw const notification.id) })
}

/// Lets a call end: with success, without being made, or with an error.
pub(crate) fn answer_notification(listener: BorrowedFd<'_>, notification: &Notification, result: Result<()>) -> Result<()> {
    const SEND: u32 = 0xc018_2101; // SECCOMP_IOCTL_NOTIF_SEND
    #[repr(C)]
    struct Answer {
        id: u64,
        value: i64,
        error: i32,
        flags: u32,
    }
    let error = result.err().map_or(0, |errno| -errno.raw_os_error());
    let answer = Answer { id: notification.id, value: 0, error, flags: 0 };
    // SAFETY: the kernel reads one such structure.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const answer) })
}

/// Brings up the loopback interface of this network namespace.
pub(crate) fn bring_up_loopback() -> Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an all-zero request is valid; the name is set, and the flags are the variant that this request reads.
    check(i64::from(unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    }))
}

fn check(result: impl Into<i64>) -> Result<()> {
    if result.into() < 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
