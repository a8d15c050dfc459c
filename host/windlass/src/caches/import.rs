//! `--cache-from`: what images tell of results of steps. One that is missing or makes no sense costs a warning.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;
use windlass_builder::execute::{Found, Origin};
use windlass_builder::store::StepKey;
use windlass_core::{Digest, EventSink, Finding, Reference, chain};
use windlass_registry::image::{Document, ImageDocument, Manifest};
use windlass_registry::{Registry, layout};

use super::image::{self, MOST_RECORDS, Told};
use crate::step::CacheSource;

/// Configurations with a cache in them hold some hundred bytes for each step.
const LARGEST_CONFIG: u64 = 8 << 20;
/// More images than an index has platforms.
const MOST_IMAGES: usize = 100;

/// What was found, by keys.
pub(crate) type Imported = BTreeMap<StepKey, Found>;

/// Reads every one of `sources`; of those that know the same step the first counts which has its layer.
pub(crate) async fn import(sources: &[CacheSource], registry: &Registry, events: &EventSink) -> Imported {
    let mut all = Imported::new();
    let read = join_all(sources.iter().map(|source| read(source, registry))).await;
    for (source, read) in sources.iter().zip(read) {
        match read {
            Ok(found) => found.into_iter().for_each(|(key, found)| add(&mut all, key, found)),
            Err(reason) => {
                let message = format!("the cache {source} is not used: {reason}");
                events.notice(Finding::warn("cache/import", message).about("cache-from"));
            }
        }
    }
    all
}

fn add(all: &mut Imported, key: StepKey, found: Found) {
    let is_absent = |found: &Found| matches!(found.origin, Origin::Absent { .. });
    if all.get(&key).is_none_or(|known| is_absent(known) && !is_absent(&found)) {
        all.insert(key, found);
    }
}

async fn read(source: &CacheSource, registry: &Registry) -> Result<Imported, String> {
    let there = match source {
        CacheSource::Registry(reference) => Origin::Repository(reference.repository().clone()),
        CacheSource::Layout(path) => Origin::Layout(path.clone()),
    };
    let mut reading = Reading { there, found: Imported::new(), is_cache: false };
    match source {
        CacheSource::Registry(reference) => reading.registry(reference, registry).await?,
        CacheSource::Layout(path) => reading.layout(path).await?,
    }
    if reading.is_cache { Ok(reading.found) } else { Err("it has no cache of ours in it".to_owned()) }
}

/// A source, as far as it was read.
struct Reading {
    /// Where its layers are.
    there: Origin,
    found: Imported,
    is_cache: bool,
}

impl Reading {
    async fn registry(&mut self, reference: &Reference, registry: &Registry) -> Result<(), String> {
        let repository = reference.repository();
        let told = |error: windlass_registry::Error| chain(&error);
        let root = registry.manifest(reference).await.map_err(told)?;
        let mut manifests = Vec::new();
        match listed(&root)? {
            None => manifests.push(root),
            Some(digests) => {
                for digest in digests {
                    manifests.push(registry.manifest(&repository.at(digest)).await.map_err(told)?);
                }
            }
        }
        for manifest in manifests {
            let Document::Image(document) = manifest.document().map_err(|error| chain(&error))? else { continue };
            let config = registry.blob_bytes(repository, &document.config, LARGEST_CONFIG).await.map_err(told)?;
            self.take(&config, &document)?;
        }
        Ok(())
    }

    async fn layout(&mut self, path: &Path) -> Result<(), String> {
        let told = |error: layout::LayoutError| chain(&error);
        for manifest in layout::manifests(path).await.map_err(told)? {
            let Document::Image(document) = manifest.document().map_err(|error| chain(&error))? else { continue };
            let config = layout::blob_bytes(path, &document.config, LARGEST_CONFIG).await.map_err(told)?;
            self.take(&config, &document)?;
        }
        Ok(())
    }

    fn take(&mut self, config: &[u8], document: &ImageDocument) -> Result<(), String> {
        let Some(told) = image::read(config, &document.layers)? else { return Ok(()) };
        self.is_cache = true;
        for (key, Told { record, has_layer }) in told {
            let origin = if has_layer { self.there.clone() } else { Origin::Absent { from: self.there.to_string() } };
            add(&mut self.found, key, Found { record, origin });
        }
        if self.found.len() > MOST_RECORDS {
            return Err(format!("it has more than {MOST_RECORDS} records"));
        }
        Ok(())
    }
}

/// The digests of what an index lists; `None` for an image.
fn listed(root: &Manifest) -> Result<Option<Vec<Digest>>, String> {
    match root.document().map_err(|error| chain(&error))? {
        Document::Image(_) => Ok(None),
        Document::Index(index) if index.entries.len() > MOST_IMAGES => {
            Err(format!("it lists {} images, at most {MOST_IMAGES} are read", index.entries.len()))
        }
        Document::Index(index) => Ok(Some(index.entries.into_iter().map(|entry| entry.descriptor.digest).collect())),
    }
}
