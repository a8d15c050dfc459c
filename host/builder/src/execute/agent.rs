//! `RUN --mount=type=ssh`: an agent that steps can ask, behind a socket that only they see.

use std::fs::Permissions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use windlass_sandbox::Isolation;

use crate::store::{Store, TemporaryDirectory};

/// An ssh agent. What it is asked, and whether it answers, is its own affair.
pub trait SshAgent: Send + Sync + std::fmt::Debug {
    /// Answers on one connection until its other side hangs up.
    ///
    /// # Errors
    /// When the connection breaks.
    fn serve(&self, connection: UnixStream) -> io::Result<()>;
}

/// A socket with an agent behind it, for as long as this lives.
pub(crate) struct Forwarded {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    directory: TemporaryDirectory,
}

/// A socket at which programs of this machine ask an agent, for as long as this lives.
pub struct AgentSocket {
    path: PathBuf,
    _forwarded: Forwarded,
    // The path leads through it.
    _directory: std::fs::File,
}

impl AgentSocket {
    /// Makes the socket in a private directory of the store.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn open(agent: &Arc<dyn SshAgent>, store: &Store) -> io::Result<Self> {
        let directory = store.temporary_directory().map_err(io::Error::other)?;
        let open = std::fs::File::open(directory.path())?;
        // Addresses of sockets are short, and stores may lie deep.
        let path = PathBuf::from(format!("/proc/{}/fd/{}/{NAME}", std::process::id(), open.as_raw_fd()));
        let own = Owner { uid: 0, gid: 0, mode: 0o600 };
        Ok(Self { path, _forwarded: Forwarded::new(agent, directory, own, Isolation::Nothing)?, _directory: open })
    }

    /// Where it is, for children of this process.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl std::fmt::Debug for AgentSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentSocket").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Owner and mode of the socket in the sandbox.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
}

const NAME: &str = "agent";

impl Forwarded {
    /// Makes the socket in `directory`.
    pub(crate) fn new(
        agent: &Arc<dyn SshAgent>,
        directory: TemporaryDirectory,
        owner: Owner,
        isolation: Isolation,
    ) -> io::Result<Self> {
        let listener = by_short_name(&directory, UnixListener::bind)?;
        let path = directory.path().join(NAME);
        std::fs::set_permissions(&path, Permissions::from_mode(owner.mode))?;
        // With one id only, every user of the step is this one.
        if isolation != Isolation::SingleId && (owner.uid, owner.gid) != (0, 0) {
            chown(&path, Some(owner.uid), Some(owner.gid))?;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let (agent, over) = (Arc::clone(agent), Arc::clone(&is_over));
        let listening = thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let agent = Arc::clone(&agent);
                // It ends with the process that asks, and a broken connection is that process's to notice.
                thread::spawn(move || drop(agent.serve(connection)));
            }
        });
        Ok(Self { path, is_over, listener: Some(listening), directory })
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let woken = by_short_name(&self.directory, UnixStream::connect);
        // Where nobody can be woken nobody listens, or the thread ends with the process.
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            let _ = listener.join();
        }
    }
}

/// Addresses of sockets are short, and stores may lie deep.
fn by_short_name<T>(directory: &TemporaryDirectory, work: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let open = std::fs::File::open(directory.path())?;
    work(PathBuf::from(format!("/proc/self/fd/{}/{NAME}", open.as_raw_fd())))
}
