//! moby's `patternmatcher`: a list of patterns of which the last that matches decides.

use super::automaton::{self, Token};
use super::wildcard::tokens;
use super::{PatternError, Wildcard};
use crate::go::clean_bytes;

/// Patterns in order. One with `!` in front takes back what those before it matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathPatterns {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    is_exception: bool,
    form: Form,
}

/// What moby makes of a pattern. Some forms differ from what the tokens alone would say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// No wildcard at all.
    Exact(Vec<u8>),
    /// Only `**` at the end: what begins with the rest, to which a `/` need not belong.
    Prefix(Vec<u8>),
    /// Only `**` at the beginning: what ends with the rest.
    Suffix(Vec<u8>),
    /// Anything else.
    Tokens(Vec<Token>),
}

/// A directory of a walk: its path, and which patterns matched it or one above it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    path: Vec<u8>,
    matched: Vec<bool>,
}

/// What the patterns say about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The last pattern that matches has no `!` in front.
    pub is_matched: bool,
    /// The path as a directory, for what is below it.
    pub directory: Directory,
}

impl PathPatterns {
    /// Reads patterns. Blanks around one are dropped, empty ones skipped, and paths cleaned of `./`, `../` and `/` at
    /// the end.
    ///
    /// # Errors
    /// The first pattern that is malformed.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, PatternError> {
        let mut parsed = Self::default();
        for pattern in patterns {
            parsed.push(pattern)?;
        }
        Ok(parsed)
    }

    /// Adds one pattern, as [`PathPatterns::parse`] reads it.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn push(&mut self, pattern: &[u8]) -> Result<(), PatternError> {
        let trimmed = pattern.trim_ascii();
        if trimmed.is_empty() {
            return Ok(());
        }
        let cleaned = clean_bytes(trimmed);
        let (is_exception, text) = match cleaned.strip_prefix(b"!") {
            Some(b"") => return Err(PatternError::new(pattern, "a `!` without a pattern excepts nothing")),
            Some(text) => (true, text),
            None => (false, cleaned.as_slice()),
        };
        Wildcard::parse(text)?;
        let form = Form::parse(text).map_err(|reason| PatternError::new(pattern, reason))?;
        self.patterns.push(Pattern { is_exception, form });
        Ok(())
    }

    /// Whether there are no patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Where a walk begins.
    #[must_use]
    pub fn root(&self) -> Directory {
        Directory { path: Vec::new(), matched: vec![false; self.patterns.len()] }
    }

    /// What the patterns say about `name` in `parent`, which [`PathPatterns::root`] or an earlier verdict gave.
    #[must_use]
    pub fn judge(&self, parent: &Directory, name: &[u8]) -> Verdict {
        let mut path = parent.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let mut is_matched = false;
        let mut matched = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            // As in moby, a pattern that would change nothing is not tried, and so does not hold below either.
            let inherited = parent.matched.get(index).copied().unwrap_or(false);
            let holds = inherited || (pattern.is_exception == is_matched && pattern.form.matches(&path));
            matched.push(holds);
            if holds {
                is_matched = !pattern.is_exception;
            }
        }
        Verdict { is_matched, directory: Directory { path, matched } }
    }

    /// What the patterns say about a path, walking down to it.
    #[must_use]
    pub fn is_matched(&self, path: &[u8]) -> bool {
        let mut verdict = Verdict { is_matched: false, directory: self.root() };
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
            verdict = self.judge(&verdict.directory, part);
        }
        verdict.is_matched
    }

    /// Whether there is any pattern with `!`.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }

    /// Whether a pattern matches all that there is at the top: `*`, `**` or `**/*`.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        let everything = ["*", "**", "**/*"].map(|text| Form::parse(text.as_bytes()).ok());
        self.patterns.iter().any(|pattern| !pattern.is_exception && everything.contains(&Some(pattern.form.clone())))
    }

    /// Whether an exception may take back something below a directory that is matched.
    ///
    /// Where patterns say what is left out, a matched directory for which this is false need not be walked.
    #[must_use]
    pub fn may_except_below(&self, directory: &Directory) -> bool {
        self.may_hold(directory, true)
    }

    /// Whether a pattern may match something below a directory that is not matched itself.
    ///
    /// Where patterns say what is taken, such a directory for which this is false need not be walked.
    #[must_use]
    pub fn may_match_below(&self, directory: &Directory) -> bool {
        self.may_hold(directory, false)
    }

    fn may_hold(&self, directory: &Directory, is_exception: bool) -> bool {
        let patterns = self.patterns.iter().enumerate().filter(|(_, pattern)| pattern.is_exception == is_exception);
        directory.path.is_empty() && self.patterns.iter().any(|pattern| pattern.is_exception == is_exception)
            || patterns.into_iter().any(|(index, pattern)| {
                directory.matched.get(index).copied().unwrap_or(false) || pattern.form.may_match_below(&directory.path)
            })
    }
}

impl Form {
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\'));
        if is_plain(text) {
            return Ok(Self::Exact(text.to_vec()));
        }
        if let Some(rest) = text.strip_prefix(b"**").filter(|rest| is_plain(rest)) {
            return Ok(Self::Suffix(rest.to_vec()));
        }
        if let Some(rest) = text.strip_suffix(b"**").filter(|rest| is_plain(rest)) {
            return Ok(Self::Prefix(rest.to_vec()));
        }
        tokens(text, true).map(Self::Tokens)
    }

    fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Prefix(text) => path.starts_with(text),
            Self::Suffix(text) => path.ends_with(text) || text.strip_prefix(b"/").is_some_and(|text| path == text),
            Self::Tokens(tokens) => automaton::matches(tokens, path),
        }
    }

    fn may_match_below(&self, directory: &[u8]) -> bool {
        let below = [directory, b"/"].concat();
        match self {
            Self::Exact(text) => text.starts_with(&below),
            Self::Prefix(text) => text.starts_with(&below) || below.starts_with(text),
            Self::Suffix(_) => true,
            Self::Tokens(tokens) => automaton::may_match_below(tokens, directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> PathPatterns {
        PathPatterns::parse(texts.iter().map(|text| text.as_bytes())).unwrap()
    }

    fn matches(pattern: &str, path: &str) -> bool {
        patterns(&[pattern]).is_matched(path.as_bytes())
    }

    #[test]
    fn two_stars_stand_for_any_number_of_parts() {
        for (pattern, path) in [
            ("**", "a/b"),
            ("**/", "a"),
            ("**/*.log", "x.log"),
            ("**/*.log", "a/b/x.log"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("a/**", "a/x/y"),
            ("**/.env", "d/.env"),
            ("**/.env", ".env"),
            ("**/a/**", "x/a/y"),
            ("**file", "dir/xfile"),
            ("abc**", "abcdef/x"),
            ("**/x?", "a/xy/z"),
            ("a/**/*", "a/b"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("**/.env", "x.env"), ("a/**", "a"), ("a/**/b", "a/xb"), ("a/**/b", "ab"), ("a**/b", "acb")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_are_anchored_and_hold_below() {
        assert!(matches("foo", "foo/bar") && !matches("foo", "a/foo") && matches("a/*", "a/b/c"));
        assert!(!matches("/tmp/", "tmp"), "a leading slash is only taken off in an ignore file");
        assert!(matches("dir/../b.log", "b.log") && matches("./x", "x") && !matches("../x", "x"));
    }

    #[test]
    fn classes_are_those_of_regular_expressions() {
        assert!(matches("dir/[!a].txt", "dir/a.txt") && matches("[bk]*.log", "keep.log") && matches("\\.env", ".env"));
        assert!(!matches("[^a].txt", "a.txt") && matches("[...slug]", "s"));
    }

    #[test]
    fn the_last_match_decides() {
        let list = patterns(&["*", "!dir", "dir/*.log"]);
        let judged = |path: &str| list.is_matched(path.as_bytes());
        assert!(judged("a") && judged("dir/x.log") && !judged("dir/x") && !judged("dir/sub/x.log"));
        assert!(patterns(&["!keep.log", "*.log"]).is_matched(b"keep.log"));
    }

    #[test]
    fn a_matched_directory_is_entered_only_for_exceptions_below_it() {
        let list = patterns(&["*", "!a/b/c", "!**/x?z", "y"]);
        let dir = |path: &str| path.split('/').fold(list.root(), |dir, name| list.judge(&dir, name.as_bytes()).directory);
        assert!(list.may_except_below(&dir("a")) && list.may_except_below(&dir("q/r")));
        let list = patterns(&["*", "!a/b/c", "!d*/e"]);
        let dir = |path: &str| path.split('/').fold(list.root(), |dir, name| list.judge(&dir, name.as_bytes()).directory);
        assert!(list.may_except_below(&dir("a")) && list.may_except_below(&dir("a/b")) && list.may_except_below(&dir("dd")));
        assert!(!list.may_except_below(&dir("b")) && !list.may_except_below(&dir("a/c")) && !list.may_except_below(&dir("dd/f")));
        assert!(list.may_except_below(&dir("a/b/c/deep")), "an exception that matched holds below");
    }

    #[test]
    fn a_directory_is_entered_only_where_something_may_match() {
        let list = patterns(&["**/*.txt"]);
        assert!(list.may_match_below(&list.judge(&list.root(), b"x").directory));
        let list = patterns(&["dir/sub/*.txt"]);
        assert!(list.may_match_below(&list.root()));
        assert!(list.may_match_below(&list.judge(&list.root(), b"dir").directory));
        assert!(!list.may_match_below(&list.judge(&list.root(), b"other").directory));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in ["[abc", "!", "a\\", "![x"] {
            assert!(PathPatterns::parse([text.as_bytes()]).is_err(), "{text}");
        }
    }
}
