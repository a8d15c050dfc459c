//! What the `PLUGIN_` variables of the Drone and Harness image plugins mean to Windlass.
//!
//! Two dialects share this: `drone-kaniko`, which reads the variables from the environment, and `harness-step`, whose
//! fields become the same variables. [`translate`] takes what was given and returns what it becomes; [`variables`] is
//! the table of everything that is known.

mod build_args;
mod cache;
mod credentials;
mod declare;
mod destination;
mod draft;
mod expand_tag;
mod input;
mod labels;
mod push;
mod read;
mod tags;
mod translate;
pub mod variables;

pub use declare::{declared, written};
pub use draft::nothing;
pub use input::{Given, Input};
pub use translate::translate;
pub use variables::Variant;
