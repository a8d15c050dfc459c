//! Windlass as a library: the way from settings to a report, for the command line and for CI agents that embed it.
//!
//! 1. [`plan`] reads a step (a file, variables, a command line), asks the plugins, and gives a [`Planned`] whose
//!    [`windlass_core::Plan`] is complete, printable and free of secrets. Nothing outside has changed.
//! 2. [`run`] carries it out and gives a [`Report`].
//!
//! [`check::check`] tells what is likely a mistake in a Dockerfile, without building it.
//!
//! A program that embeds this calls [`init`] first thing in `main`, before it starts a thread.

mod agents;
mod ahead;
mod archive;
mod attestation;
mod authorizing;
mod bases;
mod built_in;
pub mod cache;
mod caches;
pub mod check;
pub mod configuration;
mod connection;
mod credentials;
mod duration;
mod encoding;
mod engine;
pub mod environment;
mod failure;
mod files;
mod images;
mod input;
mod inside;
mod keys;
mod outputs;
mod outside;
mod planning;
mod plugins;
mod ports;
mod publish;
mod registry_view;
mod remote;
pub mod report;
mod rootfs;
mod run;
pub mod source;
pub mod step;

pub use failure::Failure;
pub use planning::{Input, Planned, Request, Surroundings, plan};
pub use plugins::Plugins;
pub use report::Report;
pub use run::{Machine, run};
pub use windlass_core as core;
pub use windlass_runtime::{Description, Limits, Plugin};
pub use windlass_sandbox as sandbox;

/// Recognises the processes that a build starts of the program itself, and does their work. It returns in every other process.
///
/// Returns an exit code when this process was one that compiles a plugin, and has done so.
#[must_use]
pub fn init() -> Option<std::process::ExitCode> {
    windlass_sandbox::init();
    windlass_runtime::compile::child_main()
}
