//! Turning compiled code into a component that runs.
//!
//! Compiled code is native code: whoever can change it can do anything. It is taken from two places only, the built-in
//! plugins, which are part of this program, and the cache directory, which [`crate::cache`] has found to be ours alone.
#![expect(
    unsafe_code,
    reason = "loading native code cannot be checked by the compiler; the callers vouch for where it came from"
)]

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::TrustedFile;

/// Loads code that is part of this program.
pub(crate) fn from_program(engine: &Engine, code: &'static [u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is a constant of this program, which `windlass-precompile` made with this very crate; wasmtime checks
    // that version and configuration fit.
    unsafe { Component::deserialize(engine, code) }
}

/// Loads code that this process has just compiled, or that its compiler process has just handed over.
pub(crate) fn from_compiler(engine: &Engine, code: &crate::compile::Compiled) -> wasmtime::Result<Component> {
    // SAFETY: a `Compiled` is only made from what the compiler returned.
    unsafe { Component::deserialize(engine, code.bytes()) }
}

/// Maps code from the cache directory.
pub(crate) fn from_cache(engine: &Engine, file: &TrustedFile) -> wasmtime::Result<Component> {
    // SAFETY: a `TrustedFile` lies in a directory that only we can write to, is a regular file of ours that nobody else can
    // write to, and was put there whole by rename; it is never changed in place.
    unsafe { Component::deserialize_file(engine, file.path()) }
}
