//! Workload identity federation: an OpenID Connect token becomes one of Google's (RFC 8693), and that one a service account's.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::Secret;
use windlass_plugin_sdk::token_request::{Field, Refused, TokenRequest};

use crate::describe::{IDENTITY_SERVICE, TOKEN_SERVICE};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The identity that a token is exchanged for.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) project_number: String,
    pub(crate) pool: String,
    pub(crate) provider: String,
    pub(crate) service_account: String,
}

impl Federation {
    /// The full name of the provider, which the token service calls the audience.
    fn audience(&self) -> String {
        let Self { project_number, pool, provider, .. } = self;
        format!(
            "//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
        )
    }
}

/// The service account's access token.
pub(crate) fn exchange(token: &Secret, federation: &Federation) -> Result<Secret, Vec<Finding>> {
    let audience = federation.audience();
    let federated = TokenRequest::new(TOKEN_SERVICE, "/v1/token", "/access_token", "/error_description").form(&[
        ("grant_type", Field::Text("urn:ietf:params:oauth:grant-type:token-exchange")),
        ("requested_token_type", Field::Text("urn:ietf:params:oauth:token-type:access_token")),
        ("subject_token_type", Field::Text("urn:ietf:params:oauth:token-type:jwt")),
        ("scope", Field::Text(SCOPE)),
        ("audience", Field::Text(&audience)),
        ("subject_token", Field::Secret(token)),
    ]);
    let federated = federated.send().map_err(|why| explain("exchange the OpenID Connect token", why))?;
    let account = &federation.service_account;
    let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
    let acting = TokenRequest::new(IDENTITY_SERVICE, &path, "/accessToken", "/error/message")
        .bearer(&federated)
        .json(&format!(r#"{{"scope":["{SCOPE}"]}}"#));
    acting.send().map_err(|why| explain(&format!("act as the service account {account}"), why))
}

fn explain(what: &str, refused: Refused) -> Vec<Finding> {
    let (rule, why, help) = match refused {
        Refused::Answer(status, why) => (
            "gar/credentials",
            format!("status {status}: {}", why.unwrap_or_else(|| "Google gives no reason".to_owned())),
            "check the pool, the provider and its audience, and that the service account lets the pool act as it",
        ),
        Refused::NotGranted(why) => ("gar/not-granted", why, "allow the plugin `gar` its endpoints"),
        Refused::Unreachable(why) => ("gar/unreachable", why, "check that the network lets requests to Google through"),
    };
    vec![Finding::deny(rule, format!("could not {what}: {why}")).about("oidc-token").help(help)]
}
