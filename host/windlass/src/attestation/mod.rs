//! Attestations, attached to an image as BuildKit does it: an index that lists, beside each image, a manifest for no platform
//! whose layers are in-toto statements about that image.

mod provenance;
mod sbom;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use windlass_builder::store::Store;
use windlass_core::{Digest, EventSink, Platform, Reference};
use windlass_registry::image::{Descriptor, Format, IndexMember, Manifest};

use crate::images::{Image, Member};
use crate::inside::Inside;
use crate::step::BuildSettings;

type Problem = Box<dyn std::error::Error + Send + Sync>;

const STATEMENT: &str = "application/vnd.in-toto+json";

/// What is known of the build besides its settings.
pub(crate) struct Facts<'a> {
    pub(crate) build: &'a BuildSettings,
    /// The Dockerfile's path, below the context.
    pub(crate) dockerfile: String,
    /// Base images, with the digests that their names had.
    pub(crate) bases: &'a [(Reference, Digest)],
    /// The names that the image gets.
    pub(crate) names: &'a [Reference],
    /// When the build began.
    pub(crate) started: Timestamp,
    /// When it ended.
    pub(crate) finished: Timestamp,
}

impl Facts<'_> {
    /// When the documents were made: with `SOURCE_DATE_EPOCH` that time.
    fn created(&self) -> String {
        let epoch = self.build.source_date_epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
        // SPDX has whole seconds only.
        epoch.unwrap_or(self.finished).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// The image with what is asked for attached to it.
pub(crate) async fn attached(image: &Image, facts: &Facts<'_>, store: &Arc<Store>, events: &EventSink) -> Result<Image, Problem> {
    let mut attestations = Vec::new();
    for member in &image.members {
        let mut predicates: Vec<(&str, Value)> = Vec::new();
        if facts.build.sbom {
            let files = Inside::new(image, member, store);
            let view = files.view().await.map_err(|error| error.to_string())?;
            let found = tokio::task::spawn_blocking(move || sbom::packages(&view)).await??;
            found.warnings.into_iter().for_each(|warning| events.notice(warning));
            predicates.push((sbom::PREDICATE, sbom::predicate(&found.packages, facts, member)));
        }
        if let Some(asked) = &facts.build.provenance {
            predicates.push((provenance::PREDICATE, provenance::predicate(facts, &member.platform, asked)));
        }
        attestations.push(manifest(member, facts, &predicates, store)?);
    }
    Ok(image.with_attestations(attestations)?)
}

/// The manifest with statements about one image, as the index lists it.
fn manifest(member: &Member, facts: &Facts<'_>, predicates: &[(&str, Value)], store: &Store) -> Result<IndexMember, Problem> {
    let subject = member.manifest.digest();
    let names: Vec<String> = facts.names.iter().map(|name| package_url(name, &member.platform)).collect();
    let names = if names.is_empty() { vec!["_".to_owned()] } else { names };
    let subjects: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "digest": {subject.algorithm(): subject.hex()}})).collect();
    let mut layers = Vec::new();
    for (kind, predicate) in predicates {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "subject": subjects, "predicate": predicate,
        });
        let bytes = serde_json::to_vec(&statement)?;
        let annotations = BTreeMap::from([("in-toto.io/predicate-type".to_owned(), (*kind).to_owned())]);
        layers.push(Descriptor { annotations, ..Descriptor::new(STATEMENT, store.blobs().put(&bytes)?, bytes.len() as u64) });
    }
    let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = serde_json::to_vec(&config)?;
    let config = Descriptor::new(Format::Oci.config(), store.blobs().put(&config)?, config.len() as u64);
    Ok(IndexMember {
        manifest: Manifest::image(Format::Oci, &config, &layers, BTreeMap::new()),
        platform: Platform::new("unknown", "unknown", None),
        annotations: BTreeMap::from([
            ("vnd.docker.reference.digest".to_owned(), subject.to_string()),
            ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
        ]),
    })
}

/// A package URL of an image: `pkg:docker/REPOSITORY@TAG?platform=…`.
fn package_url(name: &Reference, platform: &Platform) -> String {
    let version = name.tag().map(ToString::to_string).or_else(|| name.digest().map(ToString::to_string));
    let version = version.unwrap_or_else(|| "latest".to_owned()).replace(':', "%3A");
    format!("pkg:docker/{}@{version}?platform={}", name.repository(), platform.to_string().replace('/', "%2F"))
}
