//! Loading the guests of `tests/guests`.

use windlass_plugin_test::PluginUnderTest;
use windlass_runtime::{Limits, PluginError};

/// A guest under the usual limits.
pub(crate) fn guest(name: &str) -> PluginUnderTest {
    limited(name, Limits::default())
}

/// A guest under other limits.
pub(crate) fn limited(name: &str, limits: Limits) -> PluginUnderTest {
    PluginUnderTest::from_component(name, component(name), limits).unwrap()
}

/// A guest's component.
pub(crate) fn component(name: &str) -> Vec<u8> {
    windlass_plugin_test::component("windlass-test-guests", Some(name))
}

/// What is wrong, in one line.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, PluginError>) -> String {
    result.unwrap_err().to_string()
}
