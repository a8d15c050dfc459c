//! A dialect that tells all it can see, and cheats when its raw setting `mode` says so.

use windlass_plugin_sdk::dialect::{
    self, Assignment, Dialect, Outcome, RawKind, RawSettings, Source, Target, Translation, Value, Verdict,
};
use windlass_plugin_sdk::{Describe, Description, Finding, Grant, Setting};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("guest-dialect", "0.1.0", "tells all it can see")
            .setting(Setting::text("mode", "What to do."))
            .setting(Setting::text("region", "A text."))
            .setting(Setting::texts("spec.tags", "A list."))
            .setting(Setting::pairs("spec.labels", "A map."))
            .setting(Setting::secret("password", "A secret."))
            .setting(Setting::text("policy-file", "A path."))
            .grant(Grant::file("tags-file", ".tags", "tags stand there"))
    }
}

fn assign(target: Target, name: &str, value: Value, from: &[&str]) -> Assignment {
    Assignment { target, name: name.to_owned(), value, from: from.iter().map(|name| (*name).to_owned()).collect() }
}

impl Dialect for Guest {
    fn translate(raw: &RawSettings, _source: &Source) -> Result<Translation, Vec<Finding>> {
        let names = raw.names();
        let mode = raw.text("mode").unwrap_or_default();
        let mut outcomes: Vec<Outcome> =
            names.iter().map(|name| Outcome { name: name.clone(), verdict: verdict(raw, name) }).collect();
        let mut assignments = Vec::new();
        if let Some(region) = raw.text("region") {
            assignments.push(assign(Target::Adapter, "region", Value::Text(region), &["region"]));
        }
        if raw.is_secret("password") {
            assignments.push(assign(Target::PushCredentials, "password", Value::SecretOf("password".to_owned()), &["password"]));
        }
        if let Some(labels) = raw.pairs("spec.labels") {
            assignments.push(assign(Target::Step, "labels", Value::Pairs(labels), &["spec.labels"]));
        }
        match raw.text("policy-file") {
            Some(path) => assignments.push(assign(Target::Adapter, "policy", Value::File(path), &["policy-file"])),
            None => assignments.push(assign(Target::Step, "tags", Value::File(".tags".to_owned()), &[])),
        }
        match mode.as_str() {
            "forget" => drop(outcomes.pop()),
            "invent" => outcomes.push(Outcome { name: "invented".to_owned(), verdict: Verdict::Used }),
            "double" => outcomes.push(Outcome { name: "mode".to_owned(), verdict: Verdict::Used }),
            "outside" => assignments.push(assign(Target::Adapter, "policy", Value::File("/etc/shadow".to_owned()), &["mode"])),
            "refuse" => return Err(Finding::deny("guest/region", "`spec.region` is missing").about("spec.region").into()),
            _ => {}
        }
        Ok(Translation {
            assignments,
            outcomes,
            adapter: Some("guest-adapter".to_owned()),
            tag_policies: vec!["guest-tagger".to_owned()],
            engine: None,
            findings: vec![Finding::warn("guest/seen", "seen").about("region")],
            attributes: Vec::new(),
        })
    }
}

/// Used where a value can be read, ignored for secrets, and unknown for the rest, with all that could be read of it.
fn verdict(raw: &RawSettings, name: &str) -> Verdict {
    match raw.kind(name) {
        Some(RawKind::Secret) => Verdict::Ignored(format!("secret: {:?}", raw.text(name))),
        Some(RawKind::Hidden) => {
            Verdict::Unknown(Some(format!("hidden: {:?} {:?} {:?}", raw.text(name), raw.texts(name), raw.pairs(name))))
        }
        _ => Verdict::Used,
    }
}

dialect::export!(Guest);
