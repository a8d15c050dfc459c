//! AWS as a script: repositories that exist, calls that fail, and a record of what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use windlass_core::Secret;
use windlass_runtime::host::aws_ecr::{Authorization, AwsEcr, AwsError, AwsRepository, AwsSession, RepositoryOptions};

/// An ECR that answers from memory.
#[derive(Debug, Default)]
pub struct FakeAwsEcr {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    repositories: BTreeSet<String>,
    failures: BTreeMap<String, AwsError>,
    calls: Vec<String>,
    sessions: Vec<AwsSession>,
    password: String,
    expires: Option<i64>,
}

impl FakeAwsEcr {
    /// An ECR in which these repositories exist. The password that it gives out is `canary-ecr-password`.
    #[must_use]
    pub fn with_repositories(names: &[&str]) -> Arc<Self> {
        let state = State {
            repositories: names.iter().map(|name| (*name).to_owned()).collect(),
            password: "canary-ecr-password".to_owned(),
            expires: Some(4_102_444_800),
            ..State::default()
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Lets a call fail from now on: `authorize`, `repository`, `create-repository`, `put-lifecycle-policy`,
    /// `put-repository-policy` or `put-scanning`.
    pub fn fail(&self, call: &str, error: AwsError) {
        self.lock().failures.insert(call.to_owned(), error);
    }

    /// What was called, in order, such as `create-repository team/app scan-on-push=true immutable-tags=false`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// The session of every call, in order.
    #[must_use]
    pub fn sessions(&self) -> Vec<AwsSession> {
        self.lock().sessions.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, session: &AwsSession, call: &str, details: &str) -> Result<MutexGuard<'_, State>, AwsError> {
        let mut state = self.lock();
        state.calls.push(format!("{call} {details}").trim().to_owned());
        state.sessions.push(session.clone());
        match state.failures.get(call) {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }
}

fn repository(session: &AwsSession, name: &str, options: &RepositoryOptions) -> AwsRepository {
    let account = session.registry.clone().unwrap_or_else(|| "000000000000".to_owned());
    AwsRepository {
        name: name.to_owned(),
        arn: Some(format!("arn:aws:ecr:{}:{account}:repository/{name}", session.region)),
        uri: Some(format!("{account}.dkr.ecr.{}.amazonaws.com/{name}", session.region)),
        scan_on_push: Some(options.scan_on_push),
        immutable_tags: Some(options.immutable_tags),
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::NotFound(format!("the repository {name}"))
}

#[async_trait]
impl AwsEcr for FakeAwsEcr {
    async fn authorize(&self, session: &AwsSession) -> Result<Authorization, AwsError> {
        let state = self.record(session, "authorize", "")?;
        let account = session.registry.clone().unwrap_or_else(|| "000000000000".to_owned());
        Ok(Authorization {
            endpoint: format!("https://{account}.dkr.ecr.{}.amazonaws.com", session.region),
            user: "AWS".to_owned(),
            password: Secret::new(state.password.clone()),
            expires: state.expires,
        })
    }

    async fn repository(&self, session: &AwsSession, name: &str) -> Result<AwsRepository, AwsError> {
        let state = self.record(session, "repository", name)?;
        let found = state.repositories.contains(name);
        if found { Ok(repository(session, name, &RepositoryOptions::default())) } else { Err(missing(name)) }
    }

    async fn create_repository(
        &self,
        session: &AwsSession,
        name: &str,
        options: &RepositoryOptions,
    ) -> Result<AwsRepository, AwsError> {
        let details = format!("{name} scan-on-push={} immutable-tags={}", options.scan_on_push, options.immutable_tags);
        let mut state = self.record(session, "create-repository", &details)?;
        if !state.repositories.insert(name.to_owned()) {
            return Err(AwsError::Exists(format!("the repository {name}")));
        }
        Ok(repository(session, name, options))
    }

    async fn put_lifecycle_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError> {
        let state = self.record(session, "put-lifecycle-policy", &format!("{name} {policy}"))?;
        if state.repositories.contains(name) { Ok(()) } else { Err(missing(name)) }
    }

    async fn put_repository_policy(&self, session: &AwsSession, name: &str, policy: &str) -> Result<(), AwsError> {
        let state = self.record(session, "put-repository-policy", &format!("{name} {policy}"))?;
        if state.repositories.contains(name) { Ok(()) } else { Err(missing(name)) }
    }

    async fn put_scanning(&self, session: &AwsSession, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
        let state = self.record(session, "put-scanning", &format!("{name} scan-on-push={scan_on_push}"))?;
        if state.repositories.contains(name) { Ok(()) } else { Err(missing(name)) }
    }
}
