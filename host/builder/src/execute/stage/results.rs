//! What a step has come to, from the cache or carried out.

use std::sync::Arc;

use windlass_core::event::{Outcome, Stage as EventStage};

use super::{Effect, Walk};
use crate::execute::error::BuildError;
use crate::execute::request::StepOutcome;
use crate::execute::session::Cached;
use crate::store::StepKey;

impl Walk<'_> {
    /// What the cache knows of a step, where it may be asked.
    pub(in crate::execute) async fn cached(&self, key: &StepKey) -> Option<Cached> {
        if self.state.is_fresh { None } else { self.executor.session().cached(key, self.state.is_new).await }
    }

    /// The same for a shortcut to what the step makes.
    pub(in crate::execute) async fn cached_by_shortcut(&self, key: &StepKey) -> Option<Cached> {
        if self.state.is_fresh { None } else { self.executor.session().cached_by_shortcut(key, self.state.is_new).await }
    }

    /// Takes over what the cache has, and says so; `key` names the layer.
    pub(in crate::execute) fn take_cached(
        &mut self,
        title: String,
        told: String,
        key: StepKey,
        cached: Cached,
    ) -> Result<(), Arc<BuildError>> {
        self.executor.session().events.start(EventStage::Build, &title).finish(Outcome::Cached);
        self.adopt_cached(title, told, key, cached)
    }

    pub(super) fn adopt_cached(
        &mut self,
        title: String,
        told: String,
        key: StepKey,
        cached: Cached,
    ) -> Result<(), Arc<BuildError>> {
        let (created, continues) = (cached.record.created.clone(), cached.record.continues.unwrap_or(key));
        let (layer, outcome) = cached.layer(self.executor.session(), &key, self.state.layers.clone());
        self.take(title, told, Effect { layer, key: continues, created }, outcome);
        Ok(())
    }

    pub(super) fn take(&mut self, title: String, told: String, effect: Effect, outcome: StepOutcome) {
        self.state.key = effect.key;
        let ran = matches!(outcome, StepOutcome::Run(_));
        self.state.steps.push((title, outcome));
        match effect.layer {
            Some(layer) => {
                if ran && self.executor.is_of_the_image(self.stage) {
                    self.executor.session().tell_of(&layer);
                }
                self.state.layers.push(layer);
                self.state.created = Some(effect.created.clone());
                self.note(told, Some(effect.created));
            }
            None => self.note(told, None),
        }
    }
}
