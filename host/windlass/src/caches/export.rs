//! `--cache-to`: what a build has come to know, as an image that other builds import.

use std::collections::{BTreeMap, BTreeSet};

use windlass_builder::execute::{CACHE_FIELD, Origin, Whence};
use windlass_builder::store::{StepKey, StepLayer, StepRecord, Store};
use windlass_core::event::{Outcome, Stage};
use windlass_core::{Digest, EventSink, ExitCode, Finding, Platform, Reference, Tag, chain};
use windlass_registry::image::{Descriptor, Format, ImageConfig, Manifest, RootFs, Tree};
use windlass_registry::{LazyBlobs, Mounts, Registry, layout};

use super::entry::EMPTY_LAYER;
use super::image::{self, Results};
use crate::failure::Failure;
use crate::step::{CachePlace, CacheTarget};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What a build has come to know, and how.
pub(crate) type Learned = BTreeMap<StepKey, (StepRecord, Whence)>;

/// The results alone.
pub(crate) fn results<'l>(learned: impl IntoIterator<Item = (&'l StepKey, &'l (StepRecord, Whence))>) -> Results {
    learned.into_iter().map(|(key, (record, _))| (*key, record.clone())).collect()
}

/// What writing caches takes.
pub(crate) struct Exporter<'a> {
    pub(crate) learned: &'a Learned,
    /// What goes into a cache that has all layers, besides.
    pub(crate) outlines: &'a Learned,
    /// What the layers of the image unpack to, of every platform.
    pub(crate) image: BTreeSet<Digest>,
    pub(crate) registry: &'a Registry,
    pub(crate) store: &'a Store,
    pub(crate) events: &'a EventSink,
}

impl Exporter<'_> {
    /// Writes a cache that is not part of the image.
    pub(crate) async fn write(&self, target: &CacheTarget) -> Result<(), Failure> {
        if target.place == CachePlace::Inline {
            return Ok(());
        }
        let task = self.events.start(Stage::Export, format!("write the cache {target}"));
        let Err(error) = self.try_write(target).await else {
            task.finish(Outcome::Done);
            return Ok(());
        };
        let reason = chain(error.as_ref());
        task.finish(Outcome::Failed(reason.clone()));
        let message = format!("cannot write the cache {target}: {reason}");
        if target.ignores_errors {
            self.events.notice(Finding::warn("cache/export", message).about("cache-to"));
            return Ok(());
        }
        let help = error.downcast_ref::<windlass_registry::Error>().and_then(windlass_registry::Error::help);
        let help = help.unwrap_or_else(|| "with ignore-error=true the run goes on without it".to_owned());
        let code = if target.repository().is_some() { ExitCode::Push } else { ExitCode::Output };
        Err(Failure::one(code, Finding::deny("cache/export", message).about("cache-to").help(help)))
    }

    async fn try_write(&self, target: &CacheTarget) -> Result<(), Problem> {
        let (tree, source) = self.image(target).await?;
        match &target.place {
            CachePlace::Registry(reference) => self.push(reference, &tree, &source).await,
            CachePlace::Layout(path) => Ok(layout::write_directory(path, &tree, &[], &source).await?),
            CachePlace::Inline => Ok(()),
        }
    }

    /// The image, and where its layers are.
    async fn image(&self, target: &CacheTarget) -> Result<(Tree, LazyBlobs), Problem> {
        let blobs = self.store.blobs();
        let mut source = LazyBlobs { blobs: blobs.clone(), registry: self.registry.clone(), origins: BTreeMap::new() };
        let (mut diff_ids, mut layers): (Vec<Digest>, Vec<Descriptor>) = Default::default();
        // Outlines come first, so that whoever unpacks the image sees the files of the others.
        let outlines = target.has_all_layers.then_some(self.outlines).into_iter().flatten();
        let all: Vec<_> = outlines.chain(self.learned).collect();
        for (_, (record, whence)) in &all {
            let Some(layer) = &record.layer else { continue };
            let is_wanted = target.has_all_layers || self.image.contains(&layer.diff_id);
            if !is_wanted || diff_ids.contains(&layer.diff_id) || !self.reach(layer, whence, &mut source).await? {
                continue;
            }
            diff_ids.push(layer.diff_id.clone());
            layers.push(descriptor(layer));
        }
        let records = image::write(&results(all), &diff_ids);
        if layers.is_empty() {
            // Registries want an image to have a layer.
            let (layer, diff_id) = super::entry::empty_layer();
            blobs.put(EMPTY_LAYER)?;
            diff_ids.push(diff_id);
            layers.push(layer);
        }
        let platform = Platform::host();
        let mut config = ImageConfig {
            architecture: platform.architecture().to_owned(),
            os: platform.os().to_owned(),
            rootfs: RootFs { diff_ids, ..RootFs::default() },
            ..ImageConfig::default()
        };
        config.other.insert(CACHE_FIELD.to_owned(), records);
        let json = config.to_json();
        let config = Descriptor::new(Format::Oci.config(), blobs.put(&json)?, json.len() as u64);
        Ok((Tree::image(Manifest::image(Format::Oci, &config, &layers, BTreeMap::new()))?, source))
    }

    /// Sees to it that `source` can give a layer; whether anybody has it.
    async fn reach(&self, layer: &StepLayer, whence: &Whence, source: &mut LazyBlobs) -> Result<bool, Problem> {
        let blob = descriptor(layer);
        if source.blobs.holds(&blob.digest, blob.size) {
            return Ok(true);
        }
        match whence {
            Whence::Found(Origin::Repository(repository)) => {
                source.origins.insert(blob.digest, repository.clone());
                Ok(true)
            }
            Whence::Found(Origin::Layout(path)) => {
                layout::copy_blob(path, &blob, &source.blobs).await?;
                Ok(true)
            }
            Whence::Found(Origin::Absent { .. }) | Whence::Made | Whence::Stored => Ok(false),
        }
    }

    async fn push(&self, reference: &Reference, tree: &Tree, source: &LazyBlobs) -> Result<(), Problem> {
        let repository = reference.repository();
        let mounts: Mounts = source.origins.iter().map(|(digest, from)| (digest.clone(), vec![from.clone()])).collect();
        let tag = reference.tag().cloned().map_or_else(|| Tag::parse("latest"), Ok)?;
        let pushed = self.registry.push_content(repository, tree, source, &mounts, self.events).await?;
        Ok(self.registry.push_tags(repository, tree.root(), &pushed, &[tag], self.events).await?)
    }
}

fn descriptor(layer: &StepLayer) -> Descriptor {
    Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size)
}
