//! Labels: the user's own, and those that come with a prefix.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::draft::Draft;

const PREFIX: &str = "org.opencontainers.image.";
const OWN: &str = "PLUGIN_CUSTOM_LABELS";
const SCHEMA: &str = "PLUGIN_LABEL_SCHEMA";
const LINK: &str = "PLUGIN_REPO_LINK";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let mut labels: Vec<(String, String)> = Vec::new();
    if draft.flag("PLUGIN_AUTO_LABEL") == Some(false) {
        for name in [SCHEMA, LINK] {
            draft.ignore(name, "`PLUGIN_AUTO_LABEL` is false");
        }
    } else {
        labels.extend(draft.text(LINK).map(|link| (format!("{PREFIX}url"), link)));
        labels.extend(draft.pairs(SCHEMA).into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)));
    }
    for (key, value) in draft.pairs(OWN) {
        labels.retain(|(known, _)| *known != key);
        labels.push((key, value));
    }
    if !labels.is_empty() {
        draft.assign(Target::Step, "labels", Value::Pairs(labels), &[OWN, SCHEMA, LINK]);
    }
}
