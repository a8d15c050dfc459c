//! Docker's `config.json` and podman's `auth.json`: where they lie, what they say, and the helper programs they name.

mod file;
mod helper;
mod key;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use windlass_core::{Repository, Secret};

use self::file::{ConfigFile, Entry};
use crate::aws::{AwsError, ecr_login};
use crate::environment::Environment;
use crate::keychain::{Credential, CredentialError, Provider};
use crate::program::{self, ProgramError};

pub use self::key::Key;

/// The largest configuration that is read, in bytes.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;
/// The helper whose work this crate does itself where the program is not installed.
const ECR_LOGIN: &str = "ecr-login";

/// Why a docker configuration that is there gives no credential.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// The file is there and cannot be read.
    #[error("could not read the registry credentials in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The content does not follow the format.
    #[error("the registry credentials in `{origin}` cannot be used: {what}")]
    Invalid {
        /// The file, or the setting the text came from.
        origin: String,
        /// What is wrong with it.
        what: String,
    },
    /// The helper that is configured has a name with a path in it.
    #[error("`{program}` is not the name of a credential helper: expected a name without `/`")]
    HelperName {
        /// The program.
        program: String,
    },
    /// The helper that is configured is not installed.
    #[error(
        "the credential helper `{program}` is configured but not on PATH; install it, or remove it from `credHelpers` or `credsStore`"
    )]
    HelperMissing {
        /// The program.
        program: String,
    },
    /// The helper gave no answer.
    #[error("the credential helper `{program}` gave no answer")]
    Helper {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The helper ended with an error.
    #[error("the credential helper `{program}` failed for `{server}` ({ending}): {said}")]
    HelperFailed {
        /// The program.
        program: String,
        /// What it was asked for.
        server: String,
        /// Its exit status.
        ending: String,
        /// What it said on standard error.
        said: String,
    },
    /// The helper's answer does not follow the protocol.
    #[error(
        "the answer of the credential helper `{program}` cannot be used: {what}; expected an object with `Username` and `Secret`"
    )]
    HelperAnswer {
        /// The program.
        program: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `ecr-login`, done without the program, failed.
    #[error("could not log in to `{registry}`, for which `ecr-login` is configured")]
    EcrLogin {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        source: Box<AwsError>,
    },
}

/// One or more configurations, asked in order.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    files: Vec<ConfigFile>,
    environment: Environment,
    helper_limit: Duration,
}

impl DockerConfig {
    /// The configurations that `environment` leads to, those that exist: `config.json` in `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE`,
    /// `containers/auth.json` in `XDG_RUNTIME_DIR`, and, where `DOCKER_CONFIG` is not set, `~/.docker/config.json`.
    ///
    /// # Errors
    /// When one of them is there but cannot be read or used.
    pub fn discover(environment: &Environment) -> Result<Self, DockerConfigError> {
        let mut files = Vec::new();
        for path in places(environment) {
            if let Some(text) = read(&path)? {
                files.push(ConfigFile::parse(text.expose(), &path.display().to_string())?);
            }
        }
        Ok(Self { files, environment: environment.clone(), helper_limit: program::TIME_LIMIT })
    }

    /// The configuration in `text`, which came from `origin`, such as `PLUGIN_CONFIG`.
    ///
    /// # Errors
    /// When the text does not follow the format.
    pub fn from_json(text: &Secret, origin: &str, environment: &Environment) -> Result<Self, DockerConfigError> {
        let files = vec![ConfigFile::parse(text.expose(), origin)?];
        Ok(Self { files, environment: environment.clone(), helper_limit: program::TIME_LIMIT })
    }

    /// Gives helper programs `limit` instead of 30 seconds.
    #[must_use]
    pub fn with_helper_limit(mut self, limit: Duration) -> Self {
        self.helper_limit = limit;
        self
    }

    /// Where the configurations came from, in the order in which they are asked.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.origin.as_str())
    }

    /// The credential for `repository`; `None` when no configuration has one.
    ///
    /// # Errors
    /// When a helper program that is configured for it is missing or fails.
    pub async fn find(&self, repository: &Repository) -> Result<Option<Credential>, DockerConfigError> {
        for file in &self.files {
            let found = match file.entry(repository) {
                None => None,
                Some(Entry::Inline(credential)) => Some(credential.clone()),
                Some(Entry::Helper(name)) => self.ask(name, repository.registry()).await?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn ask(&self, name: &str, registry: &str) -> Result<Option<Credential>, DockerConfigError> {
        if name == ECR_LOGIN
            && helper::find(name, &self.environment).is_none()
            && let Some(host) = ecr_login::Host::parse(registry)
        {
            let login = ecr_login::log_in(&host, &self.environment).await;
            let failed = |source| DockerConfigError::EcrLogin { registry: registry.to_owned(), source: Box::new(source) };
            return login.map(Some).map_err(failed);
        }
        helper::get(name, key::server(registry), &self.environment, self.helper_limit).await
    }
}

#[async_trait]
impl Provider for DockerConfig {
    async fn credential(&self, repository: &Repository) -> Result<Option<Credential>, CredentialError> {
        Ok(self.find(repository).await?)
    }
}

fn places(environment: &Environment) -> Vec<PathBuf> {
    let below = |base: Option<PathBuf>, rest: &str| base.map(|base| base.join(rest));
    let docker = environment.get("DOCKER_CONFIG").map(PathBuf::from);
    let home = if docker.is_none() { below(environment.home(), ".docker/config.json") } else { None };
    [
        below(docker, "config.json"),
        environment.get("REGISTRY_AUTH_FILE").map(PathBuf::from),
        below(environment.get("XDG_RUNTIME_DIR").map(PathBuf::from), "containers/auth.json"),
        home,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The text of a file; `None` when there is no such file, or nothing in it.
fn read(path: &Path) -> Result<Option<Secret>, DockerConfigError> {
    let failed = |source| DockerConfigError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(SIZE_LIMIT + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {SIZE_LIMIT} bytes"))));
    }
    Ok((!text.trim().is_empty()).then(|| Secret::new(text)))
}

#[cfg(test)]
mod tests;
