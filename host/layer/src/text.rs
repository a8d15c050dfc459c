//! How names from images are shown in messages.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use windlass_core::text::is_terminal_control;

/// The longest name that a message repeats, in bytes.
const LONGEST: usize = 300;

/// `path` for a message: control characters and bytes that are no UTF-8 are escaped, and what is too long is cut.
pub(crate) fn shown(path: &Path) -> String {
    shown_bytes(path.as_os_str().as_bytes())
}

/// As [`shown`], for bytes.
pub(crate) fn shown_bytes(bytes: &[u8]) -> String {
    let cut = bytes.len() > LONGEST;
    let mut text = String::from("`");
    for chunk in bytes[..bytes.len().min(LONGEST)].utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_terminal_control(character) || is_invisible(character) {
                let _ = write!(text, "{}", character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push_str(if cut { "…`" } else { "`" });
    text
}

/// Characters that nobody sees, or that end a line for some.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_odd_bytes_are_shown_harmless() {
        assert_eq!(shown_bytes(b"a\x1b[31m\nb\xff"), r"`a\u{1b}[31m\nb\xff`");
        assert_eq!(shown_bytes("\u{202e}ü".as_bytes()), r"`\u{202e}ü`");
    }

    #[test]
    fn long_names_are_cut() {
        assert!(shown_bytes(&[b'x'; 5000]).len() < 320);
    }
}
