//! The caches of a run, as its step wants them.

use std::sync::{Arc, Mutex};

use windlass_builder::store::Store;
use windlass_core::{Finding, Repository};
use windlass_registry::Registry;
use windlass_runtime::registry_adapter;

use super::{Run, repositories};
use crate::caches::{Caches, GivenUp, RegistryCache};
use crate::planning::{Destination, Planned};
use crate::report::Report;
use crate::step::Encoding;

impl Run<'_> {
    /// The caches that results of steps are taken from and given to.
    pub(super) async fn caches(&self, registry: &Registry, store: &Store) -> Option<Arc<Caches>> {
        let Planned { step, destinations, policies, .. } = self.planned;
        let build = &step.build;
        if build.shared_cache.is_none() && build.cache_from.is_empty() && build.cache_to.is_empty() {
            return None;
        }
        let events = &self.surroundings.events;
        let repository = build.shared_cache.as_ref().and_then(|shared| {
            Some(RegistryCache {
                registry: registry.clone(),
                repository: shared.repository.clone()?,
                max_age: shared.max_age,
                blobs: store.blobs().clone(),
                events: events.clone(),
                waiting: (!policies.is_empty()).then(Mutex::default),
                given_up: GivenUp::default(),
            })
        });
        // Whoever looks into the image or writes it needs its layers here.
        let is_opened = !step.outputs.exports.is_empty()
            || !policies.is_empty()
            || build.is_attested()
            || step.outputs.pushed != Encoding::default();
        let destinations = if step.push { repositories(destinations) } else { Vec::new() };
        let sources = if build.no_cache { &[] } else { build.cache_from.as_slice() };
        let images = (sources, build.cache_to.as_slice());
        Some(Arc::new(Caches::open(registry, destinations, !is_opened, repository, images, events).await))
    }

    /// Lets an adapter make the cache's repository, as it does with a destination. A build goes on without.
    pub(super) async fn prepare_cache(&self, repository: &Repository, report: &mut Report) {
        let same = |destination: &&Destination| destination.resolved.repository.registry() == repository.registry();
        let Some(destination) = self.planned.destinations.iter().find(same) else { return };
        if destination.resolved.repository == *repository {
            return;
        }
        let mut resolved = registry_adapter::Destination::new(repository.clone(), &destination.resolved.kind);
        resolved.attributes.clone_from(&destination.resolved.attributes);
        let wanted = Destination { resolved, tags: Vec::new(), adapter: destination.adapter.clone() };
        match self.prepare(&wanted).await {
            Ok(prepared) => report.prepared.extend(prepared),
            Err(failure) => {
                let message = format!("the repository {repository} of the cache is not prepared: {failure}");
                self.surroundings.events.notice(Finding::warn("cache/registry", message).about("cache"));
            }
        }
    }
}
