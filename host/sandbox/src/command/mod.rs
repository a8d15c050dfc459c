//! The command's own process: builds its surroundings, then becomes the command.

mod devices;
mod execute;
mod extra;
pub(crate) mod files;
pub(crate) mod identity;
mod interpreter;
pub(crate) mod overlay;
mod proc;
mod root;
mod scaffold;
pub(crate) mod stubs;
mod system;

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::Signal;
use rustix::thread::UnshareFlags;

use crate::failure::{Attempt, Failure, Step};
use crate::isolation::Isolation;
use crate::spec::{Network, RunSpec, Security, Tree};
use crate::wire::{self, Order, Report};
use crate::{chroot, mount, sys, ulimit};

/// The exit code of a process of ours that could not do its work.
pub(crate) const FAILED: u8 = 125;

/// Becomes the command. Returns only when that fails, after having told the caller why.
pub(crate) fn start(order: Order, socket: &OwnedFd, clerk: Option<&OwnedFd>) -> u8 {
    let failure = match prepare(order, socket, clerk) {
        Ok(spec) => execute::execute(&spec),
        Err(failure) => failure,
    };
    wire::send_report(socket.as_fd(), &Report::Failed(failure));
    FAILED
}

fn prepare(order: Order, socket: &OwnedFd, clerk: Option<&OwnedFd>) -> Step<RunSpec> {
    sys::reset_signals();
    let stdin = standard_input(order.stdin)?;
    match &order.spec.root {
        Tree::Directory(root) if order.spec.isolation == Isolation::Chroot => chroot::enter(root)?,
        // The step's files are there already.
        _ if order.spec.isolation == Isolation::InPlace => rustix::process::chdir("/").to("enter the root directory")?,
        _ => isolate(&order.spec, &order.secrets)?,
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    enter_directory(&order.spec)?;
    rustix::stdio::dup2_stdin(&stdin).to("set standard input")?;
    ulimit::set(&order.spec.ulimits)?;
    identity::assume(&order.spec, &order.filter, clerk.map(AsFd::as_fd))?;
    sys::close_on_exec_from(3).to("close the files that the command is not to have")?;
    die_with_supervisor(socket)?;
    Ok(order.spec)
}

/// Moves this process into namespaces of its own and into the new root. It must be process 1 of its PID namespace.
pub(crate) fn isolate(spec: &RunSpec, secrets: &[OwnedFd]) -> Step<()> {
    rustix::process::umask(Mode::empty());
    enter_namespaces(spec)?;
    let scaffold = scaffold::Scaffold::new()?;
    let nodes = devices::Nodes::open()?;
    let files = files::Files::write(spec, &scaffold)?;
    let extra = extra::prepare(spec, &scaffold, secrets)?;
    let root = root::mount(spec, &scaffold, &extra)?;
    files.mount(root.as_fd())?;
    proc::mount(spec, root.as_fd(), &nodes)?;
    system::mount(spec, root.as_fd(), &nodes)?;
    devices::mount(spec, root.as_fd(), &nodes)?;
    extra::attach(&extra, root.as_fd())?;
    enter_root(&root)
}

fn enter_namespaces(spec: &RunSpec) -> Step<()> {
    let mut namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    namespaces.set(UnshareFlags::NEWNET, spec.network == Network::None);
    sys::unshare(namespaces).to("make namespaces")?;
    // What cannot be had here hides nothing that matters: the paths of control groups.
    let _ = sys::unshare(UnshareFlags::NEWCGROUP);
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).to("keep mounts to this process")?;
    rustix::system::sethostname(spec.hostname.as_bytes()).to("set the host name")?;
    if spec.network == Network::None {
        sys::bring_up_loopback().to("bring up the loopback interface")?;
    }
    Ok(())
}

/// Makes `root` the root directory, and lets go of the machine's file systems.
fn enter_root(root: &OwnedFd) -> Step<()> {
    let change = || {
        rustix::process::fchdir(root)?;
        rustix::process::pivot_root(".", ".")?;
        // The old root now lies on top of the new one, and `/..` would lead into it.
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")
    };
    change().to("change the root directory (pivot_root; it is refused where the machine runs from its initramfs or in a chroot)")
}

/// Links of `/proc` are refused: they lead to directories of the machine (CVE-2024-21626).
fn enter_directory(spec: &RunSpec) -> Step<()> {
    let enter = || {
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        rustix::process::fchdir(mount::open_inside(root.as_fd(), &spec.directory, flags, ResolveFlags::IN_ROOT)?)
    };
    enter().map_err(|errno: Errno| Failure::Directory { path: spec.directory.clone(), errno: errno.raw_os_error() })
}

/// The given bytes; `/dev/null` of the machine where there are none.
fn standard_input(given: OwnedFd) -> Step<OwnedFd> {
    match rustix::fs::fstat(&given) {
        Ok(status) if status.st_size > 0 => Ok(given),
        _ => rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).to("open /dev/null"),
    }
}

/// Asks for death together with the supervisor, which may be dead already.
fn die_with_supervisor(socket: &OwnedFd) -> Step<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).to("ask for death with the supervisor")?;
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(0) => Ok(()),
        _ => Err(Errno::PIPE).to("reach the caller"),
    }
}

/// Attributes of mounts that hold what an image brings: its device nodes are data and give no access.
fn content_attributes(spec: &RunSpec) -> MountAttrFlags {
    match spec.security {
        Security::Sandbox => MountAttrFlags::MOUNT_ATTR_NODEV,
        Security::Insecure => MountAttrFlags::empty(),
    }
}
