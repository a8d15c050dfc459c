//! Build arguments, in the two forms that the replaced plugins have.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::dialect::{Target, Value};

use crate::draft::Draft;
use crate::input::Given;

const PLAIN: &str = "PLUGIN_BUILD_ARGS";
const WITH_COMMAS: &str = "PLUGIN_BUILD_ARGS_NEW";
const CHOICE: &str = "PLUGIN_MULTIPLE_BUILD_ARGS";
const FROM_ENVIRONMENT: &str = "PLUGIN_BUILD_ARGS_FROM_ENV";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let plain_wanted = draft.flag(CHOICE) == Some(false) && draft.is_given(PLAIN);
    let (used, other) = if draft.is_given(WITH_COMMAS) && !plain_wanted { (WITH_COMMAS, PLAIN) } else { (PLAIN, WITH_COMMAS) };
    if draft.is_given(used) {
        let reason = format!("`{}` takes its place", draft.origin(used));
        draft.ignore(other, reason);
    }
    let Some(given) = draft.given(used) else { return };
    let pieces = match given {
        Given::Text(text) => text.split(if used == WITH_COMMAS { ';' } else { ',' }).map(str::trim).map(str::to_owned).collect(),
        Given::Texts(texts) => texts.clone(),
        Given::Pairs(pairs) => pairs.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        Given::Secret | Given::Hidden => Vec::new(),
    };
    take(draft, used, &pieces);
}

fn take(draft: &mut Draft<'_>, used: &'static str, pieces: &[String]) {
    let origin = draft.origin(used);
    let (mut pairs, mut names): (Vec<(String, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        match piece.split_once('=') {
            Some((name, value)) if is_name(name.trim()) => pairs.push((name.trim().to_owned(), value.to_owned())),
            None if is_name(piece) => {
                if used == PLAIN
                    && let Some((before, _)) = pairs.last()
                {
                    let message = format!("`{piece}` in `{origin}` has no `=`: its value is taken from the environment");
                    let help = format!("if it is a part of the value of {before}, use {WITH_COMMAS}, which is separated by `;`");
                    draft.tell(Finding::warn("build-args/from-environment", message).about(&origin).help(help));
                }
                names.push(piece.clone());
            }
            _ => {
                let message = format!("`{origin}` has `{piece}`, which is neither NAME=VALUE nor the NAME of a variable");
                let help = format!("values that have commas go into {WITH_COMMAS}, which is separated by `;`");
                draft.deny("build-args/value", &origin, message, &help);
            }
        }
    }
    if !pairs.is_empty() {
        draft.assign(Target::Step, "build-args", Value::Pairs(pairs), &[used]);
    }
    if !names.is_empty() {
        from_environment(draft, used, names);
    }
}

/// Adds `names` to those whose values are taken from the environment.
fn from_environment(draft: &mut Draft<'_>, used: &'static str, mut names: Vec<String>) {
    draft.made.assignments.retain(|assignment| assignment.name != "build-args-from-env");
    names.extend(draft.texts(FROM_ENVIRONMENT));
    draft.assign(Target::Step, "build-args-from-env", Value::Texts(names), &[used, FROM_ENVIRONMENT]);
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
