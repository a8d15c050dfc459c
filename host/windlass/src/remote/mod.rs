//! What lies elsewhere, brought for the builder: files from the web and git repositories. No registry credential comes here.

pub(crate) mod contexts;
mod git;
mod http;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use windlass_builder::execute::{AgentSocket, Brought, Problem, Remotes};
use windlass_builder::store::Store;
use windlass_core::{Finding, Secret};
use windlass_dockerfile::remote::RemoteSource;
use windlass_registry::Downloads;

use crate::agents::{DEFAULT_ID, agents};
use crate::engine::secret_value;
use crate::environment::Environment;
use crate::step::BuildSettings;
use git::Git;

/// The largest file that is downloaded, and the largest file that git may write, in bytes. Changed by the variable
/// `WINDLASS_DOWNLOAD_LIMIT`.
const LARGEST: u64 = 16 << 30;
const LIMIT_VARIABLE: &str = "WINDLASS_DOWNLOAD_LIMIT";

/// What git may prove who it is with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// The socket of an SSH agent.
    pub(crate) agent: Option<PathBuf>,
    /// Whether the user's own SSH keys and settings count: for what the user names, never for what a Dockerfile names.
    pub(crate) uses_own_keys: bool,
    /// The build secrets `GIT_AUTH_TOKEN`, `GIT_AUTH_HEADER`, and the same with `.HOST` behind them.
    pub(crate) secrets: Vec<(String, Secret)>,
}

impl Access {
    /// The build secrets that are for git. One that cannot be read is told of where all secrets are.
    fn of_secrets(build: &BuildSettings, environment: &Environment) -> Self {
        let secrets = build.secrets.iter().filter(|secret| secret.id.starts_with("GIT_AUTH_"));
        let read = secrets.filter_map(|secret| {
            secret_value(&secret.source, &secret.id, environment).ok().map(|value| (secret.id.clone(), value))
        });
        Self { secrets: read.collect(), ..Self::default() }
    }
}

/// Brings files and repositories.
#[derive(Debug)]
pub(crate) struct Remote {
    downloads: Downloads,
    git: Git,
    // The agent that git asks is behind it.
    _agent: Option<AgentSocket>,
}

impl Remote {
    pub(crate) fn new(environment: &Environment, access: Access) -> Self {
        let largest = largest(environment);
        Self { downloads: Downloads::new(largest), git: Git::new(environment.clone(), access, largest), _agent: None }
    }

    /// For what a Dockerfile names: with the build secrets that are for git, and with the `default` agent of `--ssh`, where the
    /// user gives one.
    ///
    /// # Errors
    /// A finding when the agent cannot be offered. One that cannot be had is told of where all agents are.
    pub(crate) fn of_dockerfile(build: &BuildSettings, environment: &Environment, store: &Store) -> Result<Self, Finding> {
        let agent = agents(build, environment).ok().and_then(|mut agents| agents.remove(DEFAULT_ID));
        let socket = agent.map(|agent| AgentSocket::open(&agent, store)).transpose();
        let socket = socket.map_err(|error| {
            Finding::deny("settings/ssh", format!("cannot offer the ssh agent `{DEFAULT_ID}` to git: {error}")).about("ssh")
        })?;
        let agent = socket.as_ref().map(|socket| socket.path().to_owned());
        let access = Access { agent, ..Access::of_secrets(build, environment) };
        Ok(Self { _agent: socket, ..Self::new(environment, access) })
    }
}

/// The largest file that is taken, in bytes.
pub(super) fn largest(environment: &Environment) -> u64 {
    environment.get(LIMIT_VARIABLE).and_then(|text| text.parse().ok()).unwrap_or(LARGEST)
}

#[async_trait]
impl Remotes for Remote {
    async fn identify(&self, source: &RemoteSource) -> Result<Option<String>, Problem> {
        match source {
            RemoteSource::Http(http) => Ok(http.checksum.clone()),
            RemoteSource::Git(git) => self.git.commit(git).await.map(Some),
        }
    }

    async fn fetch(
        &self,
        source: &RemoteSource,
        identity: Option<&str>,
        directory: &Path,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Brought, Problem> {
        match (source, identity) {
            (RemoteSource::Http(http), _) => http::fetch(&self.downloads, http, directory, progress).await,
            (RemoteSource::Git(git), Some(commit)) => self.git.fetch(git, commit, directory).await,
            (RemoteSource::Git(git), None) => {
                let commit = self.git.commit(git).await?;
                self.git.fetch(git, &commit, directory).await
            }
        }
    }
}
