//! Taking an answer apart: which values a plugin may read, and which become handles.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_core::{Redactor, Secret};

use super::Response;
use crate::bindings::host::exchange::{ExchangeError as Wit, Extraction};

/// The longest value that a plugin may read, in bytes. Tokens are longer, most of them; what plugins read are numbers and words.
const LONGEST: usize = 512;

/// Words in the name of a value that plugins never read, whatever a grant says.
const SECRET_NAMES: [&str; 8] =
    ["access_token", "accesstoken", "refresh_token", "id_token", "password", "secret", "assertion", "private_key"];

/// One value that was taken out.
pub(crate) enum Extracted {
    /// The plugin may read it.
    Text(String),
    /// It becomes a handle.
    Secret(Secret),
}

/// Checks what a plugin wants to take out, before anything is sent.
pub(super) fn check(readable: &[String], wanted: &[Extraction]) -> Result<(), Wit> {
    for extraction in wanted {
        if !extraction.pointer.is_empty() && !extraction.pointer.starts_with('/') {
            return Err(Wit::Invalid(format!("`{}` is no JSON pointer", extraction.pointer)));
        }
        if extraction.is_secret {
            continue;
        }
        let last = extraction.pointer.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if !readable.contains(&extraction.pointer) || SECRET_NAMES.iter().any(|name| last.contains(name)) {
            return Err(Wit::NotGranted(format!("`{}` is not readable by the endpoint's grant", extraction.pointer)));
        }
    }
    Ok(())
}

/// Takes the values out of an answer. What is not there is left out.
pub(super) fn extract(answer: &Response, wanted: &[Extraction], known: &Redactor) -> Result<BTreeMap<String, Extracted>, Wit> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let json: Value = match serde_json::from_str(answer.body.expose()) {
        Ok(json) => json,
        // An error page of a proxy, say: the status tells more.
        Err(_) if answer.status >= 400 => return Ok(BTreeMap::new()),
        Err(_) => return Err(Wit::Unreadable("the answer is no JSON".to_owned())),
    };
    let found = |extraction: &Extraction| json.pointer(&extraction.pointer).and_then(scalar);
    let mut secrets = known.clone();
    wanted.iter().filter(|e| e.is_secret).filter_map(found).for_each(|text| secrets.add(&Secret::new(text)));
    let mut values = BTreeMap::new();
    for extraction in wanted {
        let Some(text) = found(extraction) else { continue };
        let value = if extraction.is_secret {
            Extracted::Secret(Secret::new(text))
        } else if text.len() > LONGEST || looks_like_token(&text) || secrets.finds(&text) {
            return Err(Wit::NotGranted(format!("the value at `{}` looks like a secret", extraction.pointer)));
        } else {
            Extracted::Text(text)
        };
        values.insert(extraction.name.clone(), value);
    }
    Ok(values)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text is a JSON Web Token, or a long run of characters as in keys and tokens.
fn looks_like_token(text: &str) -> bool {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '.' | '~');
    let mixed = text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic());
    (text.starts_with("eyJ") && text.matches('.').count() >= 2) || (text.len() >= 40 && mixed && text.chars().all(is_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pointer: &str, is_secret: bool) -> Extraction {
        Extraction { name: pointer.trim_start_matches('/').to_owned(), pointer: pointer.to_owned(), is_secret }
    }

    fn answer(body: &str) -> Response {
        Response { status: 200, body: Secret::new(body) }
    }

    #[test]
    fn only_what_the_grant_names_is_readable_and_never_a_token() {
        let readable = ["/expires_in".to_owned(), "/access_token".to_owned()];
        assert!(check(&readable, &[wanted("/expires_in", false), wanted("/access_token", true)]).is_ok());
        for pointer in ["/access_token", "/scope", "/"] {
            assert!(matches!(check(&readable, &[wanted(pointer, false)]), Err(Wit::NotGranted(_))), "{pointer}");
        }
    }

    #[test]
    fn secrets_become_handles_and_numbers_become_texts() {
        let body = r#"{"access_token":"canary-1","expires_in":3600,"nothing":null}"#;
        let values = extract(
            &answer(body),
            &[wanted("/access_token", true), wanted("/expires_in", false), wanted("/nothing", false)],
            &Redactor::default(),
        )
        .unwrap();
        assert!(matches!(&values["access_token"], Extracted::Secret(secret) if secret.expose() == "canary-1"));
        assert!(matches!(&values["expires_in"], Extracted::Text(text) if text == "3600"));
        assert!(!values.contains_key("nothing"));
    }

    #[test]
    fn a_readable_value_that_repeats_a_secret_is_refused() {
        let echo = r#"{"error":"bad password hunter2!"}"#;
        let result = extract(&answer(echo), &[wanted("/error", false)], &Redactor::new([&Secret::new("hunter2!")]));
        assert!(matches!(result, Err(Wit::NotGranted(_))));
        let twice = r#"{"token":"canary-2","copy":"is canary-2"}"#;
        let result = extract(&answer(twice), &[wanted("/copy", false), wanted("/token", true)], &Redactor::default());
        assert!(matches!(result, Err(Wit::NotGranted(_))));
        let token = r#"{"scope":"eyJhbGciOi.eyJzdWIi.c2ln"}"#;
        assert!(matches!(extract(&answer(token), &[wanted("/scope", false)], &Redactor::default()), Err(Wit::NotGranted(_))));
    }

    #[test]
    fn an_error_page_that_is_no_json_leaves_the_status_to_speak() {
        let page = Response { status: 502, body: Secret::new("<html>") };
        assert!(extract(&page, &[wanted("/x", true)], &Redactor::default()).unwrap().is_empty());
        assert!(matches!(extract(&answer("<html>"), &[wanted("/x", true)], &Redactor::default()), Err(Wit::Unreadable(_))));
    }
}
