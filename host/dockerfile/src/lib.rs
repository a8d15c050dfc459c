//! Dockerfile text to instructions with spans, stages and a build graph.
//!
//! Everything here is pure: no file system, no clock, no process. It follows version 1 of BuildKit's Dockerfile
//! frontend. The way through the crate is the way of a build:
//!
//! 1. [`parse::parse`] reads bytes into a [`Dockerfile`]: stages of [`Statement`]s, each a typed [`Instruction`] with
//!    its [`Span`]; all mistakes of the file come back at once as findings.
//! 2. [`graph::build`] evaluates the global arguments, finds every base and `--from`, and tells which stages a target
//!    needs.
//! 3. [`Scope`] is the environment of a stage while it is built; [`Statement::expand`] puts its values into one
//!    instruction.
//! 4. [`history`] says what an instruction is called in an image's history.
//!
//! [`lint`] tells what is likely a mistake. [`remote`] tells sources that have to be fetched from paths. [`glob`] and [`ignore`]
//! decide which paths `COPY`, `ADD` and `.dockerignore` mean.

pub mod expand;
pub mod file_mode;
pub mod glob;
pub mod go;
pub mod graph;
pub mod history;
pub mod ignore;
pub mod instruction;
pub mod lint;
pub mod parse;
pub mod port;
pub mod remote;
pub mod scope;
pub mod signal;

pub use expand::{ExpandError, Lookup};
pub use graph::{BuildGraph, Origin};
pub use instruction::Instruction;
pub use parse::{Dockerfile, Escape, Span, Statement};
pub use scope::Scope;

#[cfg(test)]
mod build_tests;
#[cfg(test)]
mod property_tests;
