//! Where results of steps are shared, when nobody has said it, and whether they are.

use windlass_core::{Finding, Repository};

use super::{EMBEDDED, Meaning, Planner};

impl Planner<'_> {
    /// Gives the cache its repository, or tells why there is none.
    pub(super) fn place_cache(&self, meaning: &mut Meaning) {
        let build = &mut meaning.step.build;
        if meaning.step.archive.is_some() {
            // No step is run whose result could be shared.
            (build.shared_cache, build.cache_from, build.cache_to) = Default::default();
            return;
        }
        let engine = meaning.translation.engine.as_deref().filter(|_| self.request.engine == EMBEDDED);
        let engine = engine.unwrap_or(&self.request.engine);
        if engine != EMBEDDED {
            if build.shared_cache.is_some() || !build.cache_from.is_empty() || !build.cache_to.is_empty() {
                let message = format!("the engine {engine} keeps caches of its own: no results of steps are shared");
                meaning.notices.push(Finding::warn("settings/no-effect", message).about("cache"));
            }
            (build.shared_cache, build.cache_from, build.cache_to) = Default::default();
            return;
        }
        let Some(cache) = &mut build.shared_cache else { return };
        if cache.repository.is_some() {
            return;
        }
        let first = meaning.destinations.first().map(|destination| &destination.resolved.repository);
        cache.repository = first.and_then(|first| Repository::new(first.registry(), &format!("{}/cache", first.path())).ok());
        if cache.repository.is_none() {
            let finding = Finding::warn("settings/no-effect", "without a destination there is no place for the cache");
            meaning.notices.push(finding.about("cache").help("name a repository with `cache-repo`"));
            meaning.step.build.shared_cache = None;
        }
    }
}
