//! The runtime with real components: one binary, because each further one would link wasmtime again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod call_time;
mod exchange_http;
mod limits;
mod loading;
mod roles;
mod support;
