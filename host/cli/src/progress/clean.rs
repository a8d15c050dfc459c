//! What processes and registries say, made safe for a terminal.

use std::borrow::Cow;

use windlass_core::text::is_terminal_control;

/// Removes escape sequences, control characters and marks of direction; tabs stay. A carriage return keeps what was written last, as a
/// terminal would show it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);
    let is_unfit = |c: char| c != '\t' && is_terminal_control(c);
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let plain = console::strip_ansi_codes(text);
    Cow::Owned(plain.chars().filter(|&c| !is_unfit(c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_do_not_reach_the_user() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}x"), "red x");
        assert_eq!(clean("10%\r50%\r100%"), "100%");
        assert_eq!(clean("a\tb\u{8}\u{202e}\u{200f}\u{61c}c"), "a\tbc");
    }
}
