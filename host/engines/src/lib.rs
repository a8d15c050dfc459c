//! Outside build engines: a program that an engine mapper named, called with its slots filled, and the image it hands back.
//!
//! The mapper only proposes an [`Invocation`](windlass_core::Invocation); this crate writes the files, starts the program with nothing of the host's
//! environment but what it needs, passes its output on as events, and removes everything afterwards.

mod error;
mod process;
mod slots;
mod workplace;

pub use error::EngineError;
pub use process::{Engine, HandedOff};
pub use slots::Fill;
