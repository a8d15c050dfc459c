//! Tags, as in the OCI distribution specification, section "Pulling manifests".

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest tag a registry accepts, in bytes.
pub const MAX_LENGTH: usize = 128;

/// A tag: a letter, digit or `_`, then up to 127 letters, digits, `_`, `.` or `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing at all.
    #[error("a tag must not be empty")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("tag `{0}` is {1} characters long; a registry accepts at most {MAX_LENGTH}")]
    TooLong(String, usize),
    /// A character that no registry accepts at that place.
    #[error(
        "tag `{tag}` has {character:?} at position {position}; a tag is made of letters, digits, `_`, `.` and `-`, and does not begin with `.` or `-`"
    )]
    Character {
        /// The whole tag.
        tag: String,
        /// The first character that does not fit.
        character: char,
        /// Its place, counted in characters from 1.
        position: usize,
    },
}

impl Tag {
    /// Reads a tag.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character that registries refuse.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        let fits = |(index, c): (usize, char)| c.is_ascii_alphanumeric() || c == '_' || (index > 0 && (c == '.' || c == '-'));
        if let Some((index, character)) = text.chars().enumerate().find(|&pair| !fits(pair)) {
            return Err(TagError::Character { tag: text.chars().take(200).collect(), character, position: index + 1 });
        }
        if text.len() > MAX_LENGTH {
            return Err(TagError::TooLong(text.chars().take(40).collect(), text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, TagError> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_tags_are_taken() {
        for text in ["latest", "1.2.3", "_x", "v1-rc.1", &"a".repeat(128)] {
            assert!(Tag::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_first_wrong_character_is_named_with_its_place() {
        let error = Tag::parse("feature/login").unwrap_err().to_string();
        assert!(error.contains("'/' at position 8"), "{error}");
        assert!(Tag::parse("1.2.3+build").is_err());
        assert!(Tag::parse("-x").is_err());
        assert_eq!(Tag::parse(""), Err(TagError::Empty));
        assert!(matches!(Tag::parse(&"a".repeat(129)), Err(TagError::TooLong(_, 129))));
    }
}
