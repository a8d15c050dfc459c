//! Tags: given, made by the policy `auto-tag`, or expanded.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::draft::Draft;
use crate::expand_tag::expand;

const GIVEN: &str = "PLUGIN_TAG";
const AUTOMATIC: &str = "PLUGIN_DEFAULT_TAGS";
const SUFFIX: &str = "PLUGIN_DEFAULT_SUFFIX";
const EXPAND: &str = "PLUGIN_EXPAND_TAG";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let automatic = draft.flag(AUTOMATIC) == Some(true);
    let expanded = draft.flag(EXPAND) == Some(true);
    if automatic && expanded {
        let (first, second) = (draft.origin(AUTOMATIC), draft.origin(EXPAND));
        let message = format!("`{first}` and `{second}` are both true, and each makes tags in its own way");
        draft.deny("settings/conflict", &second, message, "remove one of them");
    }
    given(draft, expanded);
    let policy = Target::TagPolicy("auto-tag".to_owned());
    if automatic {
        draft.made.tag_policies.push("auto-tag".to_owned());
        draft.pass(SUFFIX, policy, "suffix");
    } else {
        draft.ignore(SUFFIX, "`PLUGIN_AUTO_TAG` is not true");
    }
}

fn given(draft: &mut Draft<'_>, expanded: bool) {
    if !draft.is_given(GIVEN) {
        draft.assign(Target::Step, "tags", Value::File(".tags".to_owned()), &[]);
        return;
    }
    let mut tags: Vec<String> = Vec::new();
    for tag in draft.texts(GIVEN) {
        for tag in if expanded { expand(&tag) } else { vec![tag] } {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    let names: &[&'static str] = if expanded { &[GIVEN, EXPAND] } else { &[GIVEN] };
    draft.assign(Target::Step, "tags", Value::Texts(tags), names);
}
