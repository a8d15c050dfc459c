//! Lines for whoever reads the log of a run.

use crate::bindings::host::log::{Level, log};

/// Tells that something failed.
pub fn error(message: &str) {
    log(&Level::Error, message);
}

/// Tells that something is likely wrong; users see it.
pub fn warn(message: &str) {
    log(&Level::Warn, message);
}

/// Tells something that users want to know.
pub fn info(message: &str) {
    log(&Level::Info, message);
}

/// Tells something that the plugin's author wants to know.
pub fn debug(message: &str) {
    log(&Level::Debug, message);
}
