//! The host for WebAssembly plugins; the only crate that names wasmtime.
//!
//! A [`Runtime`] holds the engine. A [`Plugin`] is loaded into it, built in or from a file, and says what it is
//! ([`Description`]). Then there is one module a world with one function a function of the plugin, in terms of
//! [`windlass_core`]: [`dialect`], [`registry_adapter`], [`tag_policy`], [`engine_mapper`], [`policy`]. What a plugin may reach in
//! such a call is in a [`Context`]: the ports of [`host`], which the caller implements, as far as the plugin declares them and
//! the user allows them.
//!
//! Every call has a store of its own with [`Limits`]; whatever the plugin does ends in an answer or in a [`PluginError`].

mod answer;
mod bindings;
mod built_in;
mod cache;
mod call;
mod code;
pub mod compile;
mod context;
mod description;
pub mod dialect;
mod engine;
pub mod engine_mapper;
mod error;
pub mod exchange_http;
pub mod host;
mod limits;
mod linker;
mod plugin;
pub mod policy;
pub mod registry_adapter;
mod role;
mod runtime;
pub mod tag_policy;
mod text;
mod wasi;

pub use built_in::BuiltIn;
pub use compile::Compiler;
pub use context::{Allowed, Context};
pub use description::{Capability, Description, Grant};
pub use error::{LoadError, PluginError, Problem};
pub use limits::Limits;
pub use plugin::Plugin;
pub use role::Role;
pub use runtime::{Options, Runtime};
