//! `registry-view`: a look at a destination.

use async_trait::async_trait;
use wasmtime::component::Resource;
use windlass_core::{Digest, Tag};

use crate::bindings::host::registry_view::{Host, HostRegistryView, RegistryError as Wit};
use crate::call::HostState;
use crate::host::handle::RegistryViewHandle;

/// A look at one repository of a registry.
#[async_trait]
pub trait RegistryView: Send + Sync {
    /// The tags that begin with `prefix`; none when the repository does not exist.
    ///
    /// # Errors
    /// When the registry does not let us look, or does not answer.
    async fn tags(&self, prefix: &str) -> Result<Vec<Tag>, RegistryError>;

    /// The digest that `tag` points at, when it exists.
    ///
    /// # Errors
    /// When the registry does not let us look, or does not answer.
    async fn digest(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError>;
}

/// Why a registry cannot be looked at. The texts are for people and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The credentials may not read there.
    #[error("access was denied: {0}")]
    Denied(String),
    /// It does not answer.
    #[error("the registry cannot be reached: {0}")]
    Unreachable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn told(error: RegistryError) -> Wit {
    match error {
        RegistryError::Denied(why) => Wit::Denied(why),
        RegistryError::Unreachable(why) => Wit::Unreachable(why),
        RegistryError::Other(why) => Wit::Other(why),
    }
}

fn late() -> Wit {
    Wit::Unreachable("it did not answer in time".to_owned())
}

impl Host for HostState {}

impl HostRegistryView for HostState {
    async fn tags(&mut self, handle: Resource<RegistryViewHandle>, prefix: String) -> wasmtime::Result<Result<Vec<String>, Wit>> {
        let view = self.get(&handle)?.clone();
        let Some(answer) = self.request(async move { view.0.tags(&prefix).await }).await? else { return Ok(Err(late())) };
        Ok(answer.map(|tags| tags.iter().map(Tag::to_string).collect()).map_err(told))
    }

    async fn digest(
        &mut self,
        handle: Resource<RegistryViewHandle>,
        tag: String,
    ) -> wasmtime::Result<Result<Option<String>, Wit>> {
        let view = self.get(&handle)?.clone();
        let tag = match Tag::parse(&tag) {
            Ok(tag) => tag,
            Err(error) => return Ok(Err(Wit::Other(error.to_string()))),
        };
        let Some(answer) = self.request(async move { view.0.digest(&tag).await }).await? else { return Ok(Err(late())) };
        Ok(answer.map(|digest| digest.map(|digest| digest.to_string())).map_err(told))
    }

    fn drop(&mut self, handle: Resource<RegistryViewHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
