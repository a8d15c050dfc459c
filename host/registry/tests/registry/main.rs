//! The client against Debian's registry, and against servers that do everything wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authentication;
mod fake;
mod faults;
mod image;
mod layouts;
mod mirrors;
mod pulling;
mod pushing;
mod server;
mod tls;
mod unfinished;
