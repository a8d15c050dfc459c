//! Secrets that must turn up nowhere, in no form.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A secret, and the forms in which it could be shown: plain, percent-encoded, in base64 by itself and behind a user name.
#[derive(Debug, Clone)]
pub struct Canary {
    forms: Vec<String>,
}

impl Canary {
    /// A canary for `secret`, which goes with one of `users`.
    #[must_use]
    pub fn new(secret: &str, users: &[&str]) -> Self {
        let mut forms = vec![secret.to_owned(), percent(secret, true), percent(secret, false)];
        let pairs = users.iter().map(|user| format!("{user}:{secret}"));
        for text in std::iter::once(secret.to_owned()).chain(pairs) {
            forms.extend([STANDARD.encode(&text), URL_SAFE.encode(&text)]);
            forms.extend([STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
        }
        forms.sort();
        forms.dedup();
        Self { forms }
    }

    /// The first form that `bytes` hold.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        let holds = |form: &&String| bytes.windows(form.len()).any(|window| window == form.as_bytes());
        self.forms.iter().find(holds).map(String::as_str)
    }

    /// Fails when `text`, which `what` names, holds the secret.
    #[track_caller]
    pub fn assert_not_in(&self, what: &str, text: &str) {
        if let Some(form) = self.find(text.as_bytes()) {
            panic!("{what} holds a secret as `{form}`:\n{text}");
        }
    }

    /// Fails when a file below `directory` holds the secret in its bytes, its unpacked bytes or its name.
    #[track_caller]
    pub fn assert_not_below(&self, directory: &Path) {
        let mut pending = vec![directory.to_owned()];
        while let Some(path) = pending.pop() {
            if let Some(form) = self.find(path.as_os_str().as_encoded_bytes()) {
                panic!("the name {} holds a secret as `{form}`", path.display());
            }
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_dir() {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                pending.extend(entries.map(|entry| entry.path()));
            } else if meta.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                let found = self.find(&bytes).or_else(|| self.find(&unpacked(&bytes)));
                assert!(found.is_none(), "{} holds a secret as `{}`", path.display(), found.unwrap_or_default());
            }
        }
    }
}

/// What a gzip file unpacks to; nothing for other files.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let _ = flate2::read::GzDecoder::new(bytes).take(64 << 20).read_to_end(&mut out);
    }
    out
}

fn percent(text: &str, upper: bool) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other if upper => format!("%{other:02X}"),
        other => format!("%{other:02x}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        let canary = Canary::new("s3cr/t+", &["AWS"]);
        for text in ["s3cr/t+", "s3cr%2Ft%2B", "s3cr%2ft%2b", &STANDARD.encode("s3cr/t+"), &STANDARD.encode("AWS:s3cr/t+")] {
            assert!(canary.find(format!("x {text} y").as_bytes()).is_some(), "{text}");
        }
        assert!(canary.find(b"secret").is_none());
    }

    #[test]
    #[should_panic(expected = "holds a secret")]
    fn packed_files_are_looked_into() {
        use std::io::Write as _;
        let directory = tempfile::tempdir().unwrap();
        let file = fs::File::create(directory.path().join("layer")).unwrap();
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packer.write_all(b"before s3cr/t+ after").unwrap();
        packer.finish().unwrap();
        Canary::new("s3cr/t+", &[]).assert_not_below(directory.path());
    }
}
