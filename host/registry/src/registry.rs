//! The client: one for a run, for every registry that the run talks to.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use windlass_core::{Digest, Repository};

use crate::credential::{Action, CredentialSource};
use crate::error::Error;
use crate::options::Options;
use crate::transport::clients::Clients;
use crate::transport::endpoint::Endpoint;
use crate::transport::route::Route;

/// A client for registries: OCI distribution specification 1.1. Clones share connections, tokens and limits.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

/// Held by whoever fetches or sends a blob, so that others wait for it.
pub(crate) type Turn = Arc<tokio::sync::Mutex<()>>;

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) clients: Clients,
    /// How many blobs may come in, and go out, at the same time. They are told apart because a push may wait for a pull.
    pub(crate) pulls: Semaphore,
    pub(crate) pushes: Semaphore,
    /// The blobs that are being fetched, by their place in a store and their size.
    pub(crate) fetching: Mutex<HashMap<(PathBuf, u64), Turn>>,
    /// The blobs that are being sent to a registry: what goes to two of its repositories is sent to one and mounted by the other.
    pub(crate) pushing: Mutex<HashMap<(String, Digest), Turn>>,
    /// The blobs that are known to be in a repository.
    pub(crate) present: Mutex<HashSet<(Repository, Digest)>>,
    endpoints: Mutex<HashMap<(String, Action), Arc<Endpoint>>>,
    mirrors: Mutex<HashMap<String, Vec<Arc<Endpoint>>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Registry {
    /// A client. Nothing is read or contacted before the first request.
    #[must_use]
    pub fn new(options: Options, credentials: Arc<dyn CredentialSource>) -> Self {
        let parallelism = options.parallelism.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            inner: Arc::new(Inner {
                options,
                credentials,
                clients: Clients::default(),
                pulls: Semaphore::new(parallelism),
                pushes: Semaphore::new(parallelism),
                fetching: Mutex::default(),
                pushing: Mutex::default(),
                present: Mutex::default(),
                endpoints: Mutex::default(),
                mirrors: Mutex::default(),
            }),
        }
    }

    /// The settings that it was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The way to the repository itself.
    pub(crate) fn route(&self, repository: &Repository, action: Action) -> Result<Route, Error> {
        let key = (repository.registry().to_owned(), action);
        let mut endpoints = self.inner.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = match endpoints.get(&key) {
            Some(endpoint) => Arc::clone(endpoint),
            None => {
                let endpoint = Arc::new(Endpoint::of(&self.inner.options, repository.registry(), action)?);
                endpoints.insert(key, Arc::clone(&endpoint));
                endpoint
            }
        };
        Ok(Route { inner: Arc::clone(&self.inner), endpoint, repository: repository.clone(), action })
    }

    /// The ways to pull from a repository: mirrors that answer first, the repository itself last.
    pub(crate) fn pull_routes(&self, repository: &Repository) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for endpoint in self.mirrors(repository.registry())? {
            if endpoint.is_down.load(Ordering::Relaxed) && self.inner.options.mirror_fallback {
                continue;
            }
            // A mirror has credentials of its own.
            if let Ok(repository) = Repository::new(&endpoint.registry, repository.path()) {
                routes.push(Route { inner: Arc::clone(&self.inner), endpoint, repository, action: Action::Pull });
            }
        }
        if routes.is_empty() || self.inner.options.mirror_fallback {
            routes.push(self.route(repository, Action::Pull)?);
        }
        Ok(routes)
    }

    fn mirrors(&self, registry: &str) -> Result<Vec<Arc<Endpoint>>, Error> {
        let Some(wanted) = self.inner.options.mirrors.get(registry) else { return Ok(Vec::new()) };
        let mut known = self.inner.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoints) = known.get(registry) {
            return Ok(endpoints.clone());
        }
        let made = |mirror| Endpoint::mirror(&self.inner.options, mirror).map(Arc::new);
        let endpoints: Vec<_> = wanted.iter().map(made).collect::<Result<_, _>>()?;
        known.insert(registry.to_owned(), endpoints.clone());
        Ok(endpoints)
    }
}
