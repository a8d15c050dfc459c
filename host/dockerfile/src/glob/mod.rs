//! Which paths a pattern means. Paths are bytes, separated by `/`, without one in front.
//!
//! - [`Wildcard`] is Go's `filepath.Match`, the wildcards of `COPY` and `ADD`.
//! - [`PathPatterns`] is moby's `patternmatcher`: `.dockerignore`, `--exclude` and, without negation, `--parents`.
//!
//! Matching takes time in proportion to the lengths of path and pattern multiplied, never more.

mod automaton;
mod class;
mod escape;
mod patterns;
mod wildcard;

pub use patterns::{Directory, PathPatterns, Verdict};
pub use wildcard::{Wildcard, has_wildcard, split_wildcards};

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    /// The pattern as it was given, shortened.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl PatternError {
    fn new(pattern: &[u8], reason: &'static str) -> Self {
        Self { pattern: crate::expand::clip(&String::from_utf8_lossy(pattern)), reason }
    }
}

/// The first character of a text and its length in bytes. A byte that is no UTF-8 is a character of its own.
fn first_character(text: &[u8]) -> Option<(char, usize)> {
    let window = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => Some((character, character.len_utf8())),
        None => text.first().map(|_| (char::REPLACEMENT_CHARACTER, 1)),
    }
}
