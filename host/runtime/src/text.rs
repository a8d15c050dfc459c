//! Texts from plugins, made fit to be shown: no terminal escapes, no control characters, no tricks with writing direction.

use windlass_core::text::is_terminal_control;

/// `text` on one line, without control characters and escape sequences, cut after `limit` bytes.
pub(crate) fn line(text: &str, limit: usize) -> String {
    clean(text, limit, false)
}

/// `text` without control characters (line ends and tabs excepted) and escape sequences, cut after `limit` bytes.
pub(crate) fn lines(text: &str, limit: usize) -> String {
    clean(text, limit, true)
}

fn clean(text: &str, limit: usize, line_ends: bool) -> String {
    let mut shown = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' | '\u{9b}' | '\u{9d}' => skip_sequence(character, &mut rest),
            '\n' | '\t' if line_ends => shown.push(character),
            '\n' | '\t' | '\r' if !line_ends => shown.push(' '),
            c if is_terminal_control(c) => {}
            c => shown.push(c),
        }
        if shown.len() > limit {
            shown.truncate(shown.floor_char_boundary(limit));
            shown.push('…');
            break;
        }
    }
    shown
}

/// Skips the rest of an escape sequence (ECMA-48): a control sequence up to its final byte, a string up to its terminator,
/// anything else with its one character.
fn skip_sequence(first: char, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match first {
        '\u{9b}' => '[',
        '\u{9d}' => ']',
        _ => match rest.next() {
            Some(kind) => kind,
            None => return,
        },
    };
    match kind {
        '[' => {
            for character in rest.by_ref() {
                if ('@'..='~').contains(&character) {
                    return;
                }
            }
        }
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(character) = rest.next() {
                if matches!(character, '\u{7}' | '\u{9c}') {
                    return;
                }
                if character == '\u{1b}' {
                    rest.next_if_eq(&'\\');
                    return;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out_as_a_whole() {
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m", 99), "red");
        assert_eq!(line("a\u{1b}]0;title\u{7}b\u{1b}]8;;x\u{1b}\\c", 99), "abc");
        assert_eq!(line("\u{9b}2Jx\u{1b}cy", 99), "xy");
        assert_eq!(line("open \u{1b}]never closed", 99), "open ");
    }

    #[test]
    fn control_and_direction_characters_go_and_line_ends_become_spaces() {
        assert_eq!(line("a\u{0}\u{8}b\u{202e}c\r\nd\u{85}", 99), "abc  d");
        assert_eq!(lines("a\r\nb\tc", 99), "a b".replace(' ', "\n") + "\tc");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(line("äää", 3), "ä…");
    }
}
