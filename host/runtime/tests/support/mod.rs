//! Loading the guests of `tests/guests`.
#![allow(dead_code, reason = "each test file uses a part of this")]

use windlass_plugin_test::PluginUnderTest;
use windlass_runtime::{Limits, PluginError};

/// A guest under the usual limits.
pub fn guest(name: &str) -> PluginUnderTest {
    limited(name, Limits::default())
}

/// A guest under other limits.
pub fn limited(name: &str, limits: Limits) -> PluginUnderTest {
    PluginUnderTest::from_component(name, component(name), limits).unwrap()
}

/// A guest's component.
pub fn component(name: &str) -> Vec<u8> {
    windlass_plugin_test::component("windlass-test-guests", Some(name))
}

/// What is wrong, in one line.
pub fn message<T: std::fmt::Debug>(result: Result<T, PluginError>) -> String {
    result.unwrap_err().to_string()
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
