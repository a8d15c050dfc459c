//! Physical lines to logical lines: comments, continuations, and the way back to the place in the file.

use std::borrow::Cow;
use std::ops::Range;

use windlass_core::Place;

use super::directive::Escape;
use super::{Position, Span};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line of the file, with its line end.
#[derive(Debug)]
pub(super) struct Physical<'a> {
    raw: Cow<'a, str>,
    is_valid: bool,
}

/// Reads the lines of a file one after the other; none is kept, for a file may have millions.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The number of the line that was read last.
    number: u32,
}

impl<'a> Iterator for Reader<'a> {
    type Item = Physical<'a>;

    fn next(&mut self) -> Option<Physical<'a>> {
        let line = self.rest.split_inclusive(|&byte| byte == b'\n').next()?;
        self.rest = &self.rest[line.len()..];
        self.number = self.number.saturating_add(1);
        let raw = String::from_utf8_lossy(line);
        Some(Physical { is_valid: matches!(raw, Cow::Borrowed(_)), raw })
    }
}

/// An instruction's line, its continuations joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical {
    /// The joined text.
    pub(super) text: String,
    /// Where each part of the text came from.
    pieces: Vec<Piece>,
    /// The last physical line that belongs to it; heredoc bodies move it on.
    pub(super) last_line: u32,
    /// The length of the last physical line, in characters.
    last_length: u32,
    /// Where the continuation ends, if there is a blank line within, which BuildKit deprecates and tells of there.
    pub(super) blank_until: Option<u32>,
    /// The lines that are not UTF-8.
    pub(super) invalid_lines: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    at: usize,
    line: u32,
    column: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        Self { rest: bytes, number: 0 }
    }

    /// The lines from the first on, without their ends and without leading blanks, as directives are looked for.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = String> + use<'a> {
        Reader { rest: self.rest, number: 0 }.map(|line| without_end(&line.raw).trim_start().to_owned())
    }

    /// The next instruction's line; `None` at the end of the file.
    pub(super) fn next_logical(&mut self, escape: Escape) -> Option<Logical> {
        loop {
            let line = self.next()?;
            let content = without_end(&line.raw);
            let trimmed = content.trim_start();
            if trimmed.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            let (text, continues) = without_continuation(trimmed, escape);
            let mut logical = Logical {
                text: text.to_owned(),
                pieces: vec![Piece {
                    at: 0,
                    line: self.number,
                    column: characters(&content[..content.len() - trimmed.len()]) + 1,
                }],
                last_line: self.number,
                last_length: characters(content),
                blank_until: None,
                invalid_lines: Vec::new(),
            };
            if !line.is_valid {
                logical.invalid_lines.push(self.number);
            }
            if continues {
                self.continue_logical(&mut logical, escape);
            }
            return Some(logical);
        }
    }

    fn continue_logical(&mut self, logical: &mut Logical, escape: Escape) {
        let mut has_blank = false;
        while let Some(line) = self.next() {
            let content = without_end(&line.raw);
            logical.last_line = self.number;
            logical.last_length = characters(content);
            if content.trim_start().starts_with('#') {
                continue;
            }
            if content.trim_start().is_empty() {
                has_blank = true;
                continue;
            }
            if !line.is_valid {
                logical.invalid_lines.push(self.number);
            }
            let (text, continues) = without_continuation(content, escape);
            if !text.is_empty() {
                logical.pieces.push(Piece { at: logical.text.len(), line: self.number, column: 1 });
                logical.text.push_str(text);
            }
            if !continues {
                break;
            }
        }
        logical.blank_until = has_blank.then_some(self.number);
    }

    /// Reads a heredoc's body up to the line that is `name`; `None` when the file ends before that.
    ///
    /// The body keeps its line ends as they are, carriage returns included.
    pub(super) fn heredoc(&mut self, name: &str, strips_tabs: bool, logical: &mut Logical) -> Option<String> {
        let mut body = String::new();
        while let Some(line) = self.next() {
            let content = without_end(&line.raw);
            let candidate = if strips_tabs { content.trim_start_matches('\t') } else { content };
            logical.last_line = self.number;
            logical.last_length = characters(content);
            if candidate == name {
                return Some(body);
            }
            if !line.is_valid {
                logical.invalid_lines.push(self.number);
            }
            body.push_str(&line.raw);
        }
        None
    }

    /// Whether a line that is `name` is still to come.
    pub(super) fn has_terminator(&self, name: &str, strips_tabs: bool) -> bool {
        Reader { rest: self.rest, number: 0 }.any(|line| {
            let content = without_end(&line.raw);
            name == if strips_tabs { content.trim_start_matches('\t') } else { content }
        })
    }
}

impl Logical {
    fn position(&self, at: usize) -> Position {
        let index = self.pieces.partition_point(|piece| piece.at <= at).saturating_sub(1);
        let piece = &self.pieces[index];
        let at = at.min(self.text.len());
        Position { line: piece.line, column: piece.column + characters(&self.text[piece.at.min(at)..at]) }
    }

    /// The place of a range of bytes of the text; one that goes on over the next physical line ends with its first.
    pub(super) fn place(&self, file: &str, range: Range<usize>) -> Place {
        let start = self.position(range.start);
        let next = self.pieces.partition_point(|piece| piece.at <= range.start);
        let end = self.pieces.get(next).map_or(range.end, |piece| range.end.min(piece.at));
        let length = characters(&self.text[range.start.min(end)..end.min(self.text.len())]);
        Place { file: file.to_owned(), line: start.line, column: start.column, length }
    }

    /// The place of the whole physical line `line`.
    pub(super) fn whole_line(file: &str, line: u32) -> Place {
        Place { file: file.to_owned(), line, column: 0, length: 0 }
    }

    /// From the first character of the first line to the end of the last.
    pub(super) fn span(&self) -> Span {
        Span { start: self.position(0), end: Position { line: self.last_line, column: self.last_length + 1 } }
    }
}

fn without_end(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The text before a continuation character at the end of a line, and whether there is one.
///
/// An escape character before it takes that meaning away.
fn without_continuation(line: &str, escape: Escape) -> (&str, bool) {
    let escape = escape.character();
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    }
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        let mut reader = Reader::new(source.as_bytes());
        std::iter::from_fn(|| reader.next_logical(Escape::Backslash)).map(|line| line.text).collect()
    }

    #[test]
    fn continuations_keep_leading_blanks_and_lose_comments() {
        assert_eq!(texts("  RUN a \\  \n  # c\n\n    b\\\nc\nX"), ["RUN a     bc", "X"]);
    }

    #[test]
    fn an_escaped_escape_does_not_continue_and_the_end_of_the_file_ends_a_continuation() {
        assert_eq!(texts("RUN a \\\\\nb"), ["RUN a \\\\", "b"]);
        assert_eq!(texts("RUN a \\\n"), ["RUN a "]);
        assert_eq!(texts("RUN a \\\r\n b\r\n"), ["RUN a  b"]);
    }

    #[test]
    fn a_place_in_a_continuation_is_that_of_its_own_line() {
        let mut reader = Reader::new("RUN é \\\n  --x y".as_bytes());
        let line = reader.next_logical(Escape::Backslash).unwrap();
        let at = line.text.find("--x").unwrap();
        let place = line.place("f", at..at + 3);
        assert_eq!((place.line, place.column, place.length), (2, 3, 3));
        let start = line.place("f", 4..6);
        assert_eq!((start.line, start.column, start.length), (1, 5, 1));
    }
}
