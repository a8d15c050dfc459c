//! What COPY, ADD and WORKDIR make, as listings of layers.
//!
//! The semantics are those of BuildKit's file operations, to the point: users' Dockerfiles were written against them.
//! [`select`] finds the sources and digests them, which is all that a cache key needs; [`Selection::apply`] then
//! computes the layer on top of a stage. Nothing is written unless there is an archive to be unpacked, or more is selected than
//! the memory should hold: that goes into a file without a name. The layer of one large source is made while it is written; that
//! of several, which may take each other's place, is put together as a snapshot.

mod account;
mod codec;
mod digest;
mod error;
mod filter;
mod item;
mod owner;
mod pattern;
mod place;
mod records;
mod request;
mod resolve;
mod select;
mod selection;
mod source;
mod streamed;
mod taken;
mod target;
mod unchanged;
mod unpack;
mod workdir;

#[cfg(test)]
mod conformance;

use windlass_core::Finding;
use windlass_layer::{Listing, Snapshot, Timestamp, View};

pub use account::{Account, account};
pub use error::CopyError;
pub use records::Room;
pub use request::Request;
pub use select::{Part, select};
pub use selection::Selection;
pub(crate) use source::CONTEXT;
pub use source::Source;
pub use streamed::Streamed;
pub use taken::Taken;
pub use workdir::workdir;

/// Where a layer goes.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// The files of the stage so far; `None` for one on `scratch` that has none yet.
    pub view: Option<&'a View>,
    /// The stage's working directory, `/` when it has none.
    pub workdir: &'a str,
    /// The time of directories and heredoc files, which have none of their own.
    pub created: Timestamp,
}

/// What an instruction makes.
#[derive(Debug)]
pub struct Copied {
    /// The layer.
    pub layer: CopiedLayer,
    /// What the user should know.
    pub warnings: Vec<Finding>,
}

/// A layer in the form in which it was made.
#[derive(Debug)]
pub enum CopiedLayer {
    /// Its entries.
    Listed(Listing),
    /// More entries than the memory should hold, made while they are asked for.
    Streamed(Box<Streamed>),
    /// A directory. What of it is as it was below is not in the layer.
    Unpacked(Snapshot),
}
