//! What plugins may look at of a destination, with the host's credentials.

use std::sync::Arc;

use async_trait::async_trait;
use windlass_core::{Digest, Repository, Tag, chain};
use windlass_registry::{Error, Registry};
use windlass_runtime::host::registry_view::{RegistryError, RegistryView};

/// A repository that is going to be pushed to.
pub(crate) struct Look {
    registry: Registry,
    repository: Repository,
}

impl Look {
    /// A look at `repository`. Nothing is asked for before a plugin does.
    pub(crate) fn at(registry: &Registry, repository: &Repository) -> Arc<dyn RegistryView> {
        Arc::new(Self { registry: registry.clone(), repository: repository.clone() })
    }
}

#[async_trait]
impl RegistryView for Look {
    async fn tags(&self, prefix: &str) -> Result<Vec<Tag>, RegistryError> {
        match self.registry.tags(&self.repository).await {
            Ok(tags) => Ok(tags.into_iter().filter(|tag| tag.as_str().starts_with(prefix)).collect()),
            Err(Error::RepositoryMissing { .. } | Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(told(&error)),
        }
    }

    async fn digest(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.registry.pushed_digest(&self.repository.tagged(tag.clone())).await.map_err(|error| told(&error))
    }
}

fn told(error: &Error) -> RegistryError {
    let text = chain(error);
    if error.is_about_credentials() {
        RegistryError::Denied(text)
    } else if error.is_of_the_connection() {
        RegistryError::Unreachable(text)
    } else {
        RegistryError::Other(text)
    }
}
