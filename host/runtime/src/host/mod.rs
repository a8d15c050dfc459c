//! The host's side of each interface that plugins import, one file an interface: the port or plain facts that the caller gives,
//! and what the plugin sees of them.

pub mod aws_ecr;
pub mod build_request;
pub mod exchange;
pub mod image_view;
pub(crate) mod log;
pub mod plan_view;
pub mod raw_settings;
pub mod registry_view;
pub mod secrets;
pub mod settings;
pub mod source;

use wasmtime::component::Resource;

use crate::bindings::host as wit;
use crate::call::HostState;

impl wit::types::Host for HostState {}
impl wit::description::Host for HostState {}

impl HostState {
    /// Puts a value behind a handle.
    pub(crate) fn push<T: Send + 'static>(&mut self, value: T) -> wasmtime::Result<Resource<T>> {
        Ok(self.table.push(value)?)
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
