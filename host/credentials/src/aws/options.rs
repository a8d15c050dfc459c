//! What a session is opened with.

use windlass_core::Secret;

use super::AwsError;

/// Everything a session needs to know; the default takes all of it from the environment.
#[derive(Debug, Clone, Default)]
pub struct EcrOptions {
    /// The region; else `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's region.
    pub region: Option<String>,
    /// Where the first identity comes from.
    pub source: Source,
    /// The role that is taken on with that identity, for every operation of the session.
    pub role: Option<Role>,
    /// Endpoints that are used instead of those of AWS.
    pub endpoints: Endpoints,
}

/// Where the first identity comes from.
#[derive(Debug, Clone, Default)]
pub enum Source {
    /// Environment, shared configuration, web identity, container, instance; the first that is configured.
    #[default]
    DefaultChain,
    /// These keys.
    Keys(Keys),
    /// This profile of the shared configuration.
    Profile(String),
}

/// An access key.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The access key's identifier.
    pub access_key_id: Secret,
    /// The secret half.
    pub secret_access_key: Secret,
    /// The session token of keys that are temporary.
    pub session_token: Option<Secret>,
}

impl Keys {
    /// The keys that settings give; `None` when neither half is given, as a CI system does for an identity that comes from the
    /// machine. Empty texts count as not given.
    ///
    /// # Errors
    /// [`AwsError::Settings`] when only one half is given.
    pub fn from_settings(
        access_key_id: Option<&Secret>,
        secret_access_key: Option<&Secret>,
        session_token: Option<&Secret>,
    ) -> Result<Option<Self>, AwsError> {
        let given = |secret: Option<&Secret>| secret.filter(|secret| !secret.is_empty()).cloned();
        let half = |there, missing| {
            Err(AwsError::Settings(format!(
                "an AWS {there} was given without its {missing}; set both, or neither to use the machine's own identity"
            )))
        };
        match (given(access_key_id), given(secret_access_key)) {
            (None, None) => Ok(None),
            (Some(_), None) => half("access key", "secret key"),
            (None, Some(_)) => half("secret key", "access key"),
            (Some(access_key_id), Some(secret_access_key)) => {
                Ok(Some(Self { access_key_id, secret_access_key, session_token: given(session_token) }))
            }
        }
    }
}

/// A role to take on.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that the role's trust policy asks for. It has no meaning with a web identity token.
    pub external_id: Option<String>,
    /// The name of the session, as CloudTrail shows it; `windlass` by default.
    pub session_name: Option<String>,
    /// A token of an OpenID Connect provider; with it, no other identity is needed.
    pub web_identity_token: Option<Secret>,
}

impl Role {
    /// The role that settings give; `None` when there is none. Empty texts count as not given.
    ///
    /// # Errors
    /// [`AwsError::Settings`] for a token or an external id without a role.
    pub fn from_settings(
        arn: Option<&str>,
        external_id: Option<&str>,
        session_name: Option<&str>,
        web_identity_token: Option<&Secret>,
    ) -> Result<Option<Self>, AwsError> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let token = web_identity_token.filter(|token| !token.is_empty()).cloned();
        let Some(arn) = given(arn) else {
            let what = match (token, given(external_id)) {
                (None, None) => return Ok(None),
                (Some(_), _) => "an OIDC token",
                (None, Some(_)) => "an external id",
            };
            return Err(AwsError::Settings(format!("{what} was given, but no role to assume with it; set the role's ARN")));
        };
        Ok(Some(Self { arn, external_id: given(external_id), session_name: given(session_name), web_identity_token: token }))
    }
}

/// Endpoints other than those of AWS, as URLs.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// For ECR; else `AWS_ENDPOINT_URL_ECR`, `AWS_ENDPOINT_URL`.
    pub ecr: Option<String>,
    /// For STS; else `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`.
    pub sts: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_pairs_or_not_at_all() {
        let (empty, key) = (Secret::new(""), Secret::new("canary"));
        assert!(Keys::from_settings(Some(&empty), None, Some(&key)).unwrap().is_none());
        assert!(Keys::from_settings(Some(&key), Some(&key), Some(&empty)).unwrap().unwrap().session_token.is_none());
        for (access, secret, missing) in [(Some(&key), Some(&empty), "secret key"), (None, Some(&key), "access key")] {
            let error = Keys::from_settings(access, secret, None).unwrap_err();
            assert!(error.to_string().contains(&format!("without its {missing}")), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_token_or_an_external_id_without_a_role_is_an_error() {
        let token = Secret::new("canary");
        assert!(Role::from_settings(None, Some(""), Some("x"), None).unwrap().is_none());
        let error = Role::from_settings(Some(""), None, None, Some(&token)).unwrap_err().to_string();
        assert!(error.contains("OIDC token") && !error.contains("canary"), "{error}");
        assert!(Role::from_settings(None, Some("id"), None, None).is_err());
        assert!(Role::from_settings(Some("arn:aws:iam::1:role/x"), None, None, Some(&token)).unwrap().is_some());
    }
}
