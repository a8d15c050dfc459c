//! Repositories and references, as in the OCI distribution specification and the `distribution/reference` grammar.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestError};
use crate::tag::{Tag, TagError};

/// The registry that a reference without one means.
pub const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const MAX_LENGTH: usize = 255;

/// A repository in a registry: `host[:port]` and a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    path: String,
}

/// An image: a repository with a tag, a digest, both, or neither.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing at all.
    #[error("an image name must not be empty")]
    Empty,
    /// A scheme in front.
    #[error("`{0}` begins with a scheme; an image name is HOST/PATH without `http://` or `https://`")]
    Scheme(String),
    /// Capital letters in the path.
    #[error("image name `{0}` has capital letters; a repository path is lower-case: `{1}`")]
    Capitals(String, String),
    /// A path with characters or separators that registries refuse.
    #[error("`{0}` is not an image name: the path is lower-case letters and digits, separated by `/`, `.`, `_`, `__` or `-`")]
    Path(String),
    /// A host with characters that no host name has.
    #[error("`{0}` is not a registry host: expected HOST or HOST:PORT")]
    Host(String),
    /// Longer than registries take.
    #[error("image name `{0}…` is {1} characters long; at most {MAX_LENGTH} are allowed")]
    TooLong(String, usize),
    /// A tag that is none.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Repository {
    /// Reads `[host[:port]/]path`, with Docker Hub's defaults where the host is left out.
    ///
    /// # Errors
    /// When the host or the path do not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.contains("://") {
            return Err(ReferenceError::Scheme(clip(text)));
        }
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.starts_with('[') => (first, rest),
            _ => (DEFAULT_REGISTRY, text),
        };
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
            other => other,
        };
        let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("{DEFAULT_NAMESPACE}/{path}")
        } else {
            path.to_owned()
        };
        Self::new(registry, &path)
    }

    /// A repository from a host and a path that were already taken apart.
    ///
    /// # Errors
    /// When the host or the path do not follow the grammar.
    pub fn new(registry: &str, path: &str) -> Result<Self, ReferenceError> {
        if !is_host(registry) {
            return Err(ReferenceError::Host(clip(registry)));
        }
        if path.len() > MAX_LENGTH {
            return Err(ReferenceError::TooLong(path.chars().take(40).collect(), path.len()));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) && path.to_ascii_lowercase().split('/').all(is_path_component) {
            return Err(ReferenceError::Capitals(clip(path), clip(&path.to_ascii_lowercase())));
        }
        if !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Path(clip(path)));
        }
        Ok(Self { registry: registry.to_ascii_lowercase(), path: path.to_owned() })
    }

    /// The registry's host, with its port where one is given.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reference of `tag` in this repository.
    #[must_use]
    pub fn tagged(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag), digest: None }
    }

    /// The reference of `digest` in this repository.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl Reference {
    /// Reads `[host[:port]/]path[:tag][@digest]`.
    ///
    /// # Errors
    /// When a part does not follow its grammar; the message names the part.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(colon) => (&rest[..slash + colon], Some(Tag::parse(&rest[slash + colon + 1..])?)),
            None => (rest, None),
        };
        Ok(Self { repository: Repository::parse(name)?, tag, digest })
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, where one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, where one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    #[must_use]
    pub fn target(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag.as_str(),
            (None, None) => "latest",
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest))
                if !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.') =>
            {
                ("v6", rest)
            }
            _ => return false,
        },
        None => match host.find(':') {
            Some(colon) => (&host[..colon], &host[colon..]),
            None => (host, ""),
        },
    };
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(label)
        && (port.is_empty()
            || port.strip_prefix(':').is_some_and(|p| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit())))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(first) || !alphanumeric(last) {
        return false;
    }
    bytes
        .split(|&b| alphanumeric(b))
        .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-'))
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_string {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = ReferenceError;

            fn try_from(text: String) -> Result<Self, ReferenceError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
as_string!(Repository);
as_string!(Reference);

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        Reference::parse(text).map(|r| r.to_string()).unwrap_or_else(|e| format!("error: {e}"))
    }

    #[test]
    fn docker_hub_defaults_are_filled_in() {
        assert_eq!(show("busybox"), "docker.io/library/busybox");
        assert_eq!(show("team/app:1"), "docker.io/team/app:1");
        assert_eq!(show("index.docker.io/busybox"), "docker.io/library/busybox");
        assert_eq!(show("localhost/x"), "localhost/x");
        assert_eq!(show("127.0.0.1:5000/a/b:c"), "127.0.0.1:5000/a/b:c");
        assert_eq!(show("[::1]:5000/a"), "[::1]:5000/a");
    }

    #[test]
    fn tag_and_digest_are_told_apart() {
        let text = format!("h.example:80/a:t@sha256:{}", "0".repeat(64));
        let reference = Reference::parse(&text).unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.target(), format!("sha256:{}", "0".repeat(64)));
        assert_eq!(Reference::parse("a/b").unwrap().target(), "latest");
    }

    #[test]
    fn each_mistake_has_its_own_message() {
        assert!(show("https://h.example/a").contains("scheme"));
        assert!(show("Team/App").contains("`team/app`"));
        assert!(show("h.example/a//b").contains("not an image name"));
        assert!(show("h.example/a:b/c:d:e").contains("tag"));
        assert!(show("bad_host.example:99/x").contains("registry host"));
        assert!(show("").contains("empty"));
        for text in ["h.example/-a", "h.example/a_", "h.example/a___b", "h.example/a..b", "h.example/", "h.example:/a"] {
            assert!(show(text).starts_with("error"), "{text}");
        }
    }

    #[test]
    fn separators_in_paths_follow_the_grammar() {
        for text in ["h.example/a--b", "h.example/a__b", "h.example/a.b_c-d", "h.example/0"] {
            assert_eq!(show(text), text);
        }
    }
}
