//! The content of docker's `config.json` and podman's `auth.json`, as far as it concerns credentials.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value};
use windlass_core::{Repository, Secret};

use super::DockerConfigError;
use super::key::Key;
use crate::keychain::Credential;

/// One configuration, taken apart. Fields that have nothing to do with credentials are not looked at.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    /// The file's path, or the setting the text came from.
    pub(super) origin: String,
    auths: Vec<(Key, Credential)>,
    helpers: Vec<(Key, String)>,
    store: Option<String>,
}

/// What a configuration has for a repository.
pub(super) enum Entry<'a> {
    /// The credential itself.
    Inline(&'a Credential),
    /// The last part of the name of a helper program.
    Helper(&'a str),
}

impl ConfigFile {
    /// Reads the text of a configuration. Messages never quote values, for any of them may be secret.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self, DockerConfigError> {
        let invalid = |what: String| DockerConfigError::Invalid { origin: origin.to_owned(), what };
        let value: Value = serde_json::from_str(text)
            .map_err(|error| invalid(format!("it is not JSON (line {}, column {})", error.line(), error.column())))?;
        let Value::Object(root) = value else { return Err(invalid("it is not a JSON object".to_owned())) };
        let mut auths = Vec::new();
        for (name, entry) in object(&root, "auths").map_err(invalid)?.into_iter().flatten() {
            if let Some(credential) = credential(entry).map_err(|what| invalid(format!("`auths.{name}` {what}")))? {
                auths.push((Key::parse(name), credential));
            }
        }
        let mut helpers = Vec::new();
        for (name, entry) in object(&root, "credHelpers").map_err(invalid)?.into_iter().flatten() {
            let program = entry.as_str().ok_or_else(|| invalid(format!("`credHelpers.{name}` is not a text")))?;
            if !program.is_empty() {
                helpers.push((Key::parse(name), program.to_owned()));
            }
        }
        let store = text_field(&root, "credsStore").map_err(|what| invalid(format!("`credsStore` {what}")))?;
        Ok(Self { origin: origin.to_owned(), auths, helpers, store })
    }

    /// What it has for `repository`. A helper for the registry comes first, then the entry with the longest path that fits,
    /// then the store for everything.
    pub(super) fn entry(&self, repository: &Repository) -> Option<Entry<'_>> {
        if let Some(program) = longest(&self.helpers, repository) {
            return Some(Entry::Helper(program));
        }
        let inline = longest(&self.auths, repository).map(Entry::Inline);
        inline.or_else(|| self.store.as_deref().map(Entry::Helper))
    }
}

fn longest<'a, T>(entries: &'a [(Key, T)], repository: &Repository) -> Option<&'a T> {
    let fitting = entries.iter().filter(|(key, _)| key.covers(repository));
    fitting.max_by_key(|(key, _)| key.length()).map(|(_, value)| value)
}

fn object<'a>(root: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match root.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(format!("`{name}` is not an object")),
    }
}

/// A text that is there and not empty.
fn text_field(map: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err("is not a text".to_owned()),
    }
}

/// The credential of an entry of `auths`; `None` for the empty entries that `docker login` leaves beside a store.
fn credential(entry: &Value) -> Result<Option<Credential>, String> {
    let map = match entry {
        Value::Null => return Ok(None),
        Value::Object(map) => map,
        _ => return Err("is not an object".to_owned()),
    };
    let field = |name: &str| text_field(map, name).map_err(|what| format!("has a field `{name}` that {what}"));
    if let Some(token) = field("registrytoken")? {
        return Ok(Some(Credential::Bearer(Secret::new(token))));
    }
    if let Some(token) = field("identitytoken")? {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let Some(auth) = field("auth")? {
        return decode(&Secret::new(auth)).map(Some);
    }
    match (field("username")?, field("password")?) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(Credential::Basic { username, password: Secret::new(password) })),
        _ => Err("has only one of `username` and `password`".to_owned()),
    }
}

/// Reads `auth`: the base64 form of `username:password`.
fn decode(auth: &Secret) -> Result<Credential, String> {
    let text = auth.expose().trim();
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    let bytes = bytes.map_err(|_| "has a field `auth` that is not base64".to_owned())?;
    let pair = String::from_utf8(bytes).map_err(|_| "has a field `auth` that is not UTF-8 inside".to_owned())?;
    let (username, password) =
        pair.split_once(':').ok_or_else(|| "has a field `auth` without a `:` between user name and password".to_owned())?;
    // Some writers fill the text up with zero bytes.
    let password = Secret::new(password.trim_end_matches('\0'));
    if username.is_empty() || password.is_empty() {
        return Err("has a field `auth` without a user name or without a password".to_owned());
    }
    Ok(Credential::Basic { username: username.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, repository: &str) -> String {
        let file = ConfigFile::parse(json, "test").unwrap();
        match file.entry(&Repository::parse(repository).unwrap()) {
            None => "none".to_owned(),
            Some(Entry::Helper(name)) => format!("helper {name}"),
            Some(Entry::Inline(Credential::Basic { username, password })) => format!("{username}:{}", password.expose()),
            Some(Entry::Inline(Credential::IdentityToken(token))) => format!("identity {}", token.expose()),
            Some(Entry::Inline(Credential::Bearer(token))) => format!("bearer {}", token.expose()),
        }
    }

    fn auth(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn the_longest_path_wins() {
        let json = format!(
            r#"{{"auths": {{"r.example": {{"auth": "{}"}}, "r.example/team": {{"auth": "{}"}}, "r.example/team/app": {{"auth": "{}"}}}}}}"#,
            auth("host:1"),
            auth("team:2"),
            auth("app:3")
        );
        assert_eq!(found(&json, "r.example/other"), "host:1");
        assert_eq!(found(&json, "r.example/team/b"), "team:2");
        assert_eq!(found(&json, "r.example/team/app"), "app:3");
        assert_eq!(found(&json, "r.example/team/app/sub"), "app:3");
        assert_eq!(found(&json, "q.example/team"), "none");
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let json = format!(
            r#"{{"auths": {{
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "i.example": {{"auth": "{}", "identitytoken": "refresh"}},
                "b.example": {{"registrytoken": "tok"}},
                "p.example": {{"username": "u", "password": "p:q"}},
                "z.example": {{"auth": "{}"}},
                "n.example": {{}}, "o.example": null
            }}, "HttpHeaders": {{"x": 1}}}}"#,
            auth("hub:pass:word"),
            auth("00000000-0000-0000-0000-000000000000:x"),
            auth("u:p\0\0"),
        );
        assert_eq!(found(&json, "busybox"), "hub:pass:word");
        assert_eq!(found(&json, "i.example/x"), "identity refresh");
        assert_eq!(found(&json, "b.example/x"), "bearer tok");
        assert_eq!(found(&json, "p.example/x"), "u:p:q");
        assert_eq!(found(&json, "z.example/x"), "u:p");
        assert_eq!(found(&json, "n.example/x"), "none");
    }

    #[test]
    fn a_helper_for_the_registry_comes_before_entries_and_the_store_after_them() {
        let json = format!(
            r#"{{"auths": {{"r.example": {{"auth": "{0}"}}, "h.example": {{"auth": "{0}"}}, "s.example": {{}}}},
                "credHelpers": {{"h.example": "ecr-login"}}, "credsStore": "pass"}}"#,
            auth("u:p")
        );
        assert_eq!(found(&json, "r.example/x"), "u:p");
        assert_eq!(found(&json, "h.example/x"), "helper ecr-login");
        assert_eq!(found(&json, "s.example/x"), "helper pass");
    }

    #[test]
    fn what_is_broken_is_named_without_its_value() {
        for (json, expected) in [
            ("{", "not JSON (line 1"),
            ("[\"canary-x\"]", "not a JSON object"),
            (r#"{"auths": "canary-x"}"#, "`auths` is not an object"),
            (r#"{"auths": {"r.example": "canary-x"}}"#, "`auths.r.example` is not an object"),
            (r#"{"auths": {"r.example": {"auth": 5}}}"#, "`auth` that is not a text"),
            (r#"{"auths": {"r.example": {"auth": "canary-x!"}}}"#, "not base64"),
            (r#"{"auths": {"r.example": {"auth": "Y2FuYXJ5LXg="}}}"#, "without a `:`"),
            (r#"{"auths": {"r.example": {"auth": "dTo="}}}"#, "without a password"),
            (r#"{"auths": {"r.example": {"password": "canary-x"}}}"#, "only one of"),
            (r#"{"credHelpers": {"r.example": ["canary-x"]}}"#, "`credHelpers.r.example` is not a text"),
            (r#"{"credsStore": {"canary-x": 1}}"#, "`credsStore` is not a text"),
        ] {
            let error = ConfigFile::parse(json, "~/c.json").unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(expected) && shown.contains("~/c.json"), "{json}: {shown}");
            assert!(!shown.contains("canary"), "{json}: {shown}");
        }
    }
}
