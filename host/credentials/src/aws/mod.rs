//! A session with Amazon ECR: who we are, what we may do, and what to show the registry.

mod context;
pub(crate) mod ecr_login;
mod error;
mod identity;
mod operations;
mod options;
#[cfg(test)]
pub(crate) mod testing;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::Mutex;
use windlass_core::{Redactor, Secret};

use self::context::{Context, OPERATION_LIMIT, Service};
use crate::environment::Environment;

pub use self::error::{Attempt, AttemptOutcome, AwsError, Cause, Refusal};
pub use self::operations::{ImageDescription, NewRepository, RepositoryDescription, RepositoryId};
pub use self::options::{EcrOptions, Endpoints, Keys, Role, Source};

/// How long before their end credentials are replaced.
const MARGIN: Duration = Duration::from_secs(300);

/// A session with ECR in one region under one identity. Clones share it. Every operation, not only the login, runs under the
/// role where one was given.
#[derive(Clone)]
pub struct EcrSession {
    shared: Arc<Shared>,
}

struct Shared {
    context: Context,
    options: EcrOptions,
    ready: Mutex<Option<Ready>>,
}

/// A client with an identity in it.
#[derive(Clone)]
struct Ready {
    client: Client,
    expiry: Option<SystemTime>,
    redactor: Redactor,
}

/// What to show the registry.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The registry's endpoint, as a URL.
    pub endpoint: String,
    /// The user name; ECR's is `AWS`.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Until when AWS says it holds.
    pub expires_at: Option<SystemTime>,
}

impl Authorization {
    /// Until when it may be used again, with some minutes in hand; `None` when it should be used once, now, as when it has
    /// expired already by a clock that is wrong or a server that does not care.
    #[must_use]
    pub fn reusable_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.expires_at.and_then(|end| end.checked_sub(MARGIN)).filter(|end| *end > now)
    }
}

impl EcrSession {
    /// Opens a session. Nothing is asked for over the network yet.
    ///
    /// # Errors
    /// [`AwsError::Settings`] when there is no region, or it is not the name of one.
    pub async fn open(options: EcrOptions, environment: Environment) -> Result<Self, AwsError> {
        let region = region(&options, &environment).await?;
        let endpoints = options.endpoints.clone();
        let context = Context { environment, region, endpoints };
        Ok(Self { shared: Arc::new(Shared { context, options, ready: Mutex::new(None) }) })
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.shared.context.region
    }

    /// Runs an operation within [`OPERATION_LIMIT`], getting an identity first where there is none that still holds.
    async fn call<T, E>(
        &self,
        operation: &'static str,
        send: impl AsyncFnOnce(Client) -> Result<T, SdkError<E>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let endpoint = self.shared.context.endpoint(Service::Ecr);
        let work = async {
            let ready = self.ready().await?;
            let result = send(ready.client).await;
            result.map_err(|error| AwsError::from_sdk(operation, &endpoint, &error, &ready.redactor))
        };
        let result = match tokio::time::timeout(OPERATION_LIMIT, work).await {
            Ok(result) => result,
            Err(_) => {
                let why = format!("it was not done within {} seconds", OPERATION_LIMIT.as_secs());
                Err(AwsError::unreachable(operation, &endpoint, &why))
            }
        };
        if matches!(result, Err(AwsError::Expired(_))) {
            *self.shared.ready.lock().await = None;
        }
        result
    }

    async fn ready(&self) -> Result<Ready, AwsError> {
        let mut slot = self.shared.ready.lock().await;
        let holds = |ready: &&Ready| ready.expiry.is_none_or(|end| end > SystemTime::now() + MARGIN);
        if let Some(ready) = slot.as_ref().filter(holds) {
            return Ok(ready.clone());
        }
        let Shared { context, options, .. } = &*self.shared;
        let credentials = identity::resolve(context, options).await?;
        let (redactor, expiry) = (identity::redactor(&credentials), credentials.expiry());
        let client = Client::new(&context.sdk_config(Service::Ecr, Some(credentials))?);
        let ready = Ready { client, expiry, redactor };
        *slot = Some(ready.clone());
        Ok(ready)
    }
}

impl fmt::Debug for EcrSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.shared.options;
        f.debug_struct("EcrSession").field("region", &self.region()).field("role", &options.role).finish_non_exhaustive()
    }
}

/// The region: as given, else from the environment, else from the profile.
async fn region(options: &EcrOptions, environment: &Environment) -> Result<String, AwsError> {
    let given = options.region.as_deref().filter(|region| !region.is_empty());
    let variable = environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).map(|(_, value)| value);
    let profile = match &options.source {
        Source::Profile(name) => Some(name.as_str()),
        Source::DefaultChain | Source::Keys(_) => None,
    };
    let region = match given.or(variable) {
        Some(region) => Some(region.to_owned()),
        None => identity::profile_region(environment, profile).await,
    };
    let Some(region) = region else {
        return Err(AwsError::Settings("no AWS region is set; set `region`, AWS_REGION, or the profile's region".to_owned()));
    };
    let fits = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && region.len() <= 64;
    if !fits || region.starts_with('-') || region.ends_with('-') {
        let region: String = region.chars().take(80).collect();
        return Err(AwsError::Settings(format!("`{region}` is not the name of an AWS region: expected one such as us-east-1")));
    }
    Ok(region)
}

#[cfg(test)]
mod tests;
