//! Heredocs: which words begin one, and what their bodies are.

use std::ops::Range;

use crate::expand::{Empty, Lexer, Options};

/// A heredoc with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter, without quotes. It names the file that `COPY` and `ADD` make of the body.
    pub name: String,
    /// The file descriptor before `<<`; 0 where none is given.
    pub descriptor: u32,
    /// Whether `COPY` and `ADD` fill in variables in the body: no part of the delimiter is quoted.
    pub expands: bool,
    /// `<<-`: tabs at the beginnings of lines do not count.
    pub strips_tabs: bool,
    /// The body as it stands in the file, line ends and tabs included.
    pub body: String,
}

impl Heredoc {
    /// The body, without tabs at the beginnings of lines where the heredoc strips them.
    #[must_use]
    pub fn without_tabs(&self) -> String {
        if !self.strips_tabs {
            return self.body.clone();
        }
        self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// The heredoc that `word` begins, its body still empty.
///
/// `<<<` begins none, and neither does a delimiter of several words. The escape is `\`, whatever the directive says.
#[must_use]
pub fn recognise(word: &str) -> Option<Heredoc> {
    let after_digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = after_digits.strip_prefix("<<")?;
    let (strips_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let delimiter = rest.trim_start();
    if delimiter.is_empty() || delimiter.contains('<') {
        return None;
    }
    let [name] = lex(delimiter, Options { keeps_unset: true, ..Options::default() })?.try_into().ok()?;
    let [raw]: [String; 1] =
        lex(delimiter, Options { keeps_unset: true, keeps_quotes: true, ..Options::default() })?.try_into().ok()?;
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let descriptor = word[..word.len() - after_digits.len()].parse().unwrap_or(0);
    Some(Heredoc { descriptor, expands: quotes(&name) == quotes(&raw), strips_tabs, name, body: String::new() })
}

/// The heredocs that a line begins, in order, with the bytes of their words.
///
/// A line whose quotes do not match begins none.
pub(super) fn in_line(line: &str) -> Vec<(Heredoc, Range<usize>)> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let options = Options { keeps_quotes: true, keeps_escapes: true, keeps_unset: true, ..Options::default() };
    let mut from = 0;
    let mut found = Vec::new();
    for word in lex(line, options).unwrap_or_default() {
        let start = line[from..].find(&word).map_or(from, |at| from + at);
        from = (start + word.len()).min(line.len());
        while !line.is_char_boundary(from) {
            from += 1;
        }
        found.extend(recognise(&word).map(|heredoc| (heredoc, start..from)));
    }
    found
}

fn lex(text: &str, options: Options) -> Option<Vec<String>> {
    Lexer::new(text, &Empty, options).words().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        in_line(line).into_iter().map(|(heredoc, _)| heredoc.name).collect()
    }

    #[test]
    fn words_that_begin_a_heredoc_are_recognised() {
        let heredoc = recognise("3<<-'E O'").unwrap();
        assert_eq!((heredoc.name.as_str(), heredoc.descriptor, heredoc.strips_tabs, heredoc.expands), ("E O", 3, true, false));
        assert!(recognise("<<EOF").unwrap().expands);
        assert!(!recognise("<<E\"O\"F").unwrap().expands);
        for word in ["<<<x", "<<", "a<<b", "<<a b", "<<a<b", "<<-", "1<3"] {
            assert_eq!(recognise(word), None, "{word}");
        }
    }

    #[test]
    fn several_heredocs_of_a_line_come_in_order() {
        assert_eq!(names("RUN <<A cat <<-\"B\" 5<<C"), ["A", "B", "C"]);
        assert_eq!(names("RUN python3 <<EOF && x"), ["EOF"]);
    }

    #[test]
    fn quoted_text_and_lines_with_unmatched_quotes_begin_none() {
        assert_eq!(names("RUN echo \"not <<EOF heredoc\""), [""; 0]);
        assert_eq!(names("RUN echo $((1<<3)) cat<<EOF"), [""; 0]);
        assert_eq!(names("RUN echo it's <<EOF"), [""; 0]);
        assert_eq!(names("RUN echo \\'<<EOF <<X"), ["X"]);
    }

    #[test]
    fn tabs_are_stripped_but_not_blanks() {
        let heredoc = Heredoc { body: "\ta\n\t\tb\n  c\n".to_owned(), ..recognise("<<-E").unwrap() };
        assert_eq!(heredoc.without_tabs(), "a\nb\n  c\n");
    }
}
