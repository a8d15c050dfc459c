//! Text that somebody else wrote, where it is shown.

use std::fmt::Write as _;

/// The longest value that a message repeats, in characters.
const LONGEST: usize = 300;

/// Whether a terminal obeys `c` in place of showing it, or shows what stands around it in another order: the control characters
/// C0, DEL and C1 (ECMA-48), and the marks that set the direction of writing (Unicode Standard Annex 9).
#[must_use]
pub fn is_terminal_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` between backquotes for a message: what a terminal would obey is escaped, and what is too long is cut.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut shown = String::from("`");
    let mut characters = text.chars();
    for c in characters.by_ref().take(LONGEST) {
        if is_terminal_control(c) {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown + if characters.next().is_some() { "…`" } else { "`" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_the_rest_is_left() {
        assert_eq!(quoted("a\n\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2069}"), r"`a\n\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2069}`");
        assert_eq!(quoted("ü \\ 漢 \u{200b}"), "`ü \\ 漢 \u{200b}`");
    }

    #[test]
    fn long_texts_are_cut_and_those_of_the_longest_length_are_not() {
        assert_eq!(quoted(&"ä".repeat(301)), format!("`{}…`", "ä".repeat(300)));
        assert_eq!(quoted(&"ä".repeat(300)), format!("`{}`", "ä".repeat(300)));
    }
}
