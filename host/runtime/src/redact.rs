//! Taking secrets out of texts, in every form in which they travel.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use windlass_core::Secret;

/// Shorter secrets are not searched for: they would be found in every text.
const SHORTEST: usize = 4;

/// `text` with every secret replaced by `[redacted]`.
pub(crate) fn redact(text: &str, secrets: &[Secret]) -> String {
    let mut shown = text.to_owned();
    for form in secrets.iter().flat_map(forms) {
        if shown.contains(&form) {
            shown = shown.replace(&form, "[redacted]");
        }
    }
    shown
}

/// Whether a secret stands in `text`.
pub(crate) fn leaks(text: &str, secrets: &[Secret]) -> bool {
    secrets.iter().flat_map(forms).any(|form| text.contains(&form))
}

/// The ways in which a secret may be written.
fn forms(secret: &Secret) -> Vec<String> {
    let plain = secret.expose();
    if plain.len() < SHORTEST {
        return Vec::new();
    }
    let json = serde_json::Value::String(plain.to_owned()).to_string();
    let mut forms = vec![plain.to_owned(), json.trim_matches('"').to_owned(), percent(plain)];
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(plain));
    }
    // In the middle of a longer text, base64 has one of three forms, of which the inner characters are always the same.
    for offset in 0..3 {
        let shifted = STANDARD_NO_PAD.encode([&vec![b'x'; offset], plain.as_bytes()].concat());
        let from = [0, 2, 3][offset];
        let inner = &shifted[from..shifted.len().saturating_sub(2).max(from)];
        if inner.len() >= 8 {
            forms.push(inner.to_owned());
        }
    }
    forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// `text` percent-encoded as in a form or path: all but the unreserved characters of RFC 3986.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_every_encoding() {
        let secrets = [Secret::new("canary/7f3a\"+9c")];
        let plain = secrets[0].expose();
        for text in [
            plain.to_owned(),
            format!("x={}", percent(plain)),
            STANDARD.encode(plain),
            STANDARD.encode(format!("user:{plain}")),
            STANDARD.encode(format!("AWS:{plain}:more")),
            URL_SAFE_NO_PAD.encode(plain),
            serde_json::json!({ "token": plain }).to_string(),
        ] {
            assert!(leaks(&text, &secrets), "{text}");
            assert!(!leaks(&redact(&text, &secrets), &secrets), "{text}");
        }
        assert!(!leaks("nothing here", &secrets));
    }
}
