//! How much a plugin may use. Each limit is a setting with a default; the defaults fit guests in Rust by far, and the
//! language runtimes of JavaScript and Python guests as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of one call of a plugin, and of compiling one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// The linear memory of one call, all memories together, in bytes. Default: 256 MiB.
    pub memory_bytes: u64,
    /// The elements of all tables of one call together. Default: 200,000.
    pub table_elements: u64,
    /// The core instances, and as many tables, that one call may create. Default: 100.
    pub instances: u64,
    /// The memories that one call may create. Default: 20.
    pub memories: u64,
    /// How long a call may compute, in milliseconds; waiting for the host does not count. Default: 5,000.
    pub computing_milliseconds: u64,
    /// How long a call may take altogether, in milliseconds. Default: 180,000.
    pub call_milliseconds: u64,
    /// How long one request of a plugin to the host may take (AWS, exchanges, registries, image files), in milliseconds.
    /// Default: 30,000.
    pub request_milliseconds: u64,
    /// How many requests of that kind one call may make. Default: 100.
    pub requests: u64,
    /// The longest text that may come from a plugin, in bytes. Default: 256 KiB.
    pub text_bytes: u64,
    /// The longest list that may come from a plugin. Default: 10,000.
    pub list_items: u64,
    /// Everything that one answer of a plugin, or one request of it, may hold, in bytes. Default: 16 MiB.
    pub answer_bytes: u64,
    /// How many handles one call may hold at a time: sessions, secrets, instructions of a Dockerfile…. Default: 20,000.
    pub handles: u64,
    /// How many lines one call may log; what is printed by way of WASI counts too. Default: 1,000.
    pub log_lines: u64,
    /// The longest line in the log, in bytes; longer ones are cut. Default: 4 KiB.
    pub log_line_bytes: u64,
    /// The largest answer that an exchange may get, in bytes. Default: 1 MiB.
    pub exchange_bytes: u64,
    /// The largest part of an image's file that a policy may read at once, in bytes. Default: 4 MiB.
    pub read_bytes: u64,
    /// The largest component that is compiled, in bytes. Default: 64 MiB.
    pub component_bytes: u64,
    /// The address space of the process that compiles a component, in bytes. Default: 8 GiB.
    pub compile_memory_bytes: u64,
    /// The processor time of the process that compiles a component, in milliseconds. Default: 120,000.
    pub compile_milliseconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 200_000,
            instances: 100,
            memories: 20,
            computing_milliseconds: 5_000,
            call_milliseconds: 180_000,
            request_milliseconds: 30_000,
            requests: 100,
            text_bytes: 256 << 10,
            list_items: 10_000,
            answer_bytes: 16 << 20,
            handles: 20_000,
            log_lines: 1_000,
            log_line_bytes: 4 << 10,
            exchange_bytes: 1 << 20,
            read_bytes: 4 << 20,
            component_bytes: 64 << 20,
            compile_memory_bytes: 8 << 30,
            compile_milliseconds: 120_000,
        }
    }
}

impl Limits {
    pub(crate) fn call(&self) -> Duration {
        Duration::from_millis(self.call_milliseconds)
    }

    pub(crate) fn request(&self) -> Duration {
        Duration::from_millis(self.request_milliseconds)
    }
}

/// A limit as a size in memory; one that does not fit is no limit.
pub(crate) fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_not_given_have_their_default_and_unknown_ones_are_refused() {
        let limits: Limits = serde_json::from_str(r#"{"memory-bytes": 1048576}"#).unwrap();
        assert_eq!(limits, Limits { memory_bytes: 1 << 20, ..Limits::default() });
        assert!(serde_json::from_str::<Limits>(r#"{"memory": 1}"#).is_err());
    }
}
