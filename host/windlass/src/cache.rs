//! The store that builds share: what it holds, and how it is made smaller.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use windlass_builder::execute::snapshot_format;
use windlass_builder::store::{CarryError, Store, StoreError};
pub use windlass_builder::store::{Entry, Kind, Limits};
use windlass_core::{EventSink, ExitCode, Finding, chain};

use crate::files::replace;
use crate::{Failure, Machine};

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

/// Reads a number of bytes with a decimal (`kB`, `MB`, `GB`) or binary (`KiB`, `MiB`, `GiB`) unit.
///
/// # Errors
/// When the text is none.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        other => return Err(format!("unknown unit `{other}`; expected kB, MB, GB, KiB, MiB or GiB")),
    };
    let count: u64 = text[..digits].parse().map_err(|_| "expected a whole number such as in `20GB`".to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "the size is too large".to_owned())
}

/// How large the store may be when a build ends. The default is 20 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreLimit(Option<u64>);

impl Default for StoreLimit {
    fn default() -> Self {
        Self(Some(20_000_000_000))
    }
}

impl FromStr for StoreLimit {
    type Err = String;

    /// Reads a size, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { size(text).map(|bytes| Self(Some(bytes))) }
    }
}

impl TryFrom<String> for StoreLimit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Makes the store smaller when it is over its limit and no other build uses it: the last one to end does it.
pub(crate) fn keep_within(directory: &Path, limit: StoreLimit, events: &EventSink) {
    let Some(max_size) = limit.0 else { return };
    let pruned = match Store::open_alone(directory) {
        Ok(Some(store)) => store.prune(&Limits { max_size: Some(max_size), ..Limits::default() }),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    match pruned {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => {
            let size: u64 = removed.iter().map(|entry| entry.size).sum();
            let message = format!("{} MB were removed from the store, which was over its limit", size.div_ceil(1_000_000));
            events.notice(Finding::inform("cache/pruned", message).about("--store-limit"));
        }
        // The image is made; the store is as large as it was.
        Err(error) => events.notice(Finding::warn("cache/prune", chain(&error))),
    }
}

/// Writes the directories of `RUN --mount=type=cache` of those ids, or all, to `file`, and returns how many they are.
///
/// # Errors
/// When an id is unknown, or a directory or the file cannot be read or written.
pub fn save(machine: &Machine, file: &Path, ids: &[String]) -> Result<usize, Failure> {
    let store = Store::open(&machine.store).map_err(unusable)?;
    let (count, format) = (Cell::new(0), snapshot_format(machine.probe.chosen));
    let written = replace::<Uncarried>(file, &|sink| {
        count.set(store.save_mounts(ids, format, sink)?);
        Ok(())
    });
    written.map(|()| count.get()).map_err(|error| uncarried("cache/save", file, &error))
}

/// Puts the directories in `file`, which [`save`] has written, into the place of those in the store, and returns how many
/// they are.
///
/// # Errors
/// When the file cannot be read or is another one, or the store cannot be written.
pub fn load(machine: &Machine, file: &Path) -> Result<usize, Failure> {
    let store = Store::open(&machine.store).map_err(unusable)?;
    let loaded = File::open(file).map_err(Uncarried::from);
    let loaded = loaded.and_then(|open| Ok(store.load_mounts(open, snapshot_format(machine.probe.chosen))?));
    loaded.map_err(|error| uncarried("cache/load", file, &error))
}

/// Why caches could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
enum Uncarried {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Carry(#[from] CarryError),
}

fn uncarried(rule: &str, file: &Path, error: &Uncarried) -> Failure {
    let code = if matches!(error, Uncarried::Carry(CarryError::Unknown { .. })) { ExitCode::Settings } else { ExitCode::Output };
    Failure::one(code, Finding::deny(rule, format!("{}: {}", file.display(), chain(error))))
}

fn unusable(error: StoreError) -> Failure {
    Failure::one(ExitCode::Build, Finding::deny("store/unusable", chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(size("20GB"), Ok(20_000_000_000));
        assert_eq!(size("2 MiB"), Ok(2 << 20));
        assert_eq!(size("7"), Ok(7));
        assert_eq!("none".parse(), Ok(StoreLimit(None)));
        assert_eq!("1GB".parse(), Ok(StoreLimit(Some(1_000_000_000))));
        assert!(size("GB").unwrap_err().contains("number"));
        assert!(size("1x").unwrap_err().contains("`x`"));
        assert!(size("99999999999GB").unwrap_err().contains("large"));
    }
}
