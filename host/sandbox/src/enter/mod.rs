//! Choosing an isolation by trying, and making the whole process root of a user namespace where that is what it takes.

mod ids;
mod refusal;
mod trial;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, getegid, geteuid, getpid, getppid, waitpid};
use rustix::thread::UnshareFlags;

use crate::isolation::{Isolation, Probe};
use crate::sys;
use ids::SubordinateIds;

/// What the caller wants of [`enter_user_namespace`].
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The isolation that the user asks for; the strongest possible one where it is absent.
    pub wanted: Option<Isolation>,
    /// An existing directory on the file system where upper directories will lie, if that is known: not every file system can
    /// hold them.
    pub store: Option<PathBuf>,
}

/// Why the process is not isolated as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The isolation that was asked for is not possible.
    #[error("use the isolation `{isolation}`: {reason}")]
    Refused {
        /// What was asked for.
        isolation: Isolation,
        /// Why not.
        reason: String,
    },
    /// The trial went well, and the real thing did not.
    #[error("enter a user namespace")]
    Enter(#[source] io::Error),
}

/// Finds out how steps can be isolated here, and prepares the process for it. For every isolation but that of the
/// machine's root, the process is in a new user namespace and mount namespace afterwards, where it is root; paths and
/// descriptors stay what they are.
///
/// To be called in `main`, right after [`init`](crate::init), before any thread starts.
///
/// # Errors
/// When the isolation that was asked for is impossible. When none was, and none is possible, the answer is
/// [`Isolation::Nothing`], with the reasons.
pub fn enter_user_namespace(request: &Request) -> Result<Probe, EnterError> {
    let mut reasons = Vec::new();
    for isolation in Isolation::ALL {
        // What puts the files of images into this process's own root directory is never taken by itself.
        if request.wanted.map_or(isolation == Isolation::InPlace, |wanted| wanted != isolation) {
            continue;
        }
        let result = try_to_enter(isolation, request)?;
        let is_possible = result.is_ok();
        if let (Err(reason), Some(_)) = (&result, request.wanted) {
            return Err(EnterError::Refused { isolation, reason: reason.clone() });
        }
        reasons.push((isolation, result));
        if is_possible {
            return Ok(Probe { chosen: isolation, reasons });
        }
    }
    Ok(Probe { chosen: Isolation::Nothing, reasons })
}

fn try_to_enter(isolation: Isolation, request: &Request) -> Result<Result<(), String>, EnterError> {
    let store = request.store.as_deref();
    match isolation {
        Isolation::Nothing => Ok(Ok(())),
        Isolation::Chroot => Ok(match present() {
            Some(Isolation::SingleId) => Err("the process has one id only, and files of others cannot be kept".to_owned()),
            Some(_) => trial::chroot(store),
            None => Err("the process is not root".to_owned()),
        }),
        Isolation::InPlace if present() != Some(Isolation::Root) => Ok(Err("the process is not root".to_owned())),
        Isolation::InPlace => {
            let tried = trial::in_place(store);
            if tried.is_ok() {
                crate::supervisor::hide_from_steps();
            }
            Ok(tried)
        }
        Isolation::Root if present() == Some(Isolation::Root) => Ok(trial::run(isolation, store, None)),
        Isolation::Root => Ok(Err("the process does not run as the machine's root".to_owned())),
        Isolation::SubordinateIds | Isolation::SingleId if present() == Some(isolation) => enter_present(isolation, store),
        Isolation::SubordinateIds | Isolation::SingleId => enter_new(isolation, store),
    }
}

/// Uses the user namespace that the process is root of already, such as that of a rootless container; a new one inside of it
/// where its rights were taken away.
fn enter_present(isolation: Isolation, store: Option<&std::path::Path>) -> Result<Result<(), String>, EnterError> {
    let Err(reason) = trial::run(isolation, store, None) else {
        sys::unshare(UnshareFlags::NEWNS).map_err(|errno| EnterError::Enter(errno.into()))?;
        return Ok(Ok(()));
    };
    Ok(enter_new(isolation, store)?.map_err(|other| format!("{reason}; {other}")))
}

fn enter_new(isolation: Isolation, store: Option<&std::path::Path>) -> Result<Result<(), String>, EnterError> {
    let mapping = match isolation {
        Isolation::SubordinateIds => match SubordinateIds::find() {
            Ok(ids) => Mapping::Subordinate(ids),
            Err(reason) => return Ok(Err(reason)),
        },
        _ => Mapping::Single,
    };
    if let Err(reason) = trial::run(isolation, store, Some(&mapping)) {
        return Ok(Err(reason));
    }
    mapping.enter(UnshareFlags::NEWNS).map_err(|reason| EnterError::Enter(io::Error::other(reason)))?;
    Ok(Ok(()))
}

/// The isolation that the process has as it is, if it is root of something.
fn present() -> Option<Isolation> {
    if !geteuid().is_root() {
        return None;
    }
    Some(match ids::mapped_here() {
        ids::Mapped::All => Isolation::Root,
        ids::Mapped::Several => Isolation::SubordinateIds,
        ids::Mapped::One => Isolation::SingleId,
    })
}

/// Which ids of the parent are mapped into a new user namespace.
enum Mapping {
    /// The user's own, as root.
    Single,
    /// Also further ones, as 1 and up.
    Subordinate(SubordinateIds),
}

impl Mapping {
    /// Moves this process into a new user namespace and others, as root.
    fn enter(&self, others: UnshareFlags) -> Result<(), String> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let unshare = || sys::unshare(UnshareFlags::NEWUSER | others).map_err(refusal::of_user_namespace);
        match self {
            Self::Single => {
                unshare()?;
                write_single(uid, gid).map_err(|error| refusal::of_mapping(&error))
            }
            Self::Subordinate(ids) => {
                let helper = Helper::start(ids, uid, gid).map_err(|errno| format!("cannot start a process ({errno})"))?;
                unshare()?;
                helper.map()
            }
        }
    }
}

/// A process may map its own id itself, once it has given up `setgroups`.
fn write_single(uid: u32, gid: u32) -> io::Result<()> {
    let write =
        |name: &str, text: String| File::options().write(true).open(format!("/proc/self/{name}"))?.write_all(text.as_bytes());
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}

/// A process that stays outside, with the rights that mapping further ids takes.
struct Helper {
    pid: Pid,
    go: OwnedFd,
    answer: OwnedFd,
}

impl Helper {
    fn start(ids: &SubordinateIds, uid: u32, gid: u32) -> rustix::io::Result<Self> {
        let (waiting, go) = pipe_with(PipeFlags::CLOEXEC)?;
        let (answer, answering) = pipe_with(PipeFlags::CLOEXEC)?;
        let target = getpid();
        let pid = sys::fork(move || {
            // The caller's end of the pipe is open here too, so its closing would go unnoticed.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if getppid() != Some(target) {
                return 1;
            }
            let mut byte = [0];
            if rustix::io::read(&waiting, &mut byte) != Ok(1) {
                return 1;
            }
            let reason = ids.map(target, uid, gid).err().unwrap_or_default();
            u8::from(rustix::io::write(&answering, reason.as_bytes()).is_err())
        })?;
        Ok(Self { pid, go, answer })
    }

    /// Has the ids mapped, now that the namespace is there.
    fn map(self) -> Result<(), String> {
        let mut reason = String::new();
        let mapped = rustix::io::write(&self.go, b"1").map_err(io::Error::from).and_then(|_| {
            drop(self.go);
            File::from(self.answer).take(4096).read_to_string(&mut reason)
        });
        while matches!(waitpid(Some(self.pid), WaitOptions::empty()), Err(Errno::INTR)) {}
        match mapped {
            Ok(_) if reason.is_empty() => Ok(()),
            Ok(_) => Err(reason),
            Err(error) => Err(format!("the process that maps the ids cannot be reached ({error})")),
        }
    }
}
