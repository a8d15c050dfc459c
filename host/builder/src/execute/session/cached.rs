//! What the store, and others, know of steps.

use std::sync::Arc;

use windlass_core::Finding;

use super::Session;
use crate::execute::error::BuildError;
use crate::execute::layer::BuildLayer;
use crate::execute::remote_cache::{Found, Origin, Whence};
use crate::execute::request::StepOutcome;
use crate::store::{StepKey, StepRecord};

/// What is known of a step.
pub(crate) struct Cached {
    pub(crate) record: StepRecord,
    /// Whose word it is, when it is not the store's.
    pub(crate) claim: Option<Claim>,
}

impl Cached {
    /// The layer of the step `key` on those `below`, if it made one, and what became of the step.
    pub(crate) fn layer(
        self,
        session: &Session,
        key: &StepKey,
        below: Vec<Arc<BuildLayer>>,
    ) -> (Option<Arc<BuildLayer>>, StepOutcome) {
        let Self { record, claim } = self;
        let outcome = StepOutcome::Cached(claim.as_ref().map(|claim| claim.origin.clone()));
        let layer = record.layer.map(|layer| {
            let id = session.recorded_snapshot_id(key, &layer);
            match claim {
                Some(claim) => BuildLayer::claimed(id, layer, claim, below),
                None => BuildLayer::cached(id, layer, below),
            }
        });
        (layer, outcome)
    }

    /// How it came to be known.
    pub(crate) fn whence(&self) -> Whence {
        self.claim.as_ref().map_or(Whence::Stored, |claim| Whence::Found(claim.origin.clone()))
    }
}

/// What a remote cache says of a step. Its layer counts once it has been compared with what is said of it.
pub(crate) struct Claim {
    /// The key that it was found under.
    pub(in crate::execute) key: StepKey,
    pub(in crate::execute) record: StepRecord,
    pub(crate) origin: Origin,
}

impl Session {
    /// Whether any cache may know of a step, so that only looking for it can tell.
    pub(crate) fn may_have_results(&self) -> bool {
        self.store.has_steps() || self.sharing.is_shared()
    }

    /// The record of a step, when the cache may be used and still has the whole layer.
    fn cached_here(&self, blob_key: &StepKey) -> Option<StepRecord> {
        let record = self.store.step(blob_key, &self.events)?;
        let here = record.layer.as_ref().is_none_or(|layer| self.blobs.holds(&layer.digest, layer.size));
        here.then_some(record)
    }

    /// What is known of a step: here, or where results are shared. Nobody is asked who cannot know because it `is_new`.
    pub(crate) async fn cached(&self, key: &StepKey, is_new: bool) -> Option<Cached> {
        let blob_key = self.blob_key(key);
        if let Some(record) = self.cached_here(&blob_key) {
            self.sharing.tell(blob_key, &record, Whence::Stored);
            return Some(Cached { record, claim: None });
        }
        if is_new {
            return None;
        }
        let Found { mut record, origin } = self.sharing.find(&blob_key).await?;
        self.sharing.tell(blob_key, &record, Whence::Found(origin.clone()));
        match &mut record.layer {
            Some(layer) => {
                let unique = format!("-{}", layer.diff_id.hex().get(..32).unwrap_or_default());
                layer.snapshot = Some(self.named_snapshot(&record.continues.unwrap_or(*key), &unique));
            }
            // There is nothing to be checked later; a store that cannot be written is asked again.
            None => drop(self.store.record_step(&blob_key, &record)),
        }
        let claim = Claim { key: blob_key, record: record.clone(), origin };
        Some(Cached { record, claim: Some(claim) })
    }

    /// The same for a shortcut: whoever hears of results hears of what it stands for too, as when the step was run.
    pub(crate) async fn cached_by_shortcut(&self, key: &StepKey, is_new: bool) -> Option<Cached> {
        let cached = self.cached(key, is_new).await?;
        if let Some(target) = cached.record.continues {
            let record = StepRecord { continues: None, ..cached.record.clone() };
            self.sharing.tell(self.blob_key(&target), &record, cached.whence());
        }
        Some(cached)
    }

    /// Tells of a shortcut to a result that was found elsewhere. It is no record of ours before its layer has been compared.
    pub(crate) fn tell_of_shortcut(&self, shortcut: &StepKey, alias: &StepRecord, whence: Whence) {
        self.sharing.tell(self.blob_key(shortcut), alias, whence);
    }

    /// The layer is what was claimed: from now on the store knows the step too.
    pub(in crate::execute) fn confirm(&self, claim: &Claim) {
        // A store that cannot be written only asks again.
        let _ = self.store.record_step(&claim.key, &claim.record);
    }

    /// The layer is not what was claimed, or cannot be had: the step is made again.
    pub(in crate::execute) fn distrust(&self, claim: &Claim, error: &BuildError) {
        if self.cancel.is_cancelled() {
            return;
        }
        self.sharing.distrust(claim.key, &claim.origin, error);
        if matches!(claim.origin, Origin::Absent { .. }) {
            return;
        }
        let message = format!("an entry of the cache {} is not used: {}", claim.origin, error.short());
        self.events.notice(Finding::warn("cache/unusable-entry", message).about(claim.key.to_string()));
    }
}
