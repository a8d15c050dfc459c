//! Go's `filepath.Match`: `*`, `?`, classes and `\`.

use super::automaton::{self, Token};
use super::class::Class;
use super::{PatternError, escape, first_character};

/// A pattern of `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(Vec<Token>);

impl Wildcard {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When a class is malformed or a `\` escapes nothing.
    pub fn parse(pattern: &[u8]) -> Result<Self, PatternError> {
        tokens(pattern, false).map(Self).map_err(|reason| PatternError::new(pattern, reason))
    }

    /// Whether the whole of `path` matches. `*` and `?` do not match `/`.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        automaton::matches(&self.0, path)
    }

    /// Whether something below the directory `path` may match. Everything is below the empty path.
    #[must_use]
    pub fn may_match_below(&self, path: &[u8]) -> bool {
        path.is_empty() || automaton::may_match_below(&self.0, path)
    }
}

/// The tokens of a pattern, `**` being two tokens that mean what one does unless `has_globstar`.
pub(super) fn tokens(pattern: &[u8], has_globstar: bool) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((character, length)) = first_character(rest) {
        rest = &rest[length..];
        tokens.push(match character {
            '*' if has_globstar && rest.first() == Some(&b'*') => {
                rest = &rest[1..];
                rest = rest.strip_prefix(b"/").unwrap_or(rest);
                if rest.is_empty() { Token::Rest } else { Token::Parents }
            }
            '*' => Token::Star,
            '?' => Token::One,
            '[' => {
                let (class, length) = Class::read(rest)?;
                rest = &rest[length..];
                Token::Class(class)
            }
            '\\' => {
                let (escaped, length) = first_character(rest).ok_or("the `\\` at its end escapes nothing")?;
                rest = &rest[length..];
                if has_globstar { escape::token(escaped)? } else { Token::Literal(escaped) }
            }
            literal => Token::Literal(literal),
        });
    }
    // A byte that is no UTF-8 is read as this character; it matches any such byte, as there is no more to tell.
    Ok(tokens)
}

/// Whether a path of `COPY` or `ADD` is a pattern: it has `*`, `?` or `[` without a `\` before it.
#[must_use]
pub fn has_wildcard(path: &str) -> bool {
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '[' => return true,
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    false
}

/// A path's plain directory and the rest from its first part with a wildcard on: `a/b` and `c*/d` of `a/b/c*/d`.
#[must_use]
pub fn split_wildcards(path: &str) -> (&str, &str) {
    let mut begin = 0;
    for part in path.split_inclusive('/') {
        if has_wildcard(part) {
            return (path[..begin].strip_suffix('/').unwrap_or(&path[..begin]), &path[begin..]);
        }
        begin += part.len();
    }
    (path, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Wildcard::parse(pattern.as_bytes()).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn wildcards_match_as_go_does() {
        for (pattern, path) in [
            ("*", "abc"),
            ("*.txt", ".txt"),
            ("a*b?c*x", "abxbbxdbxebxczzx"),
            ("a[a-c]b", "abb"),
            ("[^a].txt", "b.txt"),
            ("list/[[]br].txt", "list/[br].txt"),
            ("a\\*b", "a*b"),
            ("[\\]a]", "]"),
            ("[x\\-z]", "-"),
            ("a?b", "a☺b"),
            ("[☺-☻]", "☻"),
            ("d*/x", "dir/x"),
            ("**", "a"),
            ("]", "]"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn separators_and_other_ends_do_not_match() {
        for (pattern, path) in [
            ("*", "a/b"),
            ("a?b", "a/b"),
            ("a*", "ba"),
            ("*a", "ab"),
            ("**/b", "a/c/b"),
            ("a", ""),
            ("[a-c]", "d"),
            ("[!a]", "b"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused_by_name() {
        for pattern in ["[abc", "[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[\\", "a[", "a\\", "[a-b-c]", "*[", "[z-a]"] {
            let error = Wildcard::parse(pattern.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(pattern) && error.contains("pattern"), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_walk_enters_only_directories_that_may_hold_a_match() {
        let pattern = Wildcard::parse(b"a*/?/c").unwrap();
        assert!(pattern.may_match_below(b"") && pattern.may_match_below(b"ab") && pattern.may_match_below(b"ab/x"));
        assert!(!pattern.may_match_below(b"b") && !pattern.may_match_below(b"ab/xy") && !pattern.may_match_below(b"ab/x/c"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(2000)));
    }

    #[test]
    fn bytes_that_are_no_text_are_characters() {
        assert!(Wildcard::parse(b"?\xff*").unwrap().matches(b"\xfe\xffx"));
    }

    #[test]
    fn a_path_is_cut_at_its_first_wildcard() {
        assert_eq!(split_wildcards("/w/a*/f"), ("/w", "a*/f"));
        assert_eq!(split_wildcards("a/b"), ("a/b", ""));
        assert_eq!(split_wildcards("*.txt"), ("", "*.txt"));
        assert_eq!(split_wildcards("/a\\*/b?"), ("/a\\*", "b?"));
        assert!(!has_wildcard("a\\[b") && has_wildcard("a\\\\[b"));
    }
}
