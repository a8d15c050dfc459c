//! Takes known secrets out of texts that others wrote: answers of servers, lines of programs, what plugins are told.

use std::borrow::Cow;
use std::fmt;

use crate::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// Shorter secrets are not searched for: they would blank out half of every text.
const SHORTEST: usize = 4;
/// The shortest core of a base64 form that is searched for.
const SHORTEST_CORE: usize = 8;

/// Knows secrets in all the forms in which they turn up: plain, each line of several, escaped for JSON, percent-encoded,
/// and in base64 at any offset, so that `user:password` in base64 is found by the password alone.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<String>,
}

impl Redactor {
    /// A redactor for `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    /// Also knows `secret` from now on. A secret of fewer than four bytes is not searched for.
    pub fn add(&mut self, secret: &Secret) {
        let text = secret.expose();
        if text.len() < SHORTEST {
            return;
        }
        let mut forms = vec![text.to_owned()];
        forms.extend(text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).map(str::to_owned));
        if let Ok(quoted) = serde_json::to_string(text) {
            forms.push(quoted[1..quoted.len() - 1].to_owned());
        }
        let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        forms.push(keep_unreserved(&percent));
        forms.push(keep_unreserved(&percent).replace("%20", "+"));
        forms.push(lower_hex(&keep_unreserved(&percent)));
        forms.push(percent);
        for offset in 0..3 {
            forms.extend(base64_core(text.as_bytes(), offset).into_iter().flatten());
        }
        self.needles.append(&mut forms);
        // The longest first: a secret may be part of another one.
        self.needles.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.needles.dedup();
    }

    /// `text` without any of the secrets.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                text = Cow::Owned(text.replace(needle.as_str(), REDACTED));
            }
        }
        text
    }

    /// Whether `text` holds one of the secrets.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.needles.iter().any(|needle| text.contains(needle.as_str()))
    }

    /// What another side wrote, fit for an error: redacted, one line, no control characters, at most 300 characters.
    #[must_use]
    pub fn excerpt(&self, text: &str) -> String {
        let text = self.redact(text.trim());
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        clean.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.needles.len())
    }
}

/// Percent-encoding that leaves `-._~` alone, as most libraries do.
fn keep_unreserved(percent: &str) -> String {
    percent.replace("%2D", "-").replace("%2E", ".").replace("%5F", "_").replace("%7E", "~")
}

fn lower_hex(percent: &str) -> String {
    let mut out = String::with_capacity(percent.len());
    let mut left = 0;
    for c in percent.chars() {
        if c == '%' {
            left = 3;
        }
        out.push(if left > 0 { c.to_ascii_lowercase() } else { c });
        left = i32::max(left - 1, 0);
    }
    out
}

/// The characters of the base64 forms that depend on `secret` alone when `offset` bytes stand before it.
fn base64_core(secret: &[u8], offset: usize) -> [Option<String>; 2] {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(secret);
    // The first characters hold bits of what stands before, the last one bits of what follows.
    let skip = [0, 2, 3][offset];
    let whole = padded.len() * 8 / 6;
    let core = |text: String| (whole >= skip + SHORTEST_CORE).then(|| text[skip..whole].to_owned());
    [core(STANDARD.encode(&padded)), core(URL_SAFE.encode(&padded))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4n~Ry/+\"secret\"-7f3a?=";

    #[test]
    fn every_form_is_found_and_taken_out() {
        let redactor = Redactor::new([&Secret::new(CANARY)]);
        let percent = utf8_percent_encode(CANARY, NON_ALPHANUMERIC).to_string();
        let mut forms =
            vec![CANARY.to_owned(), percent.clone(), keep_unreserved(&percent), lower_hex(&keep_unreserved(&percent))];
        forms.push(serde_json::to_string(CANARY).unwrap());
        for user in ["", "u:", "AWS:", "user:", "oauth2:"] {
            forms.push(STANDARD.encode(format!("{user}{CANARY}")));
            forms.push(URL_SAFE.encode(format!("{user}{CANARY}")));
            forms.push(STANDARD.encode(format!("{user}{CANARY}and more")));
        }
        for form in forms {
            let shown = redactor.redact(&format!("before {form} after")).into_owned();
            assert!(redactor.finds(&form), "{form}");
            assert!(shown.contains(REDACTED) && !redactor.finds(&shown), "{form}: {shown}");
            assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{shown}");
        }
    }

    #[test]
    fn lines_of_a_long_secret_are_found_one_by_one() {
        let redactor = Redactor::new([&Secret::new("-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n")]);
        assert_eq!(redactor.redact("got mnopqrstuvwx."), "got [redacted].");
    }

    #[test]
    fn other_texts_and_very_short_secrets_are_left_alone() {
        let redactor = Redactor::new([&Secret::new("abc"), &Secret::new("")]);
        assert_eq!(redactor.redact("abcdef"), "abcdef");
        assert_eq!(redactor.excerpt("a\u{1b}[31m\nb"), "a [31m b");
    }

    #[test]
    fn debug_shows_no_form() {
        assert!(!format!("{:?}", Redactor::new([&Secret::new(CANARY)])).contains("c4n"));
    }
}
