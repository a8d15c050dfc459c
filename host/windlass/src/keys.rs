//! Credentials that the user gives for registries, and the keychain they go into.

use std::sync::Arc;

use windlass_core::setting::{Kind, Settings, Spec};
use windlass_core::{ExitCode, Finding, Secret, chain};
use windlass_credentials::docker_config::DockerConfig;
use windlass_credentials::keychain::Static;
use windlass_credentials::{Credential, Keychain};

use crate::environment::Environment;
use crate::failure::Failure;

/// What may be given for pushing, and for base images.
pub(crate) fn specs() -> Vec<Spec> {
    let spec = |name: &str, kind, help: &str| Spec {
        name: name.to_owned(),
        aliases: Vec::new(),
        kind,
        default: None,
        required: false,
        choices: Vec::new(),
        help: help.to_owned(),
    };
    vec![
        spec("registry", Kind::Text, "The registry that the user name and password are for."),
        spec("username", Kind::Text, "The user name."),
        spec("password", Kind::Secret, "The password."),
        spec("access-token", Kind::Secret, "An OAuth token, in place of a password."),
        spec("docker-config", Kind::Secret, "The text of a docker config.json, or the path of one."),
    ]
}

/// The user name that registries expect beside an OAuth token.
const TOKEN_USER: &str = "oauth2accesstoken";

/// Puts together what the user gave; docker's configuration comes last.
///
/// # Errors
/// When one half of a pair is missing, or a configuration cannot be read.
pub(crate) fn keychain(
    push: &Settings,
    base: &Settings,
    destination: Option<&str>,
    environment: &Environment,
) -> Result<Keychain, Failure> {
    let mut keychain = Keychain::default();
    if let Some(provider) = given(push, destination.unwrap_or_default())? {
        keychain = keychain.with_push(provider);
    }
    if let Some(provider) = given(base, "docker.io")? {
        keychain = keychain.with_base(provider);
    }
    for (settings, for_base) in [(push, false), (base, true)] {
        let Some(text) = settings.secret("docker-config").filter(|text| !text.is_empty()) else { continue };
        let name = settings.get("docker-config").map_or("docker-config", |(_, origin)| origin.name.as_str());
        let config = Arc::new(docker_config(text, name, environment)?);
        keychain = if for_base { keychain.with_base(config) } else { keychain.with_push(config) };
    }
    let discovered = Arc::new(DockerConfig::discover(environment).map_err(|error| wrong(&error))?);
    Ok(keychain.with_push(discovered.clone()).with_base(discovered))
}

fn given(settings: &Settings, default_registry: &str) -> Result<Option<Arc<Static>>, Failure> {
    let registry = settings.text("registry").filter(|registry| !registry.is_empty()).unwrap_or(default_registry);
    if let Some(token) = settings.secret("access-token").filter(|token| !token.is_empty()) {
        let credential = Credential::Basic { username: TOKEN_USER.to_owned(), password: token.clone() };
        return Ok(Some(Arc::new(Static::new(registry, credential))));
    }
    let basic = Static::basic(registry, settings.text("username"), settings.secret("password")).map_err(|error| wrong(&error))?;
    Ok(basic.map(Arc::new))
}

/// The old plugins took the text; some of their kin take a path. `name` is what the user calls the setting.
fn docker_config(text: &Secret, name: &str, environment: &Environment) -> Result<DockerConfig, Failure> {
    if text.expose().trim_start().starts_with('{') {
        return DockerConfig::from_json(text, name, environment).map_err(|error| wrong(&error));
    }
    let read = std::fs::read_to_string(text.expose()).map(Secret::new).map_err(|error| {
        let message = format!("`{name}` is neither JSON nor the path of a file that can be read: {error}");
        let finding = Finding::deny("credentials/docker-config", message).about(name);
        Failure::one(ExitCode::Credentials, finding.help("give the text of a docker config.json, or its path"))
    })?;
    DockerConfig::from_json(&read, &format!("the file that {name} names"), environment).map_err(|error| wrong(&error))
}

fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::one(ExitCode::Credentials, Finding::deny("credentials/broken", chain(error)))
}
