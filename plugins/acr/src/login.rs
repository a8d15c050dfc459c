//! Which of the ways to log in holds.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::{Authorization, Basic, Destination, Secret, Settings, secret};
use windlass_plugin_sdk::token_request::{Field, Refused, TokenRequest};

use crate::describe::{DIRECTORY, REGISTRY};

/// The user name that goes with a token of the registry.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";
const SCOPE: &str = "https://management.azure.com/.default";

/// A federated identity comes before a secret; without either, docker's configuration has the login.
pub(crate) fn authorize(settings: &Settings, destination: &Destination) -> Result<Authorization, Vec<Finding>> {
    let basic = |user: &str, password: Secret| Authorization::Basic(Basic { user: user.to_owned(), password, expires: None });
    let text = |name: &str| settings.text(name);
    if let Some(token) = secret(settings, "oidc-token") {
        let [client, tenant] = needed(&text, "oidc-token", ["client-id", "tenant-id"])?;
        let password = exchange(&token, &client, &tenant, &destination.registry)?;
        return Ok(basic(TOKEN_USER, password));
    }
    let Some(password) = secret(settings, "client-secret") else { return Ok(Authorization::DockerConfig) };
    let [client] = needed(&text, "client-secret", ["client-id"])?;
    Ok(basic(&client, password))
}

/// The settings that `given` needs beside it; every missing one is told.
fn needed<const N: usize>(
    text: &dyn Fn(&str) -> Option<String>,
    given: &str,
    names: [&str; N],
) -> Result<[String; N], Vec<Finding>> {
    let values = names.map(|name| text(name).unwrap_or_default());
    let missing: Vec<Finding> = std::iter::zip(names, &values)
        .filter(|(_, value)| value.is_empty())
        .map(|(name, _)| {
            let finding = Finding::deny("acr/identity", format!("`{given}` is given, but `{name}` is missing"));
            finding.about(name).help("set it to what the app registration shows")
        })
        .collect();
    if missing.is_empty() { Ok(values) } else { Err(missing) }
}

/// The registry's refresh token, by way of one of the directory's.
fn exchange(token: &Secret, client: &str, tenant: &str, registry: &str) -> Result<Secret, Vec<Finding>> {
    let path = format!("/{tenant}/oauth2/v2.0/token");
    let directory = TokenRequest::new(DIRECTORY, &path, "/access_token", "/error_description").form(&[
        ("grant_type", Field::Text("client_credentials")),
        ("client_id", Field::Text(client)),
        ("scope", Field::Text(SCOPE)),
        ("client_assertion_type", Field::Text("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")),
        ("client_assertion", Field::Secret(token)),
    ]);
    let access = directory.send().map_err(|why| explain("log in to the directory", why))?;
    let refresh = TokenRequest::new(REGISTRY, "/oauth2/exchange", "/refresh_token", "/errors/0/message").form(&[
        ("grant_type", Field::Text("access_token")),
        ("service", Field::Text(registry)),
        ("tenant", Field::Text(tenant)),
        ("access_token", Field::Secret(&access)),
    ]);
    refresh.send().map_err(|why| explain(&format!("get a token of {registry}"), why))
}

fn explain(what: &str, refused: Refused) -> Vec<Finding> {
    let (rule, why, help) = match refused {
        Refused::Answer(status, why) => (
            "acr/credentials",
            format!("status {status}: {}", why.unwrap_or_else(|| "Azure gives no reason".to_owned())),
            "check `client-id` and `tenant-id`, the identity's federated credential, and its role AcrPush",
        ),
        Refused::NotGranted(why) => ("acr/not-granted", why, "allow the plugin `acr` its endpoints"),
        Refused::Unreachable(why) => ("acr/unreachable", why, "check that the network lets requests to Azure through"),
    };
    vec![Finding::deny(rule, format!("could not {what}: {why}")).about("oidc-token").help(help)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_setting_is_told() {
        let told = needed(&|_| None, "oidc-token", ["client-id", "tenant-id"]).unwrap_err();
        assert_eq!(told.len(), 2);
        assert_eq!(needed(&|name| Some(name.to_owned()), "client-secret", ["client-id"]).unwrap(), ["client-id"]);
    }
}
