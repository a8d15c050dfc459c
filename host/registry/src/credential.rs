//! Credentials, as the registry client asks for them. Where they come from is the business of whoever implements
//! [`CredentialSource`].

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use windlass_core::{Repository, Secret};

/// What a request is made for. The same host may have other credentials for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reading: base images, caches, plugins.
    Pull,
    /// Writing, and the reading that belongs to it, such as existence checks.
    Push,
}

impl Action {
    /// The actions of a token's scope, as the distribution project's token specification writes them.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull",
            Self::Push => "push",
        })
    }
}

/// What proves who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: ask as anyone.
    Anonymous,
    /// A user and a password, for Basic authentication and for token endpoints.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that the registry itself takes, sent as it is.
    Bearer(Secret),
    /// A refresh token, which the registry's token endpoint exchanges (`identitytoken` of docker's configuration).
    IdentityToken(Secret),
}

impl Credential {
    /// How errors speak of it; nothing secret.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Anonymous => "without credentials".to_owned(),
            Self::Basic { user, .. } => format!("as user `{}`", crate::text::clean(user, 80)),
            Self::Bearer(_) => "with a bearer token".to_owned(),
            Self::IdentityToken(_) => "with an identity token".to_owned(),
        }
    }
}

/// Why a source has no answer. "There is no credential" is not an error: that is [`Credential::Anonymous`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    message: String,
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl CredentialError {
    /// An error with a lower-case message without a full stop.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, source: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How to mend it, where the source knows.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// Where credentials come from. It is asked whenever a registry wants one, so it should remember expensive answers.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credential for `repository`, [`Credential::Anonymous`] when there is none.
    ///
    /// # Errors
    /// When a credential is configured and cannot be had: that must not look like "none".
    async fn credential(&self, repository: &Repository, action: Action) -> Result<Credential, CredentialError>;

    /// The registry refused what [`CredentialSource::credential`] gave: a remembered answer must be forgotten, so that
    /// the next call makes a new one where that is possible. The client asks once more.
    async fn rejected(&self, repository: &Repository, action: Action) {
        let _ = (repository, action);
    }
}

/// No credentials for anyone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl CredentialSource for Anonymous {
    async fn credential(&self, _: &Repository, _: Action) -> Result<Credential, CredentialError> {
        Ok(Credential::Anonymous)
    }
}
