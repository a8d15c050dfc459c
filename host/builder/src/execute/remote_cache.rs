//! Caches that other machines share: results of steps that are asked for where the store has none, and given away.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use windlass_core::Repository;

use super::error::BuildError;
use crate::store::{StepKey, StepLayer, StepRecord};

/// The field of an image's configuration that holds results of steps. Those of a base image are not passed on.
pub const CACHE_FIELD: &str = "dev.windlass.cache.v1";

/// What remembers the results of steps somewhere else. Failures are its own to tell: no build fails for them.
#[async_trait]
pub trait RemoteCache: fmt::Debug + Send + Sync {
    /// What the step of that key made. Nothing of it is trusted but as far as a layer can be checked when it comes.
    async fn find(&self, key: &StepKey) -> Option<Found>;

    /// Hears of every result that the build makes or takes over, as soon as it is there.
    async fn learn(&self, key: &StepKey, record: &StepRecord, whence: &Whence);

    /// Whether a layer of the image that is in that repository may stay there, because it has got by itself to wherever the
    /// image goes. One that may not is fetched and checked before the build ends, so that a damaged one is made again.
    async fn may_stay(&self, layer: &StepLayer, origin: &Repository) -> bool;

    /// Hears of the outline of a layer, see [`windlass_layer::write_outline`]: `record` has it as its layer, whose blob is in the
    /// store. `find` gives it to other builds as the result of the step `key`.
    async fn learn_outline(&self, key: &StepKey, record: &StepRecord);

    /// Hears that the layer whose outline has that key is in use: a cache that is written anew keeps what it has of it.
    async fn keep_outline(&self, key: &StepKey);
}

/// A result that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What the step made.
    pub record: StepRecord,
    /// Where its layer is.
    pub origin: Origin,
}

/// Where the layer of a result is that the store does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a repository of a registry.
    Repository(Repository),
    /// In the OCI layout in a directory.
    Layout(PathBuf),
    /// Nowhere: the result serves to find those of later steps. `from` is what told of it.
    Absent {
        /// Who told of it.
        from: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => repository.fmt(f),
            Self::Layout(path) => path.display().fmt(f),
            Self::Absent { from } => f.write_str(from),
        }
    }
}

/// How a build came to know a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whence {
    /// The step was carried out. The layer's blob is in the store.
    Made,
    /// The store had it, with the layer's blob.
    Stored,
    /// [`RemoteCache::find`] gave it.
    Found(Origin),
}

/// The remote cache of a build, and what is on its way there.
#[derive(Default)]
pub(crate) struct Sharing {
    remote: Option<Arc<dyn RemoteCache>>,
    /// Keys whose layers turned out not to be what was said of them.
    distrusted: Mutex<BTreeSet<StepKey>>,
    /// Whether nothing is asked any more, because what holds the layers does not answer.
    is_silent: AtomicBool,
    /// Whether results without a layer are of no use, because one of these layers was needed.
    takes_layers_only: AtomicBool,
    pending: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Sharing {
    pub(crate) fn new(remote: Option<Arc<dyn RemoteCache>>) -> Self {
        Self { remote, ..Self::default() }
    }

    /// Whether there is a remote cache.
    pub(crate) fn is_shared(&self) -> bool {
        self.remote.is_some()
    }

    /// What the remote cache has under `key`.
    pub(crate) async fn find(&self, key: &StepKey) -> Option<Found> {
        let remote = self.remote()?;
        let is_distrusted = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).contains(key);
        let found = if is_distrusted { None } else { remote.find(key).await }?;
        let is_useless = matches!(found.origin, Origin::Absent { .. })
            && found.record.layer.is_some()
            && self.takes_layers_only.load(Ordering::Relaxed);
        (!is_useless).then_some(found)
    }

    /// The remote cache, where there is one that is still asked.
    pub(crate) fn remote(&self) -> Option<&Arc<dyn RemoteCache>> {
        self.remote.as_ref().filter(|_| !self.is_silent.load(Ordering::Relaxed))
    }

    /// Tells the remote cache of a result, in the background.
    pub(crate) fn tell(&self, key: StepKey, record: &StepRecord, whence: Whence) {
        let Some(remote) = self.remote.clone() else { return };
        let record = record.clone();
        let started = tokio::spawn(async move { remote.learn(&key, &record, &whence).await });
        self.wait_for(started.map(drop).boxed());
    }

    /// Lets [`Sharing::finish`] wait for something that may still have a result to tell of.
    pub(crate) fn wait_for(&self, work: BoxFuture<'static, ()>) {
        if self.remote.is_some() {
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        }
    }

    /// Waits until the remote cache has taken in everything.
    pub(crate) async fn finish(&self) {
        loop {
            let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            if pending.is_empty() {
                return;
            }
            join_all(pending).await;
        }
    }

    /// Whether a layer of the image may stay where it was found.
    pub(crate) async fn may_stay(&self, layer: &StepLayer, origin: &Origin) -> bool {
        match (&self.remote, origin) {
            (Some(remote), Origin::Repository(repository)) => remote.may_stay(layer, repository).await,
            _ => false,
        }
    }

    /// Asks for that key no more in this build, nor for what the same failure would befall.
    pub(crate) fn distrust(&self, key: StepKey, origin: &Origin, error: &BuildError) {
        if matches!(origin, Origin::Absent { .. }) {
            self.takes_layers_only.store(true, Ordering::Relaxed);
        }
        if error.is_of_a_silent_registry() {
            self.is_silent.store(true, Ordering::Relaxed);
        }
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// How many keys are distrusted: more than before means that a build is worth another try.
    pub(crate) fn distrusted(&self) -> usize {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
