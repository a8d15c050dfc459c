//! Conventions of Go's standard library that are part of the Dockerfile language: numbers, durations, paths, quotes.

mod duration;

pub use duration::{format_duration, parse_duration};

/// `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseUint` with 32 bits: digits alone, no sign.
pub(crate) fn parse_number(text: &str, radix: u32) -> Option<u32> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    is_plain.then(|| u32::from_str_radix(text, radix).ok()).flatten()
}

/// A size in bytes as `units.RAMInBytes` reads it: a number, then optionally k, m, g, t or p (powers of 1024) and
/// `b` or `ib`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let factor = match unit {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        "p" => 1 << 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok());
    }
    let bytes =
        number.parse::<f64>().ok().filter(|n| number.starts_with(|c: char| c.is_ascii_digit()) && n.is_finite())? * factor as f64;
    (bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// One record of comma-separated values; `None` where quotes are out of place.
pub(crate) fn comma_separated(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let field;
        (field, rest) = match rest.strip_prefix('"') {
            Some(inner) => quoted_field(inner)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return None;
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// A field after its opening quote, where two quotes are one, and what follows it.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => rest = after,
            None => return Some((field, rest)),
        }
        field.push('"');
    }
}

/// `path.Base`: the last part of a path, without trailing slashes.
pub(crate) fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

/// `path.Clean`: no empty parts, no `.`, and `..` only at the beginning of a relative path.
#[must_use]
pub fn clean_path(path: &str) -> String {
    String::from_utf8(clean_bytes(path.as_bytes())).unwrap_or_else(|_| path.to_owned())
}

/// [`clean_path`] on bytes.
pub(crate) fn clean_bytes(path: &[u8]) -> Vec<u8> {
    let is_absolute = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let mut clean = if is_absolute { vec![b'/'] } else { Vec::new() };
    clean.extend(parts.join(&b'/'));
    if clean.is_empty() { b".".to_vec() } else { clean }
}

/// `strconv.Quote`, the `%q` of a string.
pub(crate) fn quote(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let _ = match character {
            '"' => quoted.write_str("\\\""),
            '\\' => quoted.write_str("\\\\"),
            '\x07' => quoted.write_str("\\a"),
            '\x08' => quoted.write_str("\\b"),
            '\x0c' => quoted.write_str("\\f"),
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\x0b' => quoted.write_str("\\v"),
            c if c.is_ascii_control() => write!(quoted, "\\x{:02x}", u32::from(c)),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.write_char(c),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, clean) in [
            ("/a/./b//c/", "/a/b/c"),
            ("", "."),
            ("a/../..", ".."),
            ("/..", "/"),
            ("../../a", "../../a"),
            ("./", "."),
            ("/", "/"),
        ] {
            assert_eq!(clean_path(path), clean, "{path}");
        }
        assert_eq!((base_name("/a/b/"), base_name("/"), base_name(""), base_name("x")), ("b", "/", ".", "x"));
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_bytes("64m"), Some(64 << 20));
        assert_eq!(parse_bytes("1.5 KiB"), Some(1536));
        assert_eq!(parse_bytes("10"), Some(10));
        for text in ["", "m", "1x", "-1", "99999999999p", ".5", "1.2.3"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn comma_separated_values_may_be_quoted() {
        assert_eq!(comma_separated(r#"a,"b,""c""",d="#).unwrap(), ["a", r#"b,"c""#, "d="]);
        assert_eq!(comma_separated("").unwrap(), [""]);
        assert!(
            comma_separated(r#"a"b"#).is_none() && comma_separated(r#""a"b"#).is_none() && comma_separated(r#""a"#).is_none()
        );
    }

    #[test]
    fn quotes_escape_control_characters() {
        assert_eq!(quote("a\tb\"\\\u{1}\u{85}é"), r#""a\tb\"\\\x01\u0085é""#);
    }
}
