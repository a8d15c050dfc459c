//! Values of options, read in the words of the library; everything that is wrong with them is collected.

use windlass::step::{
    CacheSource, CacheTarget, SharedCache, parse_age, parse_cache_source, parse_cache_target, parse_repository,
};
use windlass_core::Finding;

use crate::arguments::CacheArguments;

/// Reads one option after the other.
#[derive(Default)]
pub(super) struct Reader {
    /// What is wrong with those that were read.
    pub(super) problems: Vec<Finding>,
}

impl Reader {
    /// The values of an option that may be repeated; those that are none are left out.
    pub(super) fn all<T>(&mut self, option: &str, texts: &[String], read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        for text in texts {
            match read(text) {
                Ok(value) => values.push(value),
                Err(message) => self.problems.push(Finding::deny("settings/value", message).about(option)),
            }
        }
        values
    }

    /// What `--cache-repo` and `--cache-ttl` say.
    pub(super) fn shared_cache(&mut self, caches: &CacheArguments) -> Option<SharedCache> {
        let repository = self.one("--cache-repo", caches.cache_repo.as_deref(), parse_repository);
        let max_age = self.one("--cache-ttl", caches.cache_ttl.as_deref(), parse_age).unwrap_or(SharedCache::MAX_AGE);
        repository.map(|repository| SharedCache { repository: Some(repository), max_age })
    }

    /// What `--cache-from` says.
    pub(super) fn cache_from(&mut self, caches: &CacheArguments) -> Vec<CacheSource> {
        self.all("--cache-from", &caches.cache_from, parse_cache_source)
    }

    /// What `--cache-to` says.
    pub(super) fn cache_to(&mut self, caches: &CacheArguments) -> Vec<CacheTarget> {
        self.all("--cache-to", &caches.cache_to, parse_cache_target)
    }

    /// The value of an option that is given at most once.
    pub(super) fn one<T>(&mut self, option: &str, text: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.all(option, &text.map(str::to_owned).into_iter().collect::<Vec<_>>(), read).pop()
    }
}
