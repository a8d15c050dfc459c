//! Reading from registries.

mod blob;
mod manifest;
mod platform;
mod resolve;
mod tags;

pub(crate) use manifest::{Name, announced};
pub use resolve::Resolved;
