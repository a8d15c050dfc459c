//! Whether the image is pushed, whether it is built at all, and how certificates are looked at.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::draft::Draft;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let no_push = stays_here(draft);
    if no_push {
        draft.assign(Target::Step, "push", Value::Flag(false), &["PLUGIN_DRY_RUN", "PLUGIN_NO_PUSH"]);
    }
    push_only(draft, no_push);
    either(draft, &["PLUGIN_SKIP_TLS_VERIFY", "PLUGIN_SKIP_TLS_VERIFY_REGISTRY"], "skip-tls-verify");
}

/// Whether the user wants nothing pushed: one wish is enough, so that nothing is pushed by mistake.
pub(crate) fn stays_here(draft: &mut Draft<'_>) -> bool {
    let dry_run = draft.flag("PLUGIN_DRY_RUN") == Some(true);
    draft.flag("PLUGIN_NO_PUSH") == Some(true) || dry_run
}

fn push_only(draft: &mut Draft<'_>, no_push: bool) {
    const SOURCES: [(&str, &str); 2] = [("PLUGIN_SOURCE_TAR_PATH", "source-tar-path"), ("PLUGIN_SOURCE_IMAGE", "source-image")];
    if draft.flag("PLUGIN_PUSH_ONLY") != Some(true) {
        for (name, _) in SOURCES {
            draft.ignore(name, "`PLUGIN_PUSH_ONLY` is not true");
        }
        return;
    }
    let origin = draft.origin("PLUGIN_PUSH_ONLY");
    if no_push {
        let message = format!("`{origin}` only pushes, and `PLUGIN_NO_PUSH` or `PLUGIN_DRY_RUN` forbids that");
        draft.deny("settings/conflict", &origin, message, "remove one of them");
    }
    match (draft.is_given(SOURCES[0].0), draft.is_given(SOURCES[1].0)) {
        (true, true) => {
            let message = "`PLUGIN_SOURCE_TAR_PATH` and `PLUGIN_SOURCE_IMAGE` both name what is pushed".to_owned();
            draft.deny("settings/conflict", &origin, message, "remove one of them");
        }
        (false, false) => {
            let message = format!("`{origin}` is true, but nothing says which image is pushed");
            draft.deny(
                "settings/missing",
                &origin,
                message,
                "set PLUGIN_SOURCE_TAR_PATH to a docker archive, an OCI archive or an OCI layout",
            );
        }
        _ => {}
    }
    draft.assign(Target::Step, "push-only", Value::Flag(true), &["PLUGIN_PUSH_ONLY"]);
    for (name, setting) in SOURCES {
        draft.pass(name, Target::Step, setting);
    }
}

/// Sets `setting` when one of two flags is given: true when either is.
fn either(draft: &mut Draft<'_>, names: &[&'static str; 2], setting: &str) {
    let flags = names.map(|name| draft.flag(name));
    if flags.iter().any(Option::is_some) {
        draft.assign(Target::Step, setting, Value::Flag(flags.contains(&Some(true))), names);
    }
}
