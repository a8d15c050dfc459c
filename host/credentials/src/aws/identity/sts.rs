//! Taking on a role, at AWS's Security Token Service.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use windlass_core::{Redactor, Secret};

use super::{Keys, SESSION_NAME, credentials, redactor};
use crate::aws::context::{Context, Service};
use crate::aws::error::AwsError;
use crate::aws::options::Role;

/// Takes on `role` with the identity of `base`.
pub(super) async fn assume(context: &Context, role: &Role, base: Credentials) -> Result<Credentials, AwsError> {
    const OPERATION: &str = "AssumeRole";
    let redactor = redactor(&base);
    let client = Client::new(&context.sdk_config(Service::Sts, Some(base))?);
    let request = client.assume_role().role_arn(&role.arn).role_session_name(session_name(role));
    let answer = request.set_external_id(role.external_id.clone()).send().await;
    let answer = answer.map_err(|error| AwsError::from_sdk(OPERATION, &context.endpoint(Service::Sts), &error, &redactor))?;
    take(OPERATION, answer.credentials)
}

/// Takes on `role` with a token of an OpenID Connect provider.
pub(super) async fn assume_with_web_identity(context: &Context, role: &Role, token: &Secret) -> Result<Credentials, AwsError> {
    const OPERATION: &str = "AssumeRoleWithWebIdentity";
    let client = Client::new(&context.sdk_config(Service::Sts, None)?);
    let request = client.assume_role_with_web_identity().role_arn(&role.arn).role_session_name(session_name(role));
    let answer = request.web_identity_token(token.expose()).send().await;
    let redactor = Redactor::new([token]);
    let answer = answer.map_err(|error| AwsError::from_sdk(OPERATION, &context.endpoint(Service::Sts), &error, &redactor))?;
    take(OPERATION, answer.credentials)
}

fn session_name(role: &Role) -> &str {
    role.session_name.as_deref().unwrap_or(SESSION_NAME)
}

fn take(operation: &'static str, given: Option<aws_sdk_sts::types::Credentials>) -> Result<Credentials, AwsError> {
    let given = given.ok_or_else(|| AwsError::Answer { operation, what: "it holds no credentials".to_owned() })?;
    let keys = Keys {
        access_key_id: Secret::new(given.access_key_id),
        secret_access_key: Secret::new(given.secret_access_key),
        session_token: Some(Secret::new(given.session_token)),
    };
    Ok(credentials(&keys, SystemTime::try_from(given.expiration).ok(), operation))
}
