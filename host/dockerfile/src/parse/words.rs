//! The ways in which instructions are cut into words.

use std::ops::Range;

use super::directive::Escape;

/// A word and the bytes of the line that it was read from; quotes may have been taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

/// What separates words in the plain forms.
pub(super) const BLANKS: [char; 5] = ['\t', '\x0b', '\x0c', '\r', ' '];

/// The part of `range` without blanks at either end.
pub(super) fn trim(line: &str, range: Range<usize>) -> Range<usize> {
    let text = &line[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    start..(range.start + text.trim_end().len()).max(start)
}

/// An instruction's name and what follows it.
pub(super) fn name_and_rest(line: &str, range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let range = trim(line, range);
    let text = &line[range.clone()];
    let end = text.find(BLANKS).map_or(range.end, |at| range.start + at);
    let rest = &line[end..range.end];
    (range.start..end, end + (rest.len() - rest.trim_start_matches(BLANKS).len())..range.end)
}

/// Cuts at blanks alone, as `COPY`, `FROM` and `EXPOSE` do.
pub(super) fn plain(line: &str, range: Range<usize>) -> Vec<Word> {
    let text = &line[range.clone()];
    let mut words = Vec::new();
    let mut at = 0;
    for part in text.split(BLANKS) {
        if !part.is_empty() {
            words.push(Word { text: part.to_owned(), range: range.start + at..range.start + at + part.len() });
        }
        at += part.len() + 1;
    }
    words
}

/// The leading `--name=value` words, quotes and backslashes taken off, and what follows them.
pub(super) fn flags(line: &str, range: Range<usize>) -> (Vec<Word>, Range<usize>) {
    let mut words = Vec::new();
    let mut start = trim(line, range.clone()).start;
    while line[start..range.end].starts_with("--") {
        let (text, end) = flag(line, start..range.end);
        if text == "--" {
            start = end;
            break;
        }
        words.push(Word { text, range: start..end });
        start = trim(line, end..range.end).start;
    }
    (words, trim(line, start..range.end))
}

fn flag(line: &str, range: Range<usize>) -> (String, usize) {
    let mut text = String::new();
    let mut quote = None;
    let mut characters = line[range.clone()].char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => text.extend(characters.next().map(|(_, escaped)| escaped)),
            (_, Some(open)) if character == open => quote = None,
            ('\'' | '"', None) => quote = Some(character),
            (_, None) if character.is_whitespace() => return (text, range.start + at),
            _ => text.push(character),
        }
    }
    (text, range.end)
}

/// Cuts at blanks outside quotes, as `ENV`, `LABEL` and `ARG` do. Quotes and escapes stay in the words.
pub(super) fn quoted(line: &str, range: Range<usize>, escape: Escape) -> Vec<Word> {
    let escape = escape.character();
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote = None;
    let mut characters = line[range.clone()].char_indices();
    while let Some((at, character)) = characters.next() {
        let at = range.start + at;
        if quote.is_none() && character.is_whitespace() {
            words.extend(open.take());
            continue;
        }
        let word = open.get_or_insert_with(|| Word { text: String::new(), range: at..at });
        if character == escape && quote != Some('\'') {
            // An escape at the very end is dropped.
            if let Some((next, escaped)) = characters.next() {
                word.text.extend([character, escaped]);
                word.range.end = range.start + next + escaped.len_utf8();
            }
            continue;
        }
        match quote {
            Some(mark) if mark == character => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            _ => {}
        }
        word.text.push(character);
        word.range.end = at + character.len_utf8();
    }
    words.extend(open.filter(|word| !word.text.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: Vec<Word>) -> Vec<String> {
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn flags_end_at_the_first_other_word_or_at_two_dashes() {
        let line = r#"--mount=type=bind,target="/a b" --link  -- x --y"#;
        let (words, rest) = flags(line, 0..line.len());
        assert_eq!(texts(words), ["--mount=type=bind,target=/a b", "--link"]);
        assert_eq!(&line[rest], "x --y");
        let line = "-x --y";
        assert_eq!(&line[flags(line, 0..line.len()).1], "-x --y");
    }

    #[test]
    fn quoted_words_keep_their_quotes_and_escapes() {
        let line = r#"a="b c" d='e \' f=g\ h i="\"" j\"#;
        assert_eq!(
            texts(quoted(line, 0..line.len(), Escape::Backslash)),
            [r#"a="b c""#, r"d='e \'", r"f=g\ h", r#"i="\"""#, "j"]
        );
        assert_eq!(texts(quoted(r"a\ b", 0..4, Escape::Backtick)), [r"a\", "b"]);
    }

    #[test]
    fn words_know_where_they_stand() {
        let line = "COPY  a   b";
        let words = plain(line, 4..line.len());
        assert_eq!(words[1].range, 10..11);
        assert_eq!(name_and_rest("  RUN\t x ", 0..9), (2..5, 7..8));
    }
}
