//! What processes and registries say, made safe for a terminal.

use std::borrow::Cow;

/// Removes escape sequences and control characters; tabs stay. A carriage return keeps what was written last, as a
/// terminal would show it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);
    if !text.contains(|c: char| c.is_control() && c != '\t') && !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let plain = console::strip_ansi_codes(text);
    Cow::Owned(plain.chars().filter(|&c| (!c.is_control() || c == '\t') && !is_deceptive(c)).collect())
}

/// Characters that turn the direction of text, and so what a reader sees.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_do_not_reach_the_user() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}x"), "red x");
        assert_eq!(clean("10%\r50%\r100%"), "100%");
        assert_eq!(clean("a\tb\u{8}\u{202e}c"), "a\tbc");
    }
}
