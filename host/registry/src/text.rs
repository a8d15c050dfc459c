//! Text from registries, made fit to be shown.

/// The longest piece of a registry's own words that an error repeats, in characters.
pub(crate) const QUOTE: usize = 300;

/// `text` without control characters and invisible direction marks, in one line, and at most `limit` characters long.
pub(crate) fn clean(text: &str, limit: usize) -> String {
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

/// Control characters, and marks that reorder or hide what stands around them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
    fn long_text_is_clipped() {
        assert_eq!(clean(&"é".repeat(50), 3), "ééé…");
    }
}
