//! `.dockerignore`: which paths of a build context are left out.

use windlass_core::{Finding, Place};

use crate::glob::{Directory, PathPatterns, PatternError};
use crate::go::clean_bytes;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rules of an ignore file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRules {
    patterns: PathPatterns,
}

/// What the rules say about one path of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// It is left out.
    pub is_ignored: bool,
    /// Nothing below it can be in, should it be a directory: a walk need not enter it.
    pub is_closed: bool,
    /// It as a directory, for what is below it.
    pub directory: Directory,
}

impl IgnoreRules {
    /// Reads an ignore file; `file` is its name in findings.
    ///
    /// A line is a pattern; `#` in its first column makes it a comment. Blanks around it, `./`, and `/` at either end do
    /// not count. The last pattern that matches a path or a directory above it decides; `!` in front lets a path in.
    ///
    /// # Errors
    /// Every malformed pattern, with its line.
    pub fn parse(text: &[u8], file: &str) -> Result<Self, Vec<Finding>> {
        let mut rules = Self::default();
        let mut findings = Vec::new();
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            if let Err(error) = rules.push(line) {
                findings.push(finding(&error, file, index));
            }
        }
        if findings.is_empty() { Ok(rules) } else { Err(findings) }
    }

    fn push(&mut self, line: &[u8]) -> Result<(), PatternError> {
        let trimmed = line.trim_ascii();
        if line.starts_with(b"#") || trimmed.is_empty() {
            return Ok(());
        }
        let (mark, path): (&[u8], &[u8]) = match trimmed.strip_prefix(b"!") {
            Some(path) => (b"!", path.trim_ascii()),
            None => (b"", trimmed),
        };
        if path.is_empty() {
            return self.patterns.push(mark);
        }
        let clean = clean_bytes(path);
        let relative = clean.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(&clean);
        self.patterns.push(&[mark, relative].concat())
    }

    /// Where a walk begins: the context's own directory.
    #[must_use]
    pub fn root(&self) -> Directory {
        self.patterns.root()
    }

    /// What the rules say about `name` in `parent`, which [`IgnoreRules::root`] or an earlier entry gave.
    ///
    /// An ignored directory that is not closed is entered all the same; it is part of the context when something below
    /// it is.
    #[must_use]
    pub fn entry(&self, parent: &Directory, name: &[u8]) -> Entry {
        let verdict = self.patterns.judge(parent, name);
        let is_closed = verdict.is_matched && !self.patterns.may_except_below(&verdict.directory);
        Entry { is_ignored: verdict.is_matched, is_closed, directory: verdict.directory }
    }

    /// Whether any rule lets paths in again.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.patterns.has_exceptions()
    }

    /// Whether a rule leaves out all that there is at the top: `*`, `**` or `**/*`.
    #[must_use]
    pub fn ignores_everything(&self) -> bool {
        self.patterns.matches_everything()
    }

    /// Whether a path, separated by `/` and below the context, is left out.
    #[must_use]
    pub fn is_ignored(&self, path: &[u8]) -> bool {
        self.patterns.is_matched(path)
    }
}

fn finding(error: &PatternError, file: &str, index: usize) -> Finding {
    let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
    Finding::deny("ignore/pattern", error.to_string()).at(Place { file: file.to_owned(), line, column: 0, length: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files and directories that the conformance cases share.
    const TREE: [&str; 18] = [
        ".env",
        "Dockerfile",
        ".dockerignore",
        "a.txt",
        "b.log",
        "dir/",
        "dir/.env",
        "dir/a.txt",
        "dir/b.log",
        "dir/sub/",
        "dir/sub/c.log",
        "dir/sub/d.txt",
        "keep.log",
        "other/",
        "other/x",
        "other/y.txt",
        "tmp/t",
        "tmpx/t",
    ];

    fn kept(ignore: &str) -> Vec<&'static str> {
        let rules = IgnoreRules::parse(ignore.as_bytes(), ".dockerignore").unwrap();
        TREE.into_iter().filter(|path| !rules.is_ignored(path.as_bytes())).collect()
    }

    #[test]
    fn slashes_dots_and_dot_dots_are_cleaned_away() {
        let ignore = "/Dockerfile\n./.dockerignore\n/tmp/\ndir/\n!/dir/sub/\nother/../b.log\n";
        assert_eq!(
            kept(ignore),
            [
                ".env",
                "a.txt",
                "dir/sub/",
                "dir/sub/c.log",
                "dir/sub/d.txt",
                "keep.log",
                "other/",
                "other/x",
                "other/y.txt",
                "tmpx/t"
            ]
        );
    }

    #[test]
    fn an_exclusion_after_an_exception_takes_the_file_out_again() {
        let ignore = "Dockerfile\n.dockerignore\n!keep.log\n*.log\n*\n!dir\ndir/*.log\n";
        assert_eq!(kept(ignore), ["dir/", "dir/.env", "dir/a.txt", "dir/sub/", "dir/sub/c.log", "dir/sub/d.txt"]);
    }

    #[test]
    fn two_stars_reach_every_depth_and_keep_the_directory_itself() {
        let ignore = "Dockerfile\n**/.dockerignore\n**/*.log\nother/**\n**/.env\n";
        assert_eq!(kept(ignore), ["a.txt", "dir/", "dir/a.txt", "dir/sub/", "dir/sub/d.txt", "other/", "tmp/t", "tmpx/t"]);
    }

    #[test]
    fn classes_and_escapes_work() {
        let ignore = "Dockerfile\n.dockerignore\n?.txt\n[bk]*.log\ntmp?\n\\.env\ndir/[!a].txt\n";
        let expected = [
            "dir/",
            "dir/.env",
            "dir/b.log",
            "dir/sub/",
            "dir/sub/c.log",
            "dir/sub/d.txt",
            "other/",
            "other/x",
            "other/y.txt",
            "tmp/t",
        ];
        assert_eq!(kept(ignore), expected);
    }

    #[test]
    fn comments_marks_and_line_ends_do_not_count() {
        let rules = IgnoreRules::parse(b"\xef\xbb\xbf# a\r\n  b  \r\n\r\n #c\n", "f").unwrap();
        assert!(rules.is_ignored(b"b") && rules.is_ignored(b"#c") && !rules.is_ignored(b"a") && !rules.is_ignored(b"c"));
    }

    #[test]
    fn malformed_patterns_are_all_told_with_their_lines() {
        let findings = IgnoreRules::parse(b"[abc\nx\n!\n", ".dockerignore").unwrap_err();
        assert_eq!(findings.iter().map(|f| f.place.as_ref().unwrap().line).collect::<Vec<_>>(), [1, 3]);
        assert!(findings[0].message.contains("pattern") && findings[0].message.contains("[abc"));
    }

    #[test]
    fn a_walk_need_not_enter_what_no_exception_reaches() {
        let rules = IgnoreRules::parse(b"*\n!src/lib\n", "f").unwrap();
        let (src, target) = (rules.entry(&rules.root(), b"src"), rules.entry(&rules.root(), b"target"));
        assert!(src.is_ignored && !src.is_closed && target.is_closed);
        let lib = rules.entry(&src.directory, b"lib");
        assert!(!lib.is_ignored && !rules.entry(&lib.directory, b"a.rs").is_ignored);
        assert!(rules.entry(&src.directory, b"other").is_closed);
    }

    #[test]
    fn everything_but_one_kind_can_be_left_out() {
        let rules = IgnoreRules::parse(b"**\n!**/*.rs\n", "f").unwrap();
        assert!(!rules.is_ignored(b"a/b/c.rs") && rules.is_ignored(b"a/b/c.c"));
        assert!(!rules.entry(&rules.root(), b"a").is_closed);
    }
}
