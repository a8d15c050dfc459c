//! The embedded build engine.
//!
//! [`context`] reads build contexts, [`copy`] computes what COPY, ADD and WORKDIR make of them, and [`store`] keeps
//! what a build has made for the next one. [`execute`] walks the graph of a Dockerfile with all of them.

pub mod context;
pub mod copy;
pub mod execute;
pub mod store;
