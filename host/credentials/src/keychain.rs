//! Which of several sources answers for a repository: the first that is not anonymous.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_core::{Repository, Secret};

use crate::aws::AwsError;
use crate::docker_config::{DockerConfigError, Key};

/// What a registry is shown. No credential at all, which is anonymous access, is `None` of an `Option`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password or what stands for it.
        password: Secret,
    },
    /// A refresh token for the registry's token service (`identitytoken` in docker's `config.json`).
    IdentityToken(Secret),
    /// A token that goes into the `Authorization: Bearer` header as it is (`registrytoken`).
    Bearer(Secret),
}

/// Why there is no credential although one was configured.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A docker configuration or the helper it names is broken.
    #[error(transparent)]
    DockerConfig(#[from] DockerConfigError),
    /// The exchange with AWS failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Only one half of user name and password was given.
    #[error("the credentials for `{registry}` have no {missing}: expected a user name and a password, or neither")]
    Incomplete {
        /// The registry they are for.
        registry: String,
        /// `user name` or `password`.
        missing: &'static str,
    },
}

/// A source of credentials.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The credential for `repository`; `None` when this source has none for it.
    ///
    /// # Errors
    /// When the source is configured for the repository and broken. That never counts as having none.
    async fn credential(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError>;
}

/// A credential that the user gave for one registry, or for what lies below one path of it.
#[derive(Debug, Clone)]
pub struct Static {
    scope: Key,
    credential: Credential,
}

impl Static {
    /// Answers with `credential` for every repository below `scope`, such as `registry.example`, `https://index.docker.io/v1/`
    /// or `registry.example/team`.
    #[must_use]
    pub fn new(scope: &str, credential: Credential) -> Self {
        Self { scope: Key::parse(scope), credential }
    }

    /// A user name and a password as settings give them; `None` when both are missing or empty.
    ///
    /// # Errors
    /// [`CredentialError::Incomplete`] when only one of them was given.
    pub fn basic(scope: &str, username: Option<&str>, password: Option<&Secret>) -> Result<Option<Self>, CredentialError> {
        let incomplete = |missing| Err(CredentialError::Incomplete { registry: scope.to_owned(), missing });
        match (username.filter(|name| !name.is_empty()), password.filter(|password| !password.is_empty())) {
            (None, None) => Ok(None),
            (Some(_), None) => incomplete("password"),
            (None, Some(_)) => incomplete("user name"),
            (Some(username), Some(password)) => {
                let credential = Credential::Basic { username: username.to_owned(), password: password.clone() };
                Ok(Some(Self::new(scope, credential)))
            }
        }
    }
}

#[async_trait]
impl Provider for Static {
    async fn credential(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError> {
        Ok(self.scope.covers(repository).then(|| self.credential.clone()))
    }
}

/// The sources of a run. What was given for base images is never used to push, so that two accounts at one registry do
/// not collide; a base image for which nothing was given may be read with the credential for pushing.
#[derive(Debug, Clone, Default)]
pub struct Keychain {
    push: Vec<Arc<dyn Provider>>,
    base: Vec<Arc<dyn Provider>>,
}

impl Keychain {
    /// Adds a source for destinations, asked after those that are there.
    #[must_use]
    pub fn with_push(mut self, provider: Arc<dyn Provider>) -> Self {
        self.push.push(provider);
        self
    }

    /// Adds a source for base images, asked after those that are there.
    #[must_use]
    pub fn with_base(mut self, provider: Arc<dyn Provider>) -> Self {
        self.base.push(provider);
        self
    }

    /// The credential for pushing to `repository`; `None` is anonymous.
    ///
    /// # Errors
    /// When a source on the way is configured and broken.
    pub async fn for_push(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError> {
        first(&self.push, repository).await
    }

    /// The credential for reading the base image `repository`; `None` is anonymous.
    ///
    /// # Errors
    /// When a source on the way is configured and broken.
    pub async fn for_base(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError> {
        match first(&self.base, repository).await? {
            Some(credential) => Ok(Some(credential)),
            None => first(&self.push, repository).await,
        }
    }
}

async fn first(providers: &[Arc<dyn Provider>], repository: &Repository) -> Result<Option<Credential>, CredentialError> {
    for provider in providers {
        if let Some(credential) = provider.credential(repository).await? {
            return Ok(Some(credential));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        Repository::parse(text).unwrap()
    }

    fn given(scope: &str, user: &str) -> Arc<dyn Provider> {
        Arc::new(Static::basic(scope, Some(user), Some(&Secret::new("canary-pw"))).unwrap().unwrap())
    }

    fn user(credential: Option<Credential>) -> Option<String> {
        match credential? {
            Credential::Basic { username, .. } => Some(username),
            other => panic!("{other:?}"),
        }
    }

    #[derive(Debug)]
    struct Broken;

    #[async_trait]
    impl Provider for Broken {
        async fn credential(&self, _: &Repository) -> Result<Option<Credential>, CredentialError> {
            Err(CredentialError::Incomplete { registry: "r.example".to_owned(), missing: "password" })
        }
    }

    #[tokio::test]
    async fn the_first_source_that_is_not_anonymous_answers() {
        let chain = Keychain::default().with_push(given("a.example", "a")).with_push(given("b.example", "b"));
        let chain = chain.with_push(given("b.example", "late"));
        assert_eq!(user(chain.for_push(&repository("b.example/x")).await.unwrap()).as_deref(), Some("b"));
        assert_eq!(chain.for_push(&repository("c.example/x")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn base_and_push_credentials_for_one_host_do_not_collide() {
        let chain = Keychain::default().with_push(given("docker.io", "pusher"));
        let hub = repository("docker.io/team/app");
        assert_eq!(user(chain.for_base(&hub).await.unwrap()).as_deref(), Some("pusher"));
        let chain = chain.with_base(given("https://index.docker.io/v1/", "reader"));
        assert_eq!(user(chain.for_base(&hub).await.unwrap()).as_deref(), Some("reader"));
        assert_eq!(user(chain.for_push(&hub).await.unwrap()).as_deref(), Some("pusher"));
        let only_base = Keychain::default().with_base(given("docker.io", "reader"));
        assert_eq!(only_base.for_push(&hub).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_broken_source_is_not_skipped() {
        let chain = Keychain::default().with_push(Arc::new(Broken)).with_push(given("a.example", "a"));
        assert!(chain.for_push(&repository("a.example/x")).await.is_err());
    }

    #[tokio::test]
    async fn a_scope_with_a_path_covers_only_what_lies_below_it() {
        let chain = Keychain::default().with_push(given("r.example/team", "t"));
        assert!(chain.for_push(&repository("r.example/team/app")).await.unwrap().is_some());
        assert!(chain.for_push(&repository("r.example/teams/app")).await.unwrap().is_none());
    }

    #[test]
    fn half_a_credential_is_an_error_and_none_at_all_is_not() {
        let empty = Secret::new("");
        assert!(Static::basic("r.example", Some(""), Some(&empty)).unwrap().is_none());
        let error = Static::basic("r.example", Some("me"), Some(&empty)).unwrap_err().to_string();
        assert!(error.contains("no password"), "{error}");
        let error = Static::basic("r.example", None, Some(&Secret::new("canary-pw"))).unwrap_err();
        assert!(format!("{error} {error:?}").contains("no user name") && !format!("{error} {error:?}").contains("canary"));
    }
}
