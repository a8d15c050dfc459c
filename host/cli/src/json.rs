//! JSON as it is printed: lossless for programs, and without anything that the terminal of somebody who looks on would obey.

use std::fmt::Write as _;

use serde_json::Value;
use windlass_core::text::is_terminal_control;

/// `value` on one line, with its end.
pub(crate) fn line(value: &Value) -> String {
    harmless(&value.to_string()) + "\n"
}

/// `value` on many lines, for people too.
pub(crate) fn document(value: &Value) -> String {
    harmless(&format!("{value:#}")) + "\n"
}

/// JSON leaves DEL, C1 and marks of direction as they are. None of them stands outside a string, where `\u` says the same; those below
/// are escaped already, or lay out the document. None needs more than four digits.
fn harmless(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= '\u{7f}' && is_terminal_control(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_reads_the_same() {
        let text: String = ('\0'..='\u{2100}').collect();
        let value = json!({"line": text, text.as_str(): [text]});
        for written in [line(&value), document(&value)] {
            assert!(!written.chars().any(|c| c != '\n' && is_terminal_control(c)), "{written:?}");
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
        assert_eq!(line(&json!("a\u{1b}\u{7f}\u{9b}31m\u{202e}ü\u{2028}")), "\"a\\u001b\\u007f\\u009b31m\\u202eü\u{2028}\"\n");
    }

    #[test]
    fn a_line_is_one_line_and_a_document_is_laid_out() {
        assert_eq!(line(&json!({"a": [1, "\n"]})), "{\"a\":[1,\"\\n\"]}\n");
        assert_eq!(document(&json!({"a": 1})), "{\n  \"a\": 1\n}\n");
    }
}
