//! The caller's side of a run: starts the supervisor, reads the output, and sees to the end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use windlass_core::event::Stream;

use crate::cancel::Cancel;
use crate::chroot::Provided;
use crate::failure::{CommandProblem, Failure};
use crate::in_place::{self, Exchange, MountPoints};
use crate::isolation::Isolation;
use crate::lines::Lines;
use crate::mount;
use crate::spec::{Network, RunSpec, SpecError, Tree};
use crate::status::ExitStatus;
use crate::supervisor::PROGRAM_NAME;
use crate::wire::{self, Report};

/// Why a process was not run to its end. A command that fails by itself is no error but an [`ExitStatus`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The isolation cannot run anything here.
    #[error("run a process: no isolation is possible on this machine (isolation `{0}`)")]
    Unsupported(Isolation),
    /// Without namespaces, that cannot be done.
    #[error("do {0}: it needs namespaces or mounts, and the isolation here goes without (chroot or in-place)")]
    NeedsNamespaces(&'static str),
    /// The specification is impossible.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The supervisor could not be started or spoken to.
    #[error("start the process that isolates the command")]
    Start(#[source] io::Error),
    /// The isolation could not be set up.
    #[error("{action}")]
    Setup {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// One of the mounts of the specification could not be made.
    #[error("mount on {}: {problem}", target.display())]
    Mount {
        /// Where it was to be.
        target: PathBuf,
        /// What was tried.
        problem: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The working directory cannot be entered.
    #[error("enter the working directory {}", path.display())]
    Directory {
        /// The directory, inside.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The user or one of the groups does not exist in the user namespace.
    #[error("become user {uid} of group {gid}: ids that the user namespace does not map cannot be used")]
    User {
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The program is nowhere in the image.
    #[error("start `{name}`: not found in the image{}", searched.as_ref().map(|path| format!(" (PATH is {path})")).unwrap_or_default())]
    CommandNotFound {
        /// The program as it was given.
        name: String,
        /// The `PATH` that was searched, for a name without a slash.
        searched: Option<String>,
    },
    /// The program is there, and its mode does not allow to execute it, or it is a directory.
    #[error("start {path}: permission denied (is it an executable file?)")]
    CommandDenied {
        /// The program.
        path: String,
    },
    /// The program is there, and is for another architecture or no program at all.
    #[error("start {path}: not a program for this machine ({detail})")]
    CommandFormat {
        /// The program.
        path: String,
        /// What it is.
        detail: String,
    },
    /// The program is there, but what is needed to start it is not.
    #[error("start {path}: it needs {interpreter}, which is not in the image")]
    InterpreterNotFound {
        /// The program.
        path: String,
        /// The interpreter of its first line, or its dynamic loader.
        interpreter: String,
    },
    /// The kernel refused to execute the program for another reason.
    #[error("start {path}")]
    Command {
        /// The program.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// [`Cancel::cancel`] was called.
    #[error("run the command to its end: it was cancelled")]
    Cancelled,
    /// The time limit was reached.
    #[error("run the command within its time limit of {} s", .0.as_secs_f64())]
    TimeLimit(Duration),
    /// The supervisor has died, which only the machine or its user can have brought about.
    #[error("learn how the command ended: its supervisor was killed (a lack of memory ends like this)")]
    Lost,
}

/// Runs one process to its end and hands on its output: lines without their newline; those longer than 16 KiB come in
/// pieces. Returns when all processes of the step are dead and its mounts are undone.
///
/// # Errors
/// When the process cannot be started, when it is cancelled, and when it exceeds its time limit.
pub fn run(spec: &RunSpec, cancel: &Cancel, mut output: impl FnMut(Stream, &[u8])) -> Result<ExitStatus, RunError> {
    if !spec.isolation.can_run() {
        return Err(RunError::Unsupported(spec.isolation));
    }
    spec.check()?;
    if !spec.isolation.is_plain() {
        return supervise(spec, None, cancel, &mut output);
    }
    if spec.network == Network::None {
        return Err(RunError::NeedsNamespaces("RUN --network=none"));
    }
    if spec.isolation == Isolation::InPlace {
        return run_in_place(spec, cancel, &mut output);
    }
    let provided = Provided::new(spec)?;
    let result = supervise(spec, Some(&provided), cancel, &mut output);
    let withdrawn = provided.withdraw();
    let status = result?;
    withdrawn.map(|()| status)
}

/// Runs the process while its files are in the root directory.
fn run_in_place(spec: &RunSpec, cancel: &Cancel, output: &mut impl FnMut(Stream, &[u8])) -> Result<ExitStatus, RunError> {
    // What another step's thread has left undone was told when it failed.
    let _turn = in_place::TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let setup = |action: &str| {
        let action = action.to_owned();
        move |source| RunError::Setup { action, source }
    };
    let Tree::Directory(tree) = &spec.root else {
        return Err(setup("put layers together without mounts")(Errno::OPNOTSUPP.into()));
    };
    let mounts = MountPoints::read().map_err(setup("read /proc/self/mountinfo"))?;
    let exchange = Exchange::enter(tree, &mounts).map_err(setup("move the files of the step into the root directory"))?;
    let ran = Provided::in_place(spec, tree, &mounts).and_then(|provided| {
        let result = supervise(spec, None, cancel, output);
        let withdrawn = provided.withdraw();
        result.and_then(|status| withdrawn.map(|()| status))
    });
    let left = exchange.leave().map_err(setup("move the files of the step out of the root directory"));
    let status = ran?;
    left.map(|()| status)
}

/// Runs the process, and waits until all that it leaves behind is dead.
fn supervise(
    spec: &RunSpec,
    provided: Option<&Provided>,
    cancel: &Cancel,
    output: &mut impl FnMut(Stream, &[u8]),
) -> Result<ExitStatus, RunError> {
    let mut running = Running::start(spec, provided).map_err(RunError::Start)?;
    let report = running.watch(spec.time_limit, cancel, output);
    running.stop();
    running.drain(output);
    match report? {
        Some(Report::Exited(status)) => Ok(status),
        Some(Report::Failed(failure)) => Err(failure.into()),
        None => Err(RunError::Lost),
    }
}

/// A supervisor that was started. Dropping it ends the step.
struct Running {
    /// Closing it tells the supervisor to end.
    socket: Option<OwnedFd>,
    supervisor: Child,
    sources: [Source; 2],
}

impl Running {
    fn start(spec: &RunSpec, provided: Option<&Provided>) -> io::Result<Self> {
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (stdout, out) = pipe(provided, "stdout")?;
        let (stderr, err) = pipe(provided, "stderr")?;
        let supervisor = Command::new(own_program())
            .arg0(PROGRAM_NAME)
            .env_clear()
            .process_group(0)
            .stdin(theirs)
            .stdout(out)
            .stderr(err)
            .spawn()?;
        let sources = [Source::new(Stream::Stdout, stdout)?, Source::new(Stream::Stderr, stderr)?];
        let running = Self { socket: Some(socket), supervisor, sources };
        if let Some(limits) = &spec.limits {
            limits.add(running.supervisor.id())?;
        }
        if let Some(socket) = &running.socket {
            wire::send_order(socket.as_fd(), spec)?;
        }
        Ok(running)
    }

    /// Hands on output until the supervisor is gone; gives its first report.
    fn watch(
        &mut self,
        limit: Option<Duration>,
        cancel: &Cancel,
        output: &mut impl FnMut(Stream, &[u8]),
    ) -> Result<Option<Report>, RunError> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut report = None;
        while let Some(socket) = &self.socket {
            let [out, err] = &self.sources;
            let mut fds = vec![PollFd::new(cancel, PollFlags::IN), PollFd::new(socket, PollFlags::IN)];
            fds.extend([out, err].into_iter().filter_map(|source| Some(PollFd::new(source.pipe.as_ref()?, PollFlags::IN))));
            match poll(&mut fds, remaining(deadline).as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(RunError::Start(error.into())),
            }
            let (cancelled, reported) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if cancelled {
                return Err(RunError::Cancelled);
            }
            if let (Some(limit), Some(deadline)) = (limit, deadline)
                && Instant::now() >= deadline
            {
                return Err(RunError::TimeLimit(limit));
            }
            for source in &mut self.sources {
                source.read(output);
            }
            if reported {
                match wire::receive_report(socket.as_fd()) {
                    Ok(Some(next)) => report = report.or(Some(next)),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Ok(report)
    }

    /// Hangs up, upon which the supervisor kills the command if it still runs, and waits until all are dead.
    fn stop(&mut self) {
        self.socket = None;
        // It fails only when somebody else has waited for our children, which leaves nothing to wait for.
        let _ = self.supervisor.wait();
    }

    /// Hands on what is left in the pipes. Whatever could write to them is dead, so this ends.
    fn drain(&mut self, output: &mut impl FnMut(Stream, &[u8])) {
        for source in &mut self.sources {
            while source.read(output) {}
            source.lines.end(&mut |line| output(source.stream, line));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One of the command's outputs.
struct Source {
    stream: Stream,
    /// Absent once it has ended.
    pipe: Option<OwnedFd>,
    lines: Lines,
    buffer: Vec<u8>,
}

impl Source {
    fn new(stream: Stream, pipe: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self { stream, pipe: Some(pipe), lines: Lines::default(), buffer: vec![0; 64 * 1024] })
    }

    /// Hands on what is there to read now; tells whether there was anything.
    fn read(&mut self, output: &mut impl FnMut(Stream, &[u8])) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        match rustix::io::read(pipe, &mut self.buffer[..]) {
            Ok(length @ 1..) => {
                self.lines.feed(&self.buffer[..length], &mut |line| output(self.stream, line));
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Ok(0) | Err(_) => {
                self.pipe = None;
                false
            }
        }
    }
}

/// A pipe for one of the outputs: that which is `/dev/NAME` inside, where it has to be made there.
fn pipe(provided: Option<&Provided>, name: &str) -> io::Result<(OwnedFd, OwnedFd)> {
    match provided {
        Some(provided) => provided.output(name),
        None => Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?),
    }
}

fn remaining(deadline: Option<Instant>) -> Option<Timespec> {
    let left = deadline?.saturating_duration_since(Instant::now());
    Some(Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) })
}

/// The path of this program, by way of a read-only mount: a step that gets hold of it through `/proc/self/exe` cannot
/// overwrite it (CVE-2019-5736). Where no mounts can be made, the program itself.
fn own_program() -> PathBuf {
    static READ_ONLY: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let program = Path::new("/proc/self/exe");
    let mounted = READ_ONLY.get_or_init(|| {
        let copy = mount::copy_mount(mount::place(program).ok()?.as_fd(), false).ok()?;
        mount::restrict(&copy, MountAttrFlags::MOUNT_ATTR_RDONLY).ok()?;
        Some(copy)
    });
    mounted.as_ref().map_or_else(|| program.to_owned(), |file| format!("/proc/self/fd/{}", file.as_raw_fd()).into())
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        let cause = io::Error::from_raw_os_error;
        match failure {
            Failure::Setup { action, errno } => Self::Setup { action, source: cause(errno) },
            Failure::Mount { target, problem, errno } => Self::Mount { target, problem, source: cause(errno) },
            Failure::Directory { path, errno } => Self::Directory { path, source: cause(errno) },
            Failure::User { uid, gid, errno } => Self::User { uid, gid, source: cause(errno) },
            Failure::CommandNotFound { name, searched } => Self::CommandNotFound { name, searched },
            Failure::Command { path, problem, errno } => match problem {
                CommandProblem::Denied => Self::CommandDenied { path },
                CommandProblem::Format(detail) => Self::CommandFormat { path, detail },
                CommandProblem::Interpreter(interpreter) => Self::InterpreterNotFound { path, interpreter },
                CommandProblem::Other => Self::Command { path, source: cause(errno) },
            },
        }
    }
}
