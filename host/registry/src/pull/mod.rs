//! Reading from registries.

mod arriving;
mod blob;
mod manifest;
mod platform;
mod resolve;
mod tags;

pub use arriving::{Arrival, Arriving, ArrivingReader, arriving};
pub(crate) use manifest::{Name, announced};
pub use resolve::Resolved;
