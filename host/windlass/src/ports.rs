//! What plugins may ask the host for, with the host's credentials and files.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use windlass_core::chain;
use windlass_credentials::aws::{
    AwsError as Refused, EcrOptions, EcrSession, Keys, NewRepository, RepositoryDescription, RepositoryId, Role, Source,
};
use windlass_runtime::exchange_http::{HttpTransport, PrivateAddresses};
use windlass_runtime::host::aws_ecr::{Authorization, AwsEcr, AwsError, AwsRepository, AwsSession, RepositoryOptions};
use windlass_runtime::host::exchange::{Request, Response, Transport, TransportError};
use windlass_runtime::host::raw_settings::Files;

use crate::environment::Environment;

/// Files of the working directory that a setting or grant names: policies, `.tags`.
const LARGEST_FILE: u64 = 1 << 20;

/// How long an exchange of credentials may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The ECR API through the AWS SDK.
pub(crate) struct Ecr {
    pub(crate) environment: Environment,
}

impl Ecr {
    async fn open(&self, session: &AwsSession) -> Result<EcrSession, AwsError> {
        EcrSession::open(options(session), self.environment.clone()).await.map_err(|error| refused(&error))
    }
}

fn options(session: &AwsSession) -> EcrOptions {
    let keys = session.access_key.as_ref().map(|key| Keys {
        access_key_id: key.id.clone(),
        secret_access_key: key.secret.clone(),
        session_token: key.token.clone(),
    });
    let role = session.role.as_ref().map(|role| Role {
        arn: role.arn.clone(),
        external_id: role.external_id.clone(),
        session_name: None,
        web_identity_token: session.web_identity.clone(),
    });
    EcrOptions {
        region: Some(session.region.clone()).filter(|region| !region.is_empty()),
        source: keys.map_or(Source::DefaultChain, Source::Keys),
        role,
        ..EcrOptions::default()
    }
}

fn refused(error: &Refused) -> AwsError {
    let text = match error.help() {
        Some(help) => format!("{}; {help}", chain(error)),
        None => chain(error),
    };
    match error {
        Refused::NotFound(_) => AwsError::NotFound(text),
        Refused::Exists(_) => AwsError::Exists(text),
        Refused::Denied(_) | Refused::InvalidToken(_) | Refused::Expired(_) => AwsError::Denied(text),
        Refused::Settings(_) => AwsError::Invalid(text),
        Refused::Throttled(_) => AwsError::Throttled(text),
        Refused::NoCredentials { .. } => AwsError::NoCredentials(text),
        Refused::Unreachable { .. } => AwsError::Unreachable(text),
        _ => AwsError::Other(text),
    }
}

fn id(session: &AwsSession, name: &str) -> RepositoryId {
    RepositoryId { name: name.to_owned(), registry_id: session.registry.clone() }
}

#[async_trait]
impl AwsEcr for Ecr {
    async fn authorize(&self, session: &AwsSession) -> Result<Authorization, AwsError> {
        let registries: Vec<String> = session.registry.iter().cloned().collect();
        let found = self.open(session).await?.authorize(&registries).await.map_err(|error| refused(&error))?;
        let Some(first) = found.into_iter().next() else {
            return Err(AwsError::Other("AWS gave no authorization".to_owned()));
        };
        let expires = first
            .expires_at
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|at| i64::try_from(at.as_secs()).ok());
        Ok(Authorization { endpoint: first.endpoint, user: first.username, password: first.password, expires })
    }

    async fn repository(&self, session: &AwsSession, name: &str) -> Result<AwsRepository, AwsError> {
        let found = self.open(session).await?.repository(&id(session, name)).await.map_err(|error| refused(&error))?;
        Ok(described(name, found))
    }

    async fn create_repository(
        &self,
        session: &AwsSession,
        name: &str,
        options: &RepositoryOptions,
    ) -> Result<AwsRepository, AwsError> {
        let new = NewRepository { immutable_tags: options.immutable_tags, scan_on_push: options.scan_on_push };
        let made = self.open(session).await?.create_repository(&id(session, name), new).await.map_err(|error| refused(&error))?;
        Ok(described(name, made))
    }

    async fn put_lifecycle_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError> {
        self.open(session).await?.put_lifecycle_policy(&id(session, name), policy).await.map_err(|error| refused(&error))
    }

    async fn put_repository_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError> {
        self.open(session).await?.set_repository_policy(&id(session, name), policy).await.map_err(|error| refused(&error))
    }

    async fn put_scanning(&self, session: &AwsSession, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
        let session_open = self.open(session).await?;
        session_open.put_image_scanning_configuration(&id(session, name), scan_on_push).await.map_err(|error| refused(&error))
    }
}

fn described(name: &str, found: RepositoryDescription) -> AwsRepository {
    AwsRepository {
        name: name.to_owned(),
        arn: Some(found.arn),
        uri: Some(found.uri),
        scan_on_push: Some(found.scan_on_push),
        immutable_tags: Some(found.immutable_tags),
    }
}

/// Exchanges of credentials over HTTPS. The client is made when a plugin asks for the first one: reading the system's
/// certificate authorities takes longer than most plans.
#[derive(Default)]
pub(crate) struct Exchange {
    client: OnceLock<Result<HttpTransport, String>>,
}

#[async_trait]
impl Transport for Exchange {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let client = self.client.get_or_init(|| {
            let tls = windlass_registry::system_tls()?;
            HttpTransport::new(tls, EXCHANGE_TIMEOUT, PrivateAddresses::Refused).map_err(|error| chain(&error))
        });
        client.as_ref().map_err(|why| TransportError::Unreachable(why.clone()))?.send(request).await
    }
}

/// The files below a directory, for settings that name one.
pub(crate) struct WorkingDirectory(pub(crate) PathBuf);

#[async_trait]
impl Files for WorkingDirectory {
    async fn read(&self, path: &str) -> Result<Option<String>, String> {
        let path = self.0.join(path);
        match tokio::fs::metadata(&path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
            Ok(metadata) if !metadata.is_file() => return Err("it is no file".to_owned()),
            Ok(metadata) if metadata.len() > LARGEST_FILE => return Err(format!("it has more than {LARGEST_FILE} bytes")),
            Ok(_) => {}
        }
        tokio::fs::read_to_string(&path).await.map(Some).map_err(|error| error.to_string())
    }
}

/// The ports that plugins of a run share.
pub(crate) fn ecr(environment: &Environment) -> Arc<dyn AwsEcr> {
    Arc::new(Ecr { environment: environment.clone() })
}
