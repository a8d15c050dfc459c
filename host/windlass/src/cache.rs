//! The store that builds share: what it holds, and how it is made smaller.

use std::path::Path;

pub use windlass_builder::store::{Entry, Kind, Limits};
use windlass_builder::store::{Store, StoreError};
use windlass_core::{ExitCode, Finding, chain};

use crate::Failure;

/// What the store in `directory` holds.
///
/// # Errors
/// When it cannot be opened or listed.
pub fn entries(directory: &Path) -> Result<Vec<Entry>, Failure> {
    Store::open(directory).and_then(|store| store.entries()).map_err(unusable)
}

/// Removes what `limits` says from the store in `directory`, and returns it.
///
/// # Errors
/// When a build uses the store, or something cannot be removed.
pub fn prune(directory: &Path, limits: &Limits) -> Result<Vec<Entry>, Failure> {
    match Store::open_alone(directory).map_err(unusable)? {
        Some(store) => store.prune(limits).map_err(unusable),
        None => {
            let message = format!("the store {} is in use by another windlass; nothing was removed", directory.display());
            Err(Failure::one(ExitCode::Build, Finding::deny("cache/in-use", message).help("try again when no build runs")))
        }
    }
}

/// Reads a duration such as `7d` or `12h`.
///
/// # Errors
/// When the text is none.
pub fn age(text: &str) -> Result<std::time::Duration, String> {
    crate::duration::parse(text)?.ok_or_else(|| "expected a duration such as `7d` or `12h`".to_owned())
}

fn unusable(error: StoreError) -> Failure {
    Failure::one(ExitCode::Build, Finding::deny("store/unusable", chain(&error)))
}
