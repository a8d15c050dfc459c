//! How the host comes by the credentials of destinations: their adapters first, then what the user gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_core::Repository;
use windlass_core::setting::Settings;
use windlass_registry::{Credential, CredentialError, Registry};
use windlass_runtime::registry_adapter::{self, Authorization};
use windlass_runtime::{Context, Plugin};

use crate::connection;
use crate::credentials::{Authorizer, Credentials};
use crate::failure::Failure;
use crate::keys;
use crate::planning::{Destination, Surroundings};
use crate::ports;
use crate::step::RegistrySettings;

/// What a client for registries is made of.
pub(crate) struct Access<'a> {
    /// The destinations whose adapters are asked.
    pub(crate) destinations: &'a [Destination],
    /// What the user gave for pushing.
    pub(crate) push: &'a Settings,
    /// What the user gave for base images.
    pub(crate) base: &'a Settings,
    /// How registries are reached.
    pub(crate) registries: &'a RegistrySettings,
    pub(crate) surroundings: &'a Surroundings,
}

impl Access<'_> {
    /// The credentials; `may_authorize` says whether adapters are asked for any.
    ///
    /// # Errors
    /// When what the user gave cannot be read.
    pub(crate) fn credentials(&self, may_authorize: bool) -> Result<Arc<Credentials>, Failure> {
        let host = self.destinations.first().map(|destination| destination.resolved.repository.registry().to_owned());
        let keychain = keys::keychain(self.push, self.base, host.as_deref(), &self.surroundings.environment)?;
        let mut authorizers: BTreeMap<Repository, Arc<dyn Authorizer>> = BTreeMap::new();
        for destination in self.destinations.iter().filter(|_| may_authorize) {
            let Some((plugin, settings)) = &destination.adapter else { continue };
            let adapter = Adapter {
                context: context(plugin, self.surroundings),
                plugin: plugin.clone(),
                settings: settings.clone(),
                destination: destination.resolved.clone(),
            };
            authorizers.insert(destination.resolved.repository.clone(), Arc::new(adapter));
        }
        Ok(Arc::new(Credentials::new(keychain, authorizers)))
    }

    /// A client with those credentials. Nothing is asked for before its first request.
    ///
    /// # Errors
    /// Every setting about registries that makes no sense.
    pub(crate) fn registry(&self, credentials: &Arc<Credentials>) -> Result<Registry, Failure> {
        let credentials = Arc::clone(credentials);
        connection::registry(self.registries, credentials)
            .map_err(|findings| Failure::new(windlass_core::ExitCode::Settings, findings))
    }
}

/// What a plugin may reach once something outside may be asked.
pub(crate) fn context(plugin: &Plugin, surroundings: &Surroundings) -> Context {
    let mut context = Context::closed(surroundings.events.clone()).allow(surroundings.plugins.allowed(plugin));
    context.aws_ecr = Some(ports::ecr(&surroundings.environment));
    context.exchange = Some(Arc::new(ports::Exchange::default()));
    context
}

/// A destination's adapter, asked for credentials.
struct Adapter {
    plugin: Plugin,
    context: Context,
    settings: Settings,
    destination: registry_adapter::Destination,
}

#[async_trait]
impl Authorizer for Adapter {
    async fn authorize(&self) -> Result<Option<Credential>, CredentialError> {
        let told = registry_adapter::authorize(&self.plugin, &self.context, &self.settings, &self.destination).await;
        match told {
            Ok(Authorization::Anonymous) => Ok(Some(Credential::Anonymous)),
            Ok(Authorization::Basic { user, password, .. }) => Ok(Some(Credential::Basic { user, password })),
            Ok(Authorization::Bearer { token, .. }) => Ok(Some(Credential::Bearer(token))),
            Ok(Authorization::DockerConfig) => Ok(None),
            Err(error) => {
                let findings = error.into_findings();
                let message = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let help = findings.iter().find_map(|finding| finding.help.clone());
                let error = CredentialError::new(message);
                Err(match help {
                    Some(help) => error.help(help),
                    None => error,
                })
            }
        }
    }
}
