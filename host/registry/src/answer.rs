//! What a registry says about a failure: the error envelope of the OCI distribution specification, "Error Codes".

use std::fmt;
use std::time::Duration;

use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use crate::text::{QUOTE, clean};
use crate::transport::body::read_at_most;

/// No envelope is larger than this.
const LARGEST_ENVELOPE: usize = 64 * 1024;
/// The words are only decoration: a body that takes longer is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// The registry's own words about a failure, fit to be shown. Displayed, they follow a message; nothing when it said nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told(Box<Words>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Words {
    text: String,
    codes: Vec<String>,
}

impl Told {
    fn new(text: String, codes: Vec<String>) -> Self {
        Self(Box::new(Words { text, codes }))
    }

    /// Reads the body of an answer that means failure.
    pub(crate) async fn read(response: Response) -> Self {
        let html = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("html"));
        let Ok(body) = tokio::time::timeout(PATIENCE, read_at_most(response, LARGEST_ENVELOPE)).await else {
            return Self::default();
        };
        if html {
            return Self::new("an HTML page, not an answer of a registry".to_owned(), Vec::new());
        }
        Self::parse(&body)
    }

    fn parse(body: &[u8]) -> Self {
        if let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body) {
            let codes: Vec<String> = envelope.errors.iter().take(4).map(|e| code_text(&e.code)).collect();
            let texts: Vec<String> =
                envelope.errors.iter().zip(&codes).map(|(e, code)| format!("{} ({code})", e.message.trim())).collect();
            return Self::new(clean(&texts.join("; "), QUOTE), codes);
        }
        let text = String::from_utf8_lossy(body);
        if text.trim_start().starts_with('<') {
            return Self::new("a page of markup, not an answer of a registry".to_owned(), Vec::new());
        }
        Self::new(clean(&text, QUOTE), Vec::new())
    }

    /// Whether one of the error codes is `code`, such as `NAME_UNKNOWN`.
    pub(crate) fn has(&self, code: &str) -> bool {
        self.0.codes.iter().any(|has| has == code)
    }

    /// Whether the words contain `part`, whatever the case.
    pub(crate) fn mentions(&self, part: &str) -> bool {
        self.0.text.to_ascii_lowercase().contains(part)
    }

    /// Whether a tag that must not be moved is the reason. ECR writes the exception's name or `TAG_INVALID`, Harbor,
    /// Quay and others a sentence.
    pub(crate) fn is_immutable_tag(&self) -> bool {
        self.has("ImageTagAlreadyExistsException")
            || self.has("TAG_IMMUTABLE")
            || self.mentions("imagetagalreadyexists")
            || self.mentions("immutable")
            || self.mentions("cannot be overwritten")
    }

    /// Whether the credential was good once: ECR answers 403 to an expired token, without a challenge.
    pub(crate) fn is_expired_token(&self) -> bool {
        self.mentions("token has expired") || self.mentions("token is expired")
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.text.is_empty() { Ok(()) } else { write!(f, "; it says: {}", self.0.text) }
    }
}

fn code_text(code: &OciErrorCode) -> String {
    let text = match code {
        OciErrorCode::Other(text) => text.clone(),
        known => serde_json::to_value(known).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
    };
    clean(&text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_give_codes_and_words() {
        let told = Told::parse(br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such \u001b[2Jrepository","detail":{}}]}"#);
        assert!(told.has("NAME_UNKNOWN"));
        assert_eq!(told.to_string(), "; it says: no such [2Jrepository (NAME_UNKNOWN)");
    }

    #[test]
    fn ecr_immutable_tags_and_expired_tokens_are_recognised() {
        let text = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag '1' already exists in the 'a' repository and cannot be overwritten because the repository is immutable."}]}"#;
        assert!(Told::parse(text.as_bytes()).is_immutable_tag());
        assert!(Told::parse(br#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#).is_expired_token());
        assert!(!Told::parse(br#"{"errors":[{"code":"TAG_INVALID","message":"bad tag"}]}"#).is_immutable_tag());
    }

    #[test]
    fn other_bodies_are_quoted_clean_and_short() {
        assert_eq!(Told::parse(b"Not\x07 Authorized\r\n").to_string(), "; it says: Not Authorized");
        assert!(Told::parse(b"<html><body>x").to_string().contains("markup"));
        assert!(Told::parse(&[b'x'; 10_000]).to_string().len() < 400);
        assert_eq!(Told::parse(b"").to_string(), "");
    }
}
