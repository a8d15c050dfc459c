//! Text from registries, made fit to be shown: clean, short, and without what they were told in confidence.

use std::sync::{PoisonError, RwLock};

use windlass_core::Secret;
use windlass_core::text::is_terminal_control;

/// The longest piece of a registry's own words that an error repeats, in characters.
pub(crate) const QUOTE: usize = 300;

/// What was sent to some registry to open it. Any of them may say it again, so it is kept for the whole process.
static SENT: RwLock<Vec<Secret>> = RwLock::new(Vec::new());

/// A shorter text is no secret, and to leave it out everywhere would garble what is shown.
const SHORTEST_SECRET: usize = 4;

/// Leaves `secret` out of all that is shown of registries' words from now on.
pub(crate) fn never_show(secret: &str) {
    let mut sent = SENT.write().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST_SECRET && !sent.iter().any(|known| known.expose() == secret) {
        sent.push(Secret::new(secret));
    }
}

fn redacted(text: &str) -> String {
    let sent = SENT.read().unwrap_or_else(PoisonError::into_inner);
    sent.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
}

/// `text` without secrets that were sent, without control characters and invisible direction marks, in one line, and at most `limit` characters long.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let text = redacted(text);
    let mut shown = String::new();
    let mut count = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if is_invisible(c) || (c == ' ' && (shown.is_empty() || shown.ends_with(' '))) {
            continue;
        }
        if count == limit {
            shown.push('…');
            break;
        }
        shown.push(c);
        count += 1;
    }
    shown.trim_end().to_owned()
}

/// What a terminal would obey, and marks that hide what stands around them.
fn is_invisible(c: char) -> bool {
    is_terminal_control(c) || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_line_ends_and_direction_marks_are_taken_out() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m\r\n\tb\u{202e}c\u{0}", 100), "a[31mred[0m bc");
        assert_eq!(clean("  \n  ", 10), "");
    }

    #[test]
    fn what_a_registry_was_told_is_not_shown_when_it_says_it_again() {
        never_show("c4nary-7f3a");
        never_show("ci");
        assert_eq!(clean("ci sent c4nary-7f3a, c4nary-7f3a", 100), "ci sent [redacted], [redacted]");
    }

    #[test]
    fn long_text_is_clipped() {
        assert_eq!(clean(&"é".repeat(50), 3), "ééé…");
    }
}
