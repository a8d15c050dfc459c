//! Content digests, as in the OCI image specification, section "Digests".

use std::fmt;

use serde::{Deserialize, Serialize};

/// A `sha256:` or `sha512:` digest; always lower-case and of the right length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct DigestError {
    text: String,
}

impl Digest {
    /// Reads `sha256:<64 hex digits>` or `sha512:<128 hex digits>`.
    ///
    /// # Errors
    /// When the algorithm is another one, or the digits are too few, too many, upper-case or no digits.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let valid = text.split_once(':').is_some_and(|(algorithm, hex)| {
            let length = match algorithm {
                "sha256" => 64,
                "sha512" => 128,
                _ => return false,
            };
            hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if valid { Ok(Self(text.to_owned())) } else { Err(DigestError { text: text.chars().take(200).collect() }) }
    }

    /// The digest whose SHA-256 sum is `sum`.
    #[must_use]
    pub fn from_sha256(sum: [u8; 32]) -> Self {
        let mut text = String::with_capacity(7 + 64);
        text.push_str("sha256:");
        for byte in sum {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
            }
        }
        Self(text)
    }

    /// `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// The whole text, `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_sha256_is_read_back_by_parse() {
        let digest = Digest::from_sha256([0xa9; 32]);
        assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
        assert_eq!((digest.algorithm(), digest.hex().len()), ("sha256", 64));
    }

    #[test]
    fn wrong_algorithm_length_and_case_are_refused() {
        for text in ["", "sha256:", "md5:00", &format!("sha256:{}", "A".repeat(64)), &format!("sha256:{}", "a".repeat(63))] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }
}
