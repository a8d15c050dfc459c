//! Credentials for registries: what adapters exchanged, what the user gave, and docker's configuration, in this order.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use windlass_core::Repository;
use windlass_credentials::{Credential as Found, Keychain};
use windlass_registry::{Action, Credential, CredentialError, CredentialSource};

/// Someone who can be asked for a fresh credential for one destination, as often as it is needed.
#[async_trait]
pub(crate) trait Authorizer: Send + Sync {
    /// A credential; `None` leaves the answer to the keychain.
    async fn authorize(&self) -> Result<Option<Credential>, CredentialError>;
}

/// The credentials of a run.
#[derive(Default)]
pub(crate) struct Credentials {
    keychain: Keychain,
    authorizers: BTreeMap<Repository, Arc<dyn Authorizer>>,
    /// What authorizers have answered, until a registry refuses it.
    remembered: Mutex<BTreeMap<Repository, Option<Credential>>>,
}

impl Credentials {
    pub(crate) fn new(keychain: Keychain, authorizers: BTreeMap<Repository, Arc<dyn Authorizer>>) -> Self {
        Self { keychain, authorizers, remembered: Mutex::default() }
    }

    async fn authorized(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError> {
        // A base image in the destination's registry is read with the destination's credential when nothing else is there.
        let known = self.authorizers.get_key_value(repository);
        let same_host = || self.authorizers.iter().find(|(known, _)| known.registry() == repository.registry());
        let Some((key, authorizer)) = known.or_else(same_host) else { return Ok(None) };
        let mut remembered = self.remembered.lock().await;
        if let Some(answer) = remembered.get(key) {
            return Ok(answer.clone());
        }
        let answer = authorizer.authorize().await?;
        remembered.insert(key.clone(), answer.clone());
        Ok(answer)
    }
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credential(&self, repository: &Repository, action: Action) -> Result<Credential, CredentialError> {
        let from_keychain = |found: Result<Option<Found>, windlass_credentials::CredentialError>| {
            found
                .map(|found| found.map(converted))
                .map_err(|error| CredentialError::new(windlass_core::chain(&error)).caused_by(error))
        };
        let answer = match action {
            Action::Push => match self.authorized(repository).await? {
                Some(credential) => Some(credential),
                None => from_keychain(self.keychain.for_push(repository).await)?,
            },
            Action::Pull => match from_keychain(self.keychain.for_base(repository).await)? {
                Some(credential) => Some(credential),
                None => self.authorized(repository).await?,
            },
        };
        Ok(answer.unwrap_or(Credential::Anonymous))
    }

    async fn rejected(&self, repository: &Repository, _: Action) {
        self.remembered.lock().await.retain(|known, _| known.registry() != repository.registry());
    }
}

fn converted(found: Found) -> Credential {
    match found {
        Found::Basic { username, password } => Credential::Basic { user: username, password },
        Found::IdentityToken(token) => Credential::IdentityToken(token),
        Found::Bearer(token) => Credential::Bearer(token),
    }
}
