//! ssh agents for `RUN --mount=type=ssh`: one that holds keys itself, and one that asks the user's.
//!
//! The protocol is that of draft-miller-ssh-agent. Whoever is connected can list keys and have something signed, and
//! nothing else: no key is ever given out, added or removed.

mod frame;
mod keys;
mod rsa;
mod socket;

use std::io;
use std::os::unix::net::UnixStream;

pub use keys::{KeyAgent, SshKeyError};
pub use socket::SocketAgent;

use frame::{FAILURE, read_frame, write_frame};

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// Answers every message on a connection until its other side hangs up. `answer` gets lists and signatures to answer only,
/// and gives nothing when it cannot.
fn serve(mut connection: UnixStream, mut answer: impl FnMut(&[u8]) -> io::Result<Option<Vec<u8>>>) -> io::Result<()> {
    while let Some(message) = read_frame(&mut connection)? {
        let told = match message.first() {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => answer(&message)?,
            _ => None,
        };
        write_frame(&mut connection, told.as_deref().unwrap_or(&[FAILURE]))?;
    }
    Ok(())
}
