//! `aws-ecr`: the part of the ECR API that pushing needs.

use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::component::Resource;
use windlass_core::Secret;

use crate::bindings::host::aws_ecr::{
    AwsError as Wit, Host, HostAuthorization, HostRepository, HostSession, RepositoryOptions as WitOptions,
};
use crate::bindings::host::secrets::SecretKind;
use crate::call::HostState;
use crate::description::Capability;
use crate::host::handle::SecretHandle;

/// The ECR API, with the host's credentials.
#[async_trait]
pub trait AwsEcr: Send + Sync {
    /// A password for the session's registry (GetAuthorizationToken).
    async fn authorize(&self, session: &AwsSession) -> Result<Authorization, AwsError>;
    /// Looks a repository up (DescribeRepositories).
    async fn repository(&self, session: &AwsSession, name: &str) -> Result<AwsRepository, AwsError>;
    /// Creates a repository (CreateRepository).
    async fn create_repository(
        &self,
        session: &AwsSession,
        name: &str,
        options: &RepositoryOptions,
    ) -> Result<AwsRepository, AwsError>;
    /// Sets a repository's lifecycle policy (PutLifecyclePolicy).
    async fn put_lifecycle_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError>;
    /// Sets a repository's access policy (SetRepositoryPolicy).
    async fn put_repository_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError>;
    /// Switches the scan of pushed images on or off (PutImageScanningConfiguration).
    async fn put_scanning(&self, session: &AwsSession, name: &str, scan_on_push: bool) -> Result<(), AwsError>;
}

/// Who calls, and where. Without an access key, the host's environment holds (AWS's default chain).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSession {
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The access key to use in place of the host's environment.
    pub access_key: Option<AccessKey>,
    /// The role to assume.
    pub role: Option<Role>,
    /// The OpenID Connect token to assume the role with.
    pub web_identity: Option<Secret>,
    /// The account whose registry is meant, when it is not the caller's own.
    pub registry: Option<String>,
}

/// An AWS access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id.
    pub id: Secret,
    /// The secret key.
    pub secret: Secret,
    /// The session token of temporary keys.
    pub token: Option<Secret>,
}

/// An AWS role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its Amazon resource name.
    pub arn: String,
    /// The external id that it asks for.
    pub external_id: Option<String>,
}

/// A password for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The registry's address, as AWS gives it.
    pub endpoint: String,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Until when it holds, in seconds since 1970-01-01T00:00:00Z.
    pub expires: Option<i64>,
}

/// A repository. What AWS does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsRepository {
    /// Its name.
    pub name: String,
    /// Its Amazon resource name.
    pub arn: Option<String>,
    /// Its address, `host/name`.
    pub uri: Option<String>,
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: Option<bool>,
    /// Whether tags cannot be moved.
    pub immutable_tags: Option<bool>,
}

/// What a new repository is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryOptions {
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: bool,
    /// Whether tags cannot be moved.
    pub immutable_tags: bool,
    /// AWS resource tags.
    pub resource_tags: Vec<(String, String)>,
}

/// Why a call failed. The texts are for people and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// What was asked for does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// What was to be created is there already.
    #[error("it exists already: {0}")]
    Exists(String),
    /// The identity may not do this.
    #[error("access was denied: {0}")]
    Denied(String),
    /// Too many calls.
    #[error("too many calls: {0}")]
    Throttled(String),
    /// No credentials were found, or they are broken.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
    /// A parameter is no legal one.
    #[error("invalid parameter: {0}")]
    Invalid(String),
    /// AWS does not answer.
    #[error("AWS cannot be reached: {0}")]
    Unreachable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl HostState {
    fn aws_error(&self, error: AwsError) -> Wit {
        let told = |why: String| self.redacted(&why);
        match error {
            AwsError::NotFound(why) => Wit::NotFound(told(why)),
            AwsError::Exists(why) => Wit::Exists(told(why)),
            AwsError::Denied(why) => Wit::Denied(told(why)),
            AwsError::Throttled(why) => Wit::Throttled(told(why)),
            AwsError::NoCredentials(why) => Wit::NoCredentials(told(why)),
            AwsError::Invalid(why) => Wit::Invalid(told(why)),
            AwsError::Unreachable(why) => Wit::Unreachable(told(why)),
            AwsError::Other(why) => Wit::Other(told(why)),
        }
    }

    /// Asks AWS, when the plugin may.
    async fn ask<T, F>(
        &mut self,
        session: &Resource<AwsSession>,
        ask: impl FnOnce(Arc<dyn AwsEcr>, AwsSession) -> F + Send,
    ) -> wasmtime::Result<Result<T, Wit>>
    where
        T: Send,
        F: Future<Output = Result<T, AwsError>> + Send,
    {
        let granted = self.description.as_ref().is_some_and(|d| self.context.is_granted(d, &Capability::AwsEcr));
        let Some(port) = self.context.aws_ecr.clone().filter(|_| granted) else {
            return Ok(Err(Wit::NotGranted("the grant `aws-ecr` is not given".to_owned())));
        };
        let session = self.get(session)?.clone();
        let answer = self.request(ask(port, session)).await?;
        let answer = answer.unwrap_or_else(|| Err(AwsError::Unreachable("it did not answer in time".to_owned())));
        Ok(answer.map_err(|error| self.aws_error(error)))
    }
}

impl Host for HostState {}

impl HostSession for HostState {
    fn new(&mut self, region: String) -> wasmtime::Result<Resource<AwsSession>> {
        self.bounded("a region", &region)?;
        self.push(AwsSession { region, ..AwsSession::default() })
    }

    fn use_access_key(
        &mut self,
        handle: Resource<AwsSession>,
        id: Resource<SecretHandle>,
        key: Resource<SecretHandle>,
        token: Option<Resource<SecretHandle>>,
    ) -> wasmtime::Result<()> {
        let token = token.map(|token| self.secret(&token)).transpose()?;
        let key = AccessKey { id: self.secret(&id)?, secret: self.secret(&key)?, token };
        self.table.get_mut(&handle)?.access_key = Some(key);
        Ok(())
    }

    fn assume_role(&mut self, handle: Resource<AwsSession>, arn: String, external_id: Option<String>) -> wasmtime::Result<()> {
        self.bounded("a role", &arn)?;
        self.bounded("an external id", external_id.as_deref().unwrap_or_default())?;
        self.table.get_mut(&handle)?.role = Some(Role { arn, external_id });
        Ok(())
    }

    fn use_web_identity(&mut self, handle: Resource<AwsSession>, token: Resource<SecretHandle>) -> wasmtime::Result<()> {
        let token = self.secret(&token)?;
        self.table.get_mut(&handle)?.web_identity = Some(token);
        Ok(())
    }

    fn use_registry(&mut self, handle: Resource<AwsSession>, account: String) -> wasmtime::Result<()> {
        self.bounded("an account", &account)?;
        self.table.get_mut(&handle)?.registry = Some(account);
        Ok(())
    }

    async fn authorize(&mut self, handle: Resource<AwsSession>) -> wasmtime::Result<Result<Resource<Authorization>, Wit>> {
        match self.ask(&handle, |port, session| async move { port.authorize(&session).await }).await? {
            Ok(authorization) => Ok(Ok(self.push(authorization)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn repository(
        &mut self,
        handle: Resource<AwsSession>,
        name: String,
    ) -> wasmtime::Result<Result<Resource<AwsRepository>, Wit>> {
        match self.ask(&handle, |port, session| async move { port.repository(&session, &name).await }).await? {
            Ok(repository) => Ok(Ok(self.push(repository)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn create_repository(
        &mut self,
        handle: Resource<AwsSession>,
        name: String,
        options: WitOptions,
    ) -> wasmtime::Result<Result<Resource<AwsRepository>, Wit>> {
        if let Some((unknown, _)) = options.attributes.first() {
            return Ok(Err(Wit::Invalid(format!("this host does not know the option `{unknown}`"))));
        }
        let WitOptions { scan_on_push, immutable_tags, resource_tags, .. } = options;
        let options = RepositoryOptions { scan_on_push, immutable_tags, resource_tags };
        let create = |port: Arc<dyn AwsEcr>, session| async move { port.create_repository(&session, &name, &options).await };
        match self.ask(&handle, create).await? {
            Ok(repository) => Ok(Ok(self.push(repository)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn put_lifecycle_policy(
        &mut self,
        handle: Resource<AwsSession>,
        name: String,
        policy: String,
    ) -> wasmtime::Result<Result<(), Wit>> {
        self.ask(&handle, |port, session| async move { port.put_lifecycle_policy(&session, &name, &policy).await }).await
    }

    async fn put_repository_policy(
        &mut self,
        handle: Resource<AwsSession>,
        name: String,
        policy: String,
    ) -> wasmtime::Result<Result<(), Wit>> {
        self.ask(&handle, |port, session| async move { port.put_repository_policy(&session, &name, &policy).await }).await
    }

    async fn put_scanning(
        &mut self,
        handle: Resource<AwsSession>,
        name: String,
        scan_on_push: bool,
    ) -> wasmtime::Result<Result<(), Wit>> {
        self.ask(&handle, |port, session| async move { port.put_scanning(&session, &name, scan_on_push).await }).await
    }

    fn drop(&mut self, handle: Resource<AwsSession>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostAuthorization for HostState {
    fn endpoint(&mut self, handle: Resource<Authorization>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.endpoint.clone())
    }

    fn user(&mut self, handle: Resource<Authorization>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.user.clone())
    }

    fn password(&mut self, handle: Resource<Authorization>) -> wasmtime::Result<Resource<SecretHandle>> {
        let password = self.get(&handle)?.password.clone();
        self.hand_out("password", SecretKind::AwsEcr, password)
    }

    fn expires(&mut self, handle: Resource<Authorization>) -> wasmtime::Result<Option<i64>> {
        Ok(self.get(&handle)?.expires)
    }

    fn drop(&mut self, handle: Resource<Authorization>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostRepository for HostState {
    fn name(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.name.clone())
    }

    fn arn(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.arn.clone())
    }

    fn uri(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.uri.clone())
    }

    fn scans_on_push(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<Option<bool>> {
        Ok(self.get(&handle)?.scan_on_push)
    }

    fn has_immutable_tags(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<Option<bool>> {
        Ok(self.get(&handle)?.immutable_tags)
    }

    fn drop(&mut self, handle: Resource<AwsRepository>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
