//! The host's side of each interface that plugins import, one file an interface: the port or plain facts that the caller gives,
//! and what the plugin sees of them.

pub mod aws_ecr;
pub mod build_request;
pub mod exchange;
pub(crate) mod handle;
pub mod image_view;
pub(crate) mod log;
pub mod plan_view;
pub mod raw_settings;
pub mod registry_view;
pub mod secrets;
pub mod settings;
pub mod source;

use wasmtime::component::{Resource, ResourceTableError};

use crate::bindings::host as wit;
use crate::call::{HostState, Refused};
use crate::error::Problem;

impl wit::types::Host for HostState {}
impl wit::description::Host for HostState {}

impl HostState {
    /// Puts a value behind a handle.
    pub(crate) fn push<T: Send + 'static>(&mut self, value: T) -> wasmtime::Result<Resource<T>> {
        self.table.push(value).map_err(|error| match error {
            ResourceTableError::Full => {
                let allowed = self.limits.handles;
                Refused(Problem::TooMuch { what: "no handle back".to_owned(), limit: "handles", allowed }).into()
            }
            other => other.into(),
        })
    }

    /// The value behind a handle.
    pub(crate) fn get<T: 'static>(&self, handle: &Resource<T>) -> wasmtime::Result<&T> {
        Ok(self.table.get(handle)?)
    }

    /// Takes a value from behind a handle that the plugin has given up.
    pub(crate) fn delete<T: Send + 'static>(&mut self, handle: Resource<T>) -> wasmtime::Result<T> {
        Ok(self.table.delete(handle)?)
    }
}
