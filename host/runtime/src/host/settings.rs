//! `settings`: a plugin's own settings, without the secret ones.

use wasmtime::component::Resource;
use windlass_core::setting::Value;

use crate::bindings::host::settings::{Host, HostSettings};
use crate::call::HostState;
use crate::host::handle::SettingsHandle;

impl Host for HostState {}

impl HostSettings for HostState {
    fn names(&mut self, handle: Resource<SettingsHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.0.names().map(str::to_owned).collect())
    }

    fn is_set(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<bool> {
        Ok(self.get(&handle)?.0.get(&name).is_some())
    }

    fn text(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.0.text(&name).map(str::to_owned))
    }

    fn flag(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<Option<bool>> {
        Ok(match self.get(&handle)?.0.get(&name) {
            Some((Value::Flag(flag), _)) => Some(*flag),
            _ => None,
        })
    }

    fn integer(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<Option<i64>> {
        Ok(self.get(&handle)?.0.integer(&name))
    }

    fn texts(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.0.texts(&name).to_vec())
    }

    fn pairs(&mut self, handle: Resource<SettingsHandle>, name: String) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.get(&handle)?.0.pairs(&name).to_vec())
    }

    fn drop(&mut self, handle: Resource<SettingsHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
