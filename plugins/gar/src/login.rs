//! Which of the ways to log in holds.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::{Authorization, Basic, Secret, Settings, secret};

use crate::tokens::{self, Federation};

/// The user names that Google's registries know for the two kinds of password.
const KEY_USER: &str = "_json_key";
const TOKEN_USER: &str = "oauth2accesstoken";

/// A federated identity comes before a token, a token before a key; without any, docker's configuration has the login, as the
/// helper of Google's command line leaves it there.
pub(crate) fn authorize(settings: &Settings) -> Result<Authorization, Vec<Finding>> {
    let basic = |user: &str, password: Secret| Authorization::Basic(Basic { user: user.to_owned(), password, expires: None });
    if let Some(token) = secret(settings, "oidc-token") {
        let password = tokens::exchange(&token, &federation(&|name| settings.text(name))?)?;
        return Ok(basic(TOKEN_USER, password));
    }
    if let Some(token) = secret(settings, "access-token") {
        return Ok(basic(TOKEN_USER, token));
    }
    Ok(secret(settings, "json-key").map_or(Authorization::DockerConfig, |key| basic(KEY_USER, key)))
}

/// The four settings that an OpenID Connect token needs beside it; every missing one is told.
fn federation(text: &dyn Fn(&str) -> Option<String>) -> Result<Federation, Vec<Finding>> {
    let mut missing = Vec::new();
    let mut needed = |name: &str| match text(name).filter(|value| !value.is_empty()) {
        Some(value) => value,
        None => {
            let finding = Finding::deny("gar/federation", format!("`oidc-token` is given, but `{name}` is missing"));
            missing.push(finding.about(name).help("set it to what the workload identity provider has"));
            String::new()
        }
    };
    let federation = Federation {
        project_number: needed("project-number"),
        pool: needed("pool-id"),
        provider: needed("provider-id"),
        service_account: needed("service-account"),
    };
    if missing.is_empty() { Ok(federation) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_setting_of_a_federation_is_told() {
        let given = |name: &str| (name == "pool-id").then(|| "pool".to_owned());
        let told: Vec<String> = federation(&given).unwrap_err().into_iter().filter_map(|finding| finding.subject).collect();
        assert_eq!(told, ["project-number", "provider-id", "service-account"]);
        assert_eq!(federation(&|name| Some(name.to_owned())).unwrap().provider, "provider-id");
    }
}
