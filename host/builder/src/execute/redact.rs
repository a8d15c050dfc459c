//! Secrets that a process prints, taken out before anyone sees them.

use windlass_core::Secret;

/// Shorter texts are too likely to occur by chance: taking them out would garble the log and tell more than it hides.
const SHORTEST: usize = 4;

/// Knows the secrets of a build.
pub(crate) struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Takes out these secrets, and each line of those that have several.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let lines = secrets.flat_map(|secret| secret.expose().lines().map(str::trim).map(Secret::new).collect::<Vec<_>>());
        let mut secrets: Vec<Secret> = lines.filter(|line| line.expose().len() >= SHORTEST).collect();
        // The longest first: a secret may be part of another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// The text without the secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_secret_is_taken_out() {
        let secrets = [Secret::new("canary-1\nsecond-line\n"), Secret::new("abc")];
        let redactor = Redactor::new(secrets.iter());
        assert_eq!(redactor.clean("a canary-1 b second-line c abc"), "a [redacted] b [redacted] c abc");
    }
}
