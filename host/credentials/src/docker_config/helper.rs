//! Helper programs, `docker-credential-NAME get`, as docker's credential-helpers protocol has it.

use std::time::Duration;

use serde_json::Value;
use windlass_core::{Redactor, Secret};

use super::DockerConfigError;
use crate::environment::Environment;
use crate::keychain::Credential;
use crate::program::{self, Answer};

/// The user name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";
/// What helpers answer when they have nothing for a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The program that `docker-credential-NAME` means on `PATH`.
pub(super) fn find(name: &str, environment: &Environment) -> Option<std::path::PathBuf> {
    program::find(&format!("docker-credential-{name}"), environment)
}

/// Asks the helper `name` about `server`; `None` when it has nothing for it.
pub(super) async fn get(
    name: &str,
    server: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<Option<Credential>, DockerConfigError> {
    let program = format!("docker-credential-{name}");
    if name.contains('/') {
        return Err(DockerConfigError::HelperName { program });
    }
    let Some(path) = find(name, environment) else { return Err(DockerConfigError::HelperMissing { program }) };
    let answer = program::run(&path, &["get"], &format!("{server}\n"), environment, limit).await;
    let answer = answer.map_err(|source| DockerConfigError::Helper { program: program.clone(), source })?;
    if answer.success {
        return read(&answer.stdout).map_err(|what| DockerConfigError::HelperAnswer { program, what });
    }
    // Helpers print their error on standard output; other things that stand there may be secret and are not repeated.
    if answer.stdout.trim() == NOT_FOUND || answer.stderr.trim() == NOT_FOUND {
        return Ok(None);
    }
    let said = complaint(&answer);
    Err(DockerConfigError::HelperFailed { program, server: server.to_owned(), ending: answer.ending, said })
}

fn read(stdout: &str) -> Result<Option<Credential>, &'static str> {
    let value: Value = serde_json::from_str(stdout).map_err(|_| "it is not JSON")?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (username, secret) = (field("Username"), Secret::new(field("Secret")));
    if !value.is_object() {
        return Err("it is not an object");
    }
    match (username.is_empty(), secret.is_empty()) {
        // Some helpers answer with an empty object instead of an error.
        (true, true) => Ok(None),
        (_, true) => Err("it has no `Secret`"),
        (true, false) => Err("it has no `Username`"),
        (false, false) if username == TOKEN_USER => Ok(Some(Credential::IdentityToken(secret))),
        (false, false) => Ok(Some(Credential::Basic { username: username.to_owned(), password: secret })),
    }
}

/// The first line that a failed helper wrote to standard error, without what looks like its secret.
fn complaint(answer: &Answer) -> String {
    let value: Option<Value> = serde_json::from_str(&answer.stdout).ok();
    let secret = value.as_ref().and_then(|value| value.get("Secret")).and_then(Value::as_str).map(Secret::new);
    let mut redactor = Redactor::new(&secret);
    redactor.add(&Secret::new(answer.stdout.trim()));
    let line = answer.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = redactor.excerpt(line);
    if line.is_empty() { "nothing on standard error".to_owned() } else { line }
}
