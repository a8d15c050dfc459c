//! Texts read as what they should be. An error is what was expected, to follow "must be".

use crate::variables::Shape;

/// Reads a flag in the spelling of Go's `strconv.ParseBool`, which the replaced plugins use.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("true or false (1, t, T, TRUE, True, 0, f, F, FALSE and False are taken as well)".to_owned()),
    }
}

/// Reads a whole number that is not negative.
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| "a whole number, zero or more".to_owned())
}

/// Takes a list apart at commas; blank pieces are dropped.
pub(crate) fn commas(text: &str) -> Vec<String> {
    split(text, ',')
}

/// Takes a list of cache specifications apart: at `;` where there is one, else at commas, unless it is one specification
/// that has commas inside (`type=registry,ref=…`).
pub(crate) fn specifications(text: &str) -> Vec<String> {
    if text.contains(';') {
        split(text, ';')
    } else if text.trim_start().starts_with("type=") {
        vec![text.trim().to_owned()]
    } else {
        split(text, ',')
    }
}

/// Takes pairs apart at commas. A piece without `=` belongs to the value before it, comma included, so that values may
/// have commas as long as no piece of them looks like a pair.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in text.split(',') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) if !key.trim().is_empty() => pairs.push((key.trim().to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(piece);
            }
            (None, None) if piece.trim().is_empty() => {}
            _ => return Err(format!("KEY=VALUE pairs separated by commas, which `{}` is not", piece.trim())),
        }
    }
    for (_, value) in &mut pairs {
        let end = value.trim_end_matches([',', ' ', '\t', '\n', '\r']).len();
        value.truncate(end);
        *value = value.trim_start().to_owned();
    }
    Ok(pairs)
}

/// Takes pairs apart at commas; each must have a key and a value.
pub(crate) fn strict_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |piece: &String| match piece.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("KEY=VALUE pairs separated by commas, which `{piece}` is not")),
    };
    commas(text).iter().map(pair).collect()
}

/// What a text of this shape must be, in the words of a user.
pub(crate) fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Secret => "a text",
        Shape::Flag => "true or false",
        Shape::Integer => "a whole number",
        Shape::Commas | Shape::Specifications => "a list",
        Shape::Pairs | Shape::StrictPairs => "a map",
    }
}

fn split(text: &str, separator: char) -> Vec<String> {
    text.split(separator).map(str::trim).filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_strictly_in_gos_spelling() {
        for text in ["1", "t", "T", "true", "TRUE", "True", " true "] {
            assert_eq!(flag(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(flag(text), Ok(false), "{text}");
        }
        for text in ["yes", "on", "tRUE", "2", ""] {
            assert!(flag(text).unwrap_err().starts_with("true or false"), "{text}");
        }
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        assert_eq!(integer(" 24 "), Ok(24));
        for text in ["", "-1", "+1", "1.5", "24h", "99999999999999999999"] {
            assert!(integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn commas_inside_a_value_stay_there() {
        let read = pairs("description=Hello, world,team=a=b, x=").unwrap();
        let expected = [("description", "Hello, world"), ("team", "a=b"), ("x", "")];
        assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(pairs("a=1,").unwrap(), [("a".to_owned(), "1".to_owned())]);
        assert!(pairs("stray,a=1").unwrap_err().contains("`stray`"));
        assert!(pairs("=1").is_err());
    }

    #[test]
    fn strict_pairs_have_a_key_and_a_value_each() {
        assert_eq!(strict_pairs("a=b, c=d=e,").unwrap().len(), 2);
        for text in ["a", "a=", "=b", "a=b,c"] {
            assert!(strict_pairs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cache_specification_keeps_its_commas() {
        assert_eq!(specifications("type=registry,ref=a/b"), ["type=registry,ref=a/b"]);
        assert_eq!(specifications("type=registry,ref=a ; b"), ["type=registry,ref=a", "b"]);
        assert_eq!(specifications("a, b,"), ["a", "b"]);
    }
}
