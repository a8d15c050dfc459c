//! `secrets`: handles to secrets, which plugins pass on and never read.

use wasmtime::component::Resource;
use windlass_core::Secret;

use crate::bindings::host::secrets::{Host, HostSecret, SecretKind};
use crate::call::HostState;
use crate::host::handle::{SecretHandle, SettingsHandle};

impl HostState {
    /// A handle to a secret, which is from now on kept out of everything that the plugin is told.
    pub(crate) fn hand_out(&mut self, name: &str, kind: SecretKind, secret: Secret) -> wasmtime::Result<Resource<SecretHandle>> {
        self.secrets.add(&secret);
        self.push(SecretHandle { name: name.to_owned(), kind, secret })
    }

    pub(crate) fn secret(&self, handle: &Resource<SecretHandle>) -> wasmtime::Result<Secret> {
        Ok(self.get(handle)?.secret.clone())
    }
}

impl Host for HostState {
    fn from_settings(
        &mut self,
        settings: Resource<SettingsHandle>,
        name: String,
    ) -> wasmtime::Result<Option<Resource<SecretHandle>>> {
        let secret = self.get(&settings)?.0.secret(&name).filter(|secret| !secret.is_empty()).cloned();
        secret.map(|secret| self.hand_out(&name, SecretKind::Setting, secret)).transpose()
    }
}

impl HostSecret for HostState {
    fn name(&mut self, handle: Resource<SecretHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.name.clone())
    }

    fn kind(&mut self, handle: Resource<SecretHandle>) -> wasmtime::Result<SecretKind> {
        Ok(self.get(&handle)?.kind.clone())
    }

    fn drop(&mut self, handle: Resource<SecretHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
