//! What users hand over, before a dialect has interpreted it: names and values as some CI wrote them.

pub(crate) mod step_file;
mod yaml;

use windlass_core::setting::{Origin, Spec};
use windlass_runtime::host::raw_settings::{RawEntry, RawValue};

use crate::environment::Environment;

/// The variables that a dialect may see: every `PLUGIN_…`, and every other name that it declares.
pub(crate) fn variables(environment: &Environment, declared: &[Spec]) -> Vec<RawEntry> {
    let knows = |name: &str| declared.iter().any(|spec| spec.name == name || spec.aliases.iter().any(|alias| alias == name));
    let seen = environment.iter().filter(|(name, _)| name.starts_with("PLUGIN_") || knows(name));
    seen.map(|(name, value)| RawEntry {
        name: name.to_owned(),
        value: RawValue::Text(value.to_owned()),
        origin: Origin::named(name),
    })
    .collect()
}
