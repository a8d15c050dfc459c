//! What can go wrong with AWS, told apart as far as a caller or a user would act differently.

use std::error::Error;
use std::fmt;

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use windlass_core::{Redactor, chain};

/// Why an operation with AWS failed.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The repository, image or policy does not exist.
    #[error("{0}")]
    NotFound(Refusal),
    /// The repository exists already.
    #[error("{0}")]
    Exists(Refusal),
    /// The identity may not do this.
    #[error("{0}")]
    Denied(Refusal),
    /// AWS asks to slow down, and went on to when it was asked again.
    #[error("{0}")]
    Throttled(Refusal),
    /// The session token or web identity token is past its time.
    #[error("{0}")]
    Expired(Refusal),
    /// The keys or the token are not ones that AWS knows.
    #[error("{0}")]
    InvalidToken(Refusal),
    /// AWS refused for another reason.
    #[error("{0}")]
    Other(Refusal),
    /// No identity could be found.
    #[error("found no AWS credentials; tried {}", Tried(tried))]
    NoCredentials {
        /// What was tried, in order. Only the last can have failed: a source that is configured and broken ends the search.
        tried: Vec<Attempt>,
        /// The error of the last attempt, where it was one of AWS.
        source: Option<Box<AwsError>>,
    },
    /// There was no answer.
    #[error("could not reach {endpoint} for {operation}")]
    Unreachable {
        /// The operation, as AWS names it.
        operation: &'static str,
        /// The URL or host that was tried.
        endpoint: String,
        /// Why.
        source: Cause,
    },
    /// The answer lacks what it must hold.
    #[error("the answer to {operation} cannot be used: {what}")]
    Answer {
        /// The operation, as AWS names it.
        operation: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}

impl AwsError {
    /// How a user can mend it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::NotFound(refusal) if refusal.code.starts_with("Repository") => {
                "create the repository, or let the step create it (`create-repository`)"
            }
            Self::Denied(refusal) if refusal.operation.starts_with("AssumeRole") => {
                "check that the role's trust policy names this identity, and its external id"
            }
            Self::Denied(_) => "check the policies of the identity, and that region and account are those of the repository",
            Self::Throttled(_) => "try again later, or ask AWS for a higher limit",
            Self::Expired(_) => "get new credentials: a temporary key or token lasts from 15 minutes to a few hours",
            Self::InvalidToken(_) => "check the access key and secret key, and that they belong to this partition of AWS",
            Self::NoCredentials { .. } => {
                "give an access key and secret key, name a profile or a role, or run where the machine has an identity"
            }
            Self::Unreachable { .. } => "check the region, the network, HTTPS_PROXY and the endpoint settings",
            Self::NotFound(_) | Self::Exists(_) | Self::Other(_) | Self::Answer { .. } | Self::Settings(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Reads an error of the SDK. What AWS wrote is redacted, and nothing of the SDK's own error is kept: its `Debug` form
    /// holds whole answers.
    pub(super) fn from_sdk<E>(
        operation: &'static str,
        endpoint: &str,
        error: &SdkError<E, HttpResponse>,
        redactor: &Redactor,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let Some(code) = meta.code() else {
                    let status = service.raw().status().as_u16();
                    return Self::Answer { operation, what: format!("it has status {status} and is none of AWS's errors") };
                };
                let code = redactor.excerpt(code);
                let message = redactor.excerpt(meta.message().unwrap_or("no message"));
                Self::refused(Refusal { operation, code, message })
            }
            SdkError::TimeoutError(_) => Self::unreachable(operation, endpoint, "there was no answer in time"),
            SdkError::DispatchFailure(failure) => {
                let text = failure.as_connector_error().map_or_else(|| "the request failed".to_owned(), |e| chain(e));
                Self::unreachable(operation, endpoint, &redactor.excerpt(&text))
            }
            SdkError::ResponseError(_) => {
                Self::Answer { operation, what: "it does not have the form of an answer of AWS".to_owned() }
            }
            other => {
                let text = other.source().map_or_else(|| "the request could not be made".to_owned(), chain);
                Self::Answer { operation, what: redactor.excerpt(&text) }
            }
        }
    }

    pub(super) fn unreachable(operation: &'static str, endpoint: &str, why: &str) -> Self {
        Self::Unreachable { operation, endpoint: endpoint.to_owned(), source: Cause(why.to_owned()) }
    }

    fn refused(refusal: Refusal) -> Self {
        match refusal.code.trim_end_matches("Exception") {
            "RepositoryNotFound" | "ImageNotFound" | "LifecyclePolicyNotFound" | "RepositoryPolicyNotFound" => {
                Self::NotFound(refusal)
            }
            "RepositoryAlreadyExists" => Self::Exists(refusal),
            "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" | "OptInRequired" | "UnauthorizedAccess" => {
                Self::Denied(refusal)
            }
            "Throttling"
            | "Throttled"
            | "ThrottledException"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "SlowDown" => Self::Throttled(refusal),
            "ExpiredToken" | "RequestExpired" => Self::Expired(refusal),
            "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidIdentityToken"
            | "IDPRejectedClaim"
            | "SignatureDoesNotMatch"
            | "InvalidSignature"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "InvalidToken" => Self::InvalidToken(refusal),
            _ => Self::Other(refusal),
        }
    }
}

/// An answer of AWS that is an error. Texts are redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The operation, as AWS names it.
    pub operation: &'static str,
    /// The error's code, such as `RepositoryNotFoundException`.
    pub code: String,
    /// What AWS says about it.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AWS refused {}: {} ({})", self.operation, self.message.trim_end_matches('.'), self.code)
    }
}

/// A cause whose own error may hold secrets, kept as redacted text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

/// One place where credentials were looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where, in words.
    pub provider: &'static str,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// Why a place gave no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It is not configured; the text says what is missing.
    NotConfigured(String),
    /// It is configured and broken; the text says how.
    Failed(String),
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            AttemptOutcome::NotConfigured(why) => write!(f, "{} ({why})", self.provider),
            AttemptOutcome::Failed(why) => write!(f, "{} (failed: {why})", self.provider),
        }
    }
}

struct Tried<'a>(&'a [Attempt]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            write!(f, "{}{attempt}", if index == 0 { "" } else { ", then " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str) -> &'static str {
        let refusal = Refusal { operation: "X", code: code.to_owned(), message: "m.".to_owned() };
        match AwsError::refused(refusal) {
            AwsError::NotFound(_) => "not found",
            AwsError::Exists(_) => "exists",
            AwsError::Denied(_) => "denied",
            AwsError::Throttled(_) => "throttled",
            AwsError::Expired(_) => "expired",
            AwsError::InvalidToken(_) => "invalid",
            _ => "other",
        }
    }

    #[test]
    fn codes_are_told_apart_with_and_without_the_word_exception() {
        for (code, expected) in [
            ("RepositoryNotFoundException", "not found"),
            ("ImageNotFoundException", "not found"),
            ("RepositoryAlreadyExistsException", "exists"),
            ("AccessDenied", "denied"),
            ("AccessDeniedException", "denied"),
            ("ThrottlingException", "throttled"),
            ("TooManyRequestsException", "throttled"),
            ("ExpiredTokenException", "expired"),
            ("ExpiredToken", "expired"),
            ("UnrecognizedClientException", "invalid"),
            ("InvalidClientTokenId", "invalid"),
            ("InvalidIdentityToken", "invalid"),
            ("ServerException", "other"),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }

    #[test]
    fn attempts_are_told_in_order() {
        let attempt = |provider, outcome| Attempt { provider, outcome };
        let error = AwsError::NoCredentials {
            tried: vec![
                attempt("environment", AttemptOutcome::NotConfigured("AWS_ACCESS_KEY_ID is not set".to_owned())),
                attempt("profile", AttemptOutcome::Failed("no `x`".to_owned())),
            ],
            source: None,
        };
        assert_eq!(
            error.to_string(),
            "found no AWS credentials; tried environment (AWS_ACCESS_KEY_ID is not set), then profile (failed: no `x`)"
        );
        assert!(error.help().is_some());
    }
}
