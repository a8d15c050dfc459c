//! What a Windlass plugin author depends on.
//!
//! A plugin is a WebAssembly component that implements one world of `wit/`: a dialect, a registry adapter, a tag policy, an
//! engine mapper or a policy. Its `lib.rs` holds two small trait implementations and one `export!`:
//!
//! ```
//! use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
//! use windlass_plugin_sdk::{Describe, Description, Finding, Setting};
//!
//! struct Fixed;
//!
//! impl Describe for Fixed {
//!     fn describe() -> Description {
//!         Description::new("fixed", "1.0.0", "gives every image the same tag")
//!             .setting(Setting::text("tag", "the tag").default("stable"))
//!     }
//! }
//!
//! impl TagPolicy for Fixed {
//!     fn tags(
//!         settings: &Settings,
//!         _source: &Source,
//!         _registry: Option<&RegistryView>,
//!         _so_far: Vec<String>,
//!     ) -> Result<Tagging, Vec<Finding>> {
//!         Ok(Tagging::Tags(settings.text("tag").into_iter().collect()))
//!     }
//! }
//!
//! tag_policy::export!(Fixed);
//! ```
//!
//! Build it with `crate-type = ["cdylib", "rlib"]` for `wasm32-unknown-unknown`: what cargo makes is a plugin. The crate compiles
//! natively as well, so that a plugin's logic is tested without WebAssembly; calling the host natively panics, so keep what talks
//! to the host apart from what decides. `docs/plugin-authors.md` goes the whole way.

#[doc(hidden)]
pub mod bindings;

pub mod describe;
pub mod dialect;
pub mod engine_mapper;
mod finding;
pub mod image_name;
pub mod log;
pub mod policy;
pub mod registry_adapter;
pub mod tag_policy;
pub mod token_request;

pub use windlass_core as core;

pub use bindings::host::types::{Finding, Place, Severity};
pub use describe::{Describe, Description, Grant, Setting};
