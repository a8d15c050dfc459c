//! Pure domain types and pure decisions of Windlass.
//!
//! Nothing here does I/O, reads a clock or needs an async runtime; the crate also builds for
//! `wasm32-unknown-unknown`. Whoever receives one of these values never has to check it again: every
//! type with a grammar is made by one `parse` function and has private fields.

pub mod digest;
pub mod error;
pub mod event;
pub mod exit_code;
pub mod finding;
pub mod invocation;
pub mod plan;
pub mod platform;
pub mod redact;
pub mod reference;
pub mod secret;
pub mod setting;
pub mod suggest;
pub mod tag;
pub mod text;

pub use digest::Digest;
pub use error::chain;
pub use event::{Event, EventSink};
pub use exit_code::ExitCode;
pub use finding::{Finding, Place, Severity};
pub use invocation::Invocation;
pub use plan::Plan;
pub use platform::Platform;
pub use redact::Redactor;
pub use reference::{Reference, Repository};
pub use secret::Secret;
pub use tag::Tag;
