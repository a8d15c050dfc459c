//! Caches that a run shares with other machines: a repository of entries (`--cache-repo`), and images that are read and written
//! whole (`--cache-from`, `--cache-to`).

mod entry;
mod export;
mod image;
mod import;
mod repository;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use windlass_builder::execute::{BuiltImage, CACHE_FIELD, Found, Origin, RemoteCache, Whence};
use windlass_builder::store::{StepKey, StepLayer, StepRecord, Store};
use windlass_core::{EventSink, Repository};
use windlass_registry::image::Descriptor;
use windlass_registry::{Blobs, Registry, StoreError};

use crate::failure::Failure;
use crate::step::{CachePlace, CacheSource, CacheTarget};
use export::{Exporter, Learned};
use import::Imported;
pub(crate) use repository::{GivenUp, RegistryCache};

/// The caches of a run.
#[derive(Debug)]
pub(crate) struct Caches {
    registry: Registry,
    /// Repositories that the image goes to.
    destinations: Vec<Repository>,
    /// Whether nobody needs the layers of the image here, so that they may go straight from repository to repository.
    layers_may_stay: bool,
    repository: Option<RegistryCache>,
    imported: Imported,
    targets: Vec<CacheTarget>,
    /// What the build has come to know, where somebody wants to have it.
    learned: Mutex<Learned>,
    /// Outlines of the layers that it has used: for caches that have every layer, and never part of the image.
    outlines: Mutex<Learned>,
}

impl Caches {
    /// Caches for an image that goes to `destinations`. `sources` are read now.
    pub(crate) async fn open(
        registry: &Registry,
        destinations: Vec<Repository>,
        layers_may_stay: bool,
        repository: Option<RegistryCache>,
        (sources, targets): (&[CacheSource], &[CacheTarget]),
        events: &EventSink,
    ) -> Self {
        Self {
            registry: registry.clone(),
            destinations,
            layers_may_stay,
            repository,
            imported: import::import(sources, registry, events).await,
            targets: targets.to_vec(),
            learned: Mutex::default(),
            outlines: Mutex::default(),
        }
    }

    /// Puts what the build has come to know into the images that were built, where that is asked for.
    pub(crate) fn put_inside(&self, built: &mut [BuiltImage], blobs: &Blobs) -> Result<(), StoreError> {
        if !self.targets.iter().any(|target| target.place == CachePlace::Inline) {
            return Ok(());
        }
        let results = export::results(&*self.learned.lock().unwrap_or_else(PoisonError::into_inner));
        for image in built {
            let records = image::write(&results, &image.config.rootfs.diff_ids);
            image.config.other.insert(CACHE_FIELD.to_owned(), records);
            let json = image.config.to_json();
            let media_type = image.config_descriptor.media_type.clone();
            image.config_descriptor = Descriptor::new(media_type, blobs.put(&json)?, json.len() as u64);
        }
        Ok(())
    }

    /// Lets others have what had to wait for a policy.
    pub(crate) async fn release(&self) {
        if let Some(repository) = &self.repository {
            repository.release().await;
        }
    }

    /// Writes the caches that are not part of the image, whose layers unpack to `diff_ids`.
    pub(crate) async fn write(
        &self,
        diff_ids: impl IntoIterator<Item = windlass_core::Digest>,
        store: &Store,
        events: &EventSink,
    ) -> Result<(), Failure> {
        let taken = |results: &Mutex<Learned>| std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
        let (learned, outlines) = (taken(&self.learned), taken(&self.outlines));
        let image = diff_ids.into_iter().collect();
        let exporter = Exporter { learned: &learned, outlines: &outlines, image, registry: &self.registry, store, events };
        for target in &self.targets {
            exporter.write(target).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl RemoteCache for Caches {
    async fn find(&self, key: &StepKey) -> Option<Found> {
        let imported = self.imported.get(key);
        let has_layer = |found: &&Found| !matches!(found.origin, Origin::Absent { .. });
        if let Some(found) = imported.filter(has_layer) {
            return Some(found.clone());
        }
        let found = match &self.repository {
            Some(repository) => repository.find(key).await,
            None => None,
        };
        found.or_else(|| imported.cloned())
    }

    async fn learn(&self, key: &StepKey, record: &StepRecord, whence: &Whence) {
        if !self.targets.is_empty() {
            let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            remember(&mut learned, *key, record, whence);
        }
        if let Some(repository) = &self.repository {
            repository.learn(key, record, whence).await;
        }
    }

    async fn learn_outline(&self, key: &StepKey, record: &StepRecord) {
        if !self.targets.is_empty() {
            let mut outlines = self.outlines.lock().unwrap_or_else(PoisonError::into_inner);
            remember(&mut outlines, *key, record, &Whence::Made);
        }
        if let Some(repository) = &self.repository {
            repository.learn(key, record, &Whence::Made).await;
        }
    }

    async fn keep_outline(&self, key: &StepKey) {
        if let Some(Found { record, origin }) = self.imported.get(key).filter(|_| !self.targets.is_empty()) {
            let mut outlines = self.outlines.lock().unwrap_or_else(PoisonError::into_inner);
            remember(&mut outlines, *key, record, &Whence::Found(origin.clone()));
        }
    }

    async fn may_stay(&self, layer: &StepLayer, origin: &Repository) -> bool {
        if !self.layers_may_stay {
            return false;
        }
        let blob = Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size);
        for destination in &self.destinations {
            // What goes wrong here does so again, and is told, when the image is pushed.
            if !self.registry.mount_blob(destination, &blob, std::slice::from_ref(origin)).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }
}

/// Notes a result. One that was made takes the place of one that turned out to be unusable; they are not heard of in order.
fn remember(learned: &mut BTreeMap<StepKey, (StepRecord, Whence)>, key: StepKey, record: &StepRecord, whence: &Whence) {
    let value = (record.clone(), whence.clone());
    match learned.entry(key) {
        Entry::Vacant(entry) => drop(entry.insert(value)),
        Entry::Occupied(mut entry) => {
            if matches!(entry.get().1, Whence::Found(_)) {
                entry.insert(value);
            }
        }
    }
}
