//! The registry cache: kaniko's `enable_cache` and `cache_repo`.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::destination::{in_registry, registry};
use crate::draft::Draft;

const ENABLE: &str = "PLUGIN_ENABLE_CACHE";
const REPOSITORY: &str = "PLUGIN_CACHE_REPO";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    match draft.flag(ENABLE) {
        Some(true) => draft.assign(Target::Step, "cache", Value::Flag(true), &[ENABLE]),
        Some(false) => draft
            .ignore(ENABLE, "no registry cache is used unless it is true; the local cache is switched off by `PLUGIN_NO_CACHE`"),
        None => {}
    }
    if draft.flag(ENABLE) != Some(true) {
        draft.ignore(REPOSITORY, "`PLUGIN_ENABLE_CACHE` is not true");
    } else if let Some(repository) = draft.text(REPOSITORY) {
        let full = match registry(draft) {
            Some(registry) => in_registry(&registry, &repository),
            None => repository,
        };
        draft.assign(Target::Step, "cache-repo", Value::Text(full), &[REPOSITORY]);
    }
}
