//! The user's own agent, of which steps see no more than keys and signatures.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::frame::{read_frame, write_frame};
use super::serve;

/// An agent behind a socket of this machine.
#[derive(Debug, Clone)]
pub struct SocketAgent {
    path: PathBuf,
}

impl SocketAgent {
    /// The agent that listens at `path`.
    ///
    /// # Errors
    /// When nobody does.
    pub fn at(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Passes questions on one connection on to the agent, until its other side hangs up.
    ///
    /// # Errors
    /// When a connection breaks.
    pub fn serve(&self, connection: UnixStream) -> io::Result<()> {
        let mut agent = UnixStream::connect(&self.path)?;
        serve(connection, |message| {
            write_frame(&mut agent, message)?;
            read_frame(&mut agent)
        })
    }
}
