//! Parser directives: `# syntax=…`, `# escape=…` and `# check=…` at the top of the file.

/// The character that escapes the next one and continues a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `\`, the default.
    #[default]
    Backslash,
    /// `` ` ``, after `` # escape=` ``.
    Backtick,
}

impl Escape {
    /// The character itself.
    #[must_use]
    pub const fn character(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// The directives of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The frontend that `syntax` names, such as `docker/dockerfile:1`.
    pub syntax: Option<String>,
    /// What `escape` says.
    pub escape: Escape,
    /// What `check` says, as written, `skip=…;error=…`, and its line from 1.
    pub check: Option<(String, u32)>,
    /// How many lines the directives take.
    pub lines: u32,
}

/// The names of all directives.
pub(super) const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// A directive that is wrong: its line, from 1, and what is the matter.
pub(super) type DirectiveProblem = (u32, String);

/// Reads the directives off the first lines.
///
/// They end at the first line that is no `# name=value` comment, blank lines included, or whose name is unknown.
pub(super) fn read(lines: impl Iterator<Item = impl AsRef<str>>) -> (Directives, Vec<DirectiveProblem>) {
    let mut directives = Directives::default();
    let mut seen: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in lines.enumerate() {
        let Some((name, value)) = split(line.as_ref()) else { break };
        let name = name.to_ascii_lowercase();
        if !NAMES.contains(&name.as_str()) {
            break;
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        directives.lines = number;
        if seen.contains(&name) {
            problems.push((number, format!("the directive `{name}` is given twice")));
            continue;
        }
        match (name.as_str(), value) {
            ("syntax", _) => directives.syntax = Some(value.to_owned()),
            ("check", _) => directives.check = Some((value.to_owned(), number)),
            (_, "\\") => directives.escape = Escape::Backslash,
            (_, "`") => directives.escape = Escape::Backtick,
            _ => problems.push((number, format!("the escape character must be `\\` or a backtick, not `{value}`"))),
        }
        seen.push(name);
    }
    (directives, problems)
}

/// `# name = value` to its name and value.
fn split(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(text: &str) -> Escape {
        read(text.lines()).0.escape
    }

    #[test]
    fn blanks_and_case_do_not_matter() {
        assert_eq!(escape("#   EscApe =   `\n# other=1"), Escape::Backtick);
        assert_eq!(escape("# syntax=x\n#escape=`"), Escape::Backtick);
    }

    #[test]
    fn directives_end_at_the_first_line_that_is_none() {
        assert_eq!(escape("\n# escape=`"), Escape::Backslash);
        assert_eq!(escape("# a comment\n# escape=`"), Escape::Backslash);
        assert_eq!(escape("# other=1\n# escape=`"), Escape::Backslash);
        assert_eq!(escape("#!/bin/sh\n# escape=`"), Escape::Backslash);
    }

    #[test]
    fn a_directive_given_twice_and_an_unknown_escape_are_told_with_their_line() {
        assert_eq!(read("# escape=`\n# escape=`".lines()).1[0].0, 2);
        assert_eq!(
            read("# syntax=a b\n# escape=x".lines()).1,
            [(2, "the escape character must be `\\` or a backtick, not `x`".to_owned())]
        );
    }
}
