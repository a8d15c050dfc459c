//! Where an image comes from: SLSA provenance, version 1.0.

use serde_json::{Map, Value, json};
use windlass_core::Platform;

use super::Facts;
use crate::step::{Detail, Provenance};

pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What the parameters below mean.
const BUILD_TYPE: &str = "https://github.com/windlass-build/windlass/blob/main/docs/provenance.md";

/// The predicate. Build arguments stand in it only when everything is asked for, and secret ones by their names alone.
pub(super) fn predicate(facts: &Facts<'_>, platform: &Platform, asked: &Provenance) -> Value {
    let build = facts.build;
    let mut arguments = Map::new();
    if let Some(target) = &build.target {
        arguments.insert("target".to_owned(), json!(target));
    }
    if asked.detail == Detail::Max {
        for argument in &build.arguments {
            arguments.insert(format!("build-arg:{}", argument.name), json!(argument.shown()));
        }
        for (name, value) in &build.labels {
            arguments.insert(format!("label:{name}"), json!(value));
        }
    }
    let secrets: Vec<Value> = build.secrets.iter().map(|secret| json!({"id": secret.id})).collect();
    let dependencies: Vec<Value> = facts.bases.iter().map(|(reference, digest)| {
        json!({"uri": super::package_url(reference, platform), "digest": {digest.algorithm(): digest.hex()}})
    }).collect();
    let mut metadata = Map::new();
    // A reproducible build says nothing of when it was.
    if build.source_date_epoch.is_none() {
        metadata.insert("startedOn".to_owned(), json!(facts.started.to_string()));
        metadata.insert("finishedOn".to_owned(), json!(facts.finished.to_string()));
    }
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": {"path": facts.dockerfile},
                "request": {"frontend": "dockerfile.v0", "args": arguments, "secrets": secrets},
            },
            "internalParameters": {"builderPlatform": Platform::host()},
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {"id": asked.builder_id, "version": {"windlass": env!("CARGO_PKG_VERSION")}},
            "metadata": metadata,
        },
    })
}
