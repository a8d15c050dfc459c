//! Patterns of repositories: `docker.io/library/*`, `registry.example.com/**`.

use windlass_plugin_sdk::Finding;

/// The longest pattern that is taken, in bytes.
const MAX_LENGTH: usize = 512;

/// A pattern with its host in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
}

impl Pattern {
    /// Reads a pattern of the setting `setting`. A bare host means all that is in it; without a host, Docker Hub is meant,
    /// and a lone name is one of its official images.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, Vec<Finding>> {
        let pattern = text.trim().trim_end_matches('/');
        let wrong = |why: &str| {
            let finding = Finding::deny("base-images/pattern", format!("the pattern `{}` {why}", clip(text))).about(setting);
            Err(finding.help("write HOST/PATH, such as docker.io/library/* or registry.example.com/**").into())
        };
        let name = pattern.rsplit('/').next().unwrap_or_default();
        if pattern.is_empty() || pattern.split('/').any(str::is_empty) {
            return wrong("has an empty part");
        }
        if pattern.contains("://") {
            return wrong("begins with a scheme");
        }
        let has_port =
            !pattern.contains('/') && pattern.split(':').next().is_some_and(|host| host.contains('.') || host == "localhost");
        if pattern.contains('@') || (name.contains(':') && !has_port) {
            return wrong("has a tag or digest, but patterns are of repositories");
        }
        if pattern.len() > MAX_LENGTH {
            return wrong("is too long");
        }
        Ok(Self { text: in_full(pattern) })
    }

    /// Whether the repository `registry/path` is meant.
    pub(crate) fn matches(&self, repository: &str) -> bool {
        matches(self.text.as_bytes(), repository.as_bytes())
    }
}

fn in_full(pattern: &str) -> String {
    let is_host = |part: &str| part.contains(['.', ':', '*']) || part == "localhost";
    let (first, rest) = pattern.split_once('/').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let full = match rest {
        _ if pattern == "**" => pattern.to_owned(),
        None if first.contains(['.', ':']) || first == "localhost" => format!("{first}/**"),
        None => format!("docker.io/library/{first}"),
        Some(rest) if is_host(first) => format!("{first}/{rest}"),
        Some(_) => format!("docker.io/{pattern}"),
    };
    full.strip_prefix("index.docker.io/")
        .or_else(|| full.strip_prefix("registry-1.docker.io/"))
        .map_or(full.clone(), |rest| format!("docker.io/{rest}"))
}

/// Matches with one state for each place in the pattern, so that no pattern takes longer than its length times the text's.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let tokens = tokens(pattern);
    let mut states = vec![false; tokens.len() + 1];
    states[0] = true;
    skip_stars(&tokens, &mut states);
    for &byte in text {
        let mut next = vec![false; states.len()];
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| states[*at]) {
            match token {
                Token::Byte(wanted) if *wanted == byte.to_ascii_lowercase() => next[at + 1] = true,
                Token::Byte(_) => {}
                Token::Star if byte == b'/' => {}
                Token::Star | Token::DoubleStar => next[at] = true,
            }
        }
        skip_stars(&tokens, &mut next);
        states = next;
    }
    states[tokens.len()]
}

/// A star may stand for nothing.
fn skip_stars(tokens: &[Token], states: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        if states[at] && !matches!(token, Token::Byte(_)) {
            states[at + 1] = true;
        }
    }
}

enum Token {
    Byte(u8),
    Star,
    DoubleStar,
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for &byte in pattern {
        match (byte, tokens.last()) {
            (b'*', Some(Token::Star | Token::DoubleStar)) => {
                *tokens.last_mut().expect("there is a last token") = Token::DoubleStar
            }
            (b'*', _) => tokens.push(Token::Star),
            (byte, _) => tokens.push(Token::Byte(byte.to_ascii_lowercase())),
        }
    }
    tokens
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        for (pattern, yes, no) in [
            ("docker.io/library/*", "docker.io/library/alpine", "docker.io/library/a/b"),
            ("docker.io/library/*", "docker.io/library/debian", "docker.io/team/debian"),
            ("registry.example.com/**", "registry.example.com/a/b/c", "registry.example.com.evil.org/a"),
            ("registry.example.com", "registry.example.com/a/b", "registry.example.org/a"),
            ("localhost:5000", "localhost:5000/a", "localhost/a"),
            ("alpine", "docker.io/library/alpine", "docker.io/library/alpines"),
            ("team/*", "docker.io/team/app", "docker.io/teams/app"),
            ("index.docker.io/team/app", "docker.io/team/app", "index.docker.io/team/app"),
            ("*.example.com/base/**", "a.example.com/base/x", "a.b/example.com/base/x"),
            ("**", "any.host/at/all", ""),
            ("**/golden-*", "r.example/x/y/golden-java", "r.example/golden/java"),
            ("Registry.Example.com/*", "registry.example.com/a", "registry.example.com/a/b"),
        ] {
            let parsed = Pattern::parse("allow", pattern).unwrap();
            assert!(parsed.matches(yes), "{pattern} {yes}");
            assert!(no.is_empty() || !parsed.matches(no), "{pattern} {no}");
        }
    }

    #[test]
    fn what_is_no_repository_pattern_is_refused_with_the_setting() {
        for pattern in
            ["", "/", "a//b", "https://r.example/a", "r.example/a:1", "alpine:3.19", "alpine@sha256:00", &"a".repeat(600)]
        {
            let finding = &Pattern::parse("deny", pattern).unwrap_err()[0];
            assert_eq!(finding.subject.as_deref(), Some("deny"), "{pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_length() {
        let pattern = Pattern::parse("allow", &format!("r.example/{}b", "*a".repeat(200))).unwrap();
        assert!(!pattern.matches(&format!("r.example/{}", "a".repeat(5000))));
    }
}
