//! The exec form: a JSON array of strings, or else plain text.

use serde_json::Value;

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// An array of strings.
    Strings(Vec<String>),
    /// An array with something else in it, which is a mistake.
    OtherArray,
    /// No array: the plain form.
    Text,
}

/// Reads `text`. What begins with `[` but is no JSON is plain text, too.
pub(super) fn read(text: &str) -> Json {
    if !text.trim_start().starts_with('[') {
        return Json::Text;
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(text) else { return Json::Text };
    let strings: Option<Vec<String>> = values
        .into_iter()
        .map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
        .collect();
    strings.map_or(Json::OtherArray, Json::Strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arrays_of_strings_are_the_exec_form() {
        assert_eq!(read(r#" [ "a\t\u00e9" , "" ] "#), Json::Strings(vec!["a\té".to_owned(), String::new()]));
        assert_eq!(read("[]"), Json::Strings(vec![]));
        assert_eq!(read(r#"["a", 1]"#), Json::OtherArray);
        for text in ["['a']", r#"["a"] # c"#, r#"["c:\x"]"#, "[ -f x ]", "echo []", ""] {
            assert_eq!(read(text), Json::Text, "{text}");
        }
    }
}
