//! Findings in the Static Analysis Results Interchange Format, version 2.1.0 (OASIS), which code review tools read.

use serde_json::{Value, json};
use windlass::check::{PREFIX, RULES};
use windlass_core::{Finding, Place, Severity};

/// A log with one run that has these findings as its results.
pub(crate) fn log(findings: &[Finding]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| json!({"id": format!("{PREFIX}{}", rule.name), "shortDescription": {"text": rule.description}}))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "windlass", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Deny => "error",
        Severity::Warn => "warning",
        Severity::Inform => "note",
    };
    let text = match &finding.help {
        Some(help) => format!("{}: {help}", finding.message),
        None => finding.message.clone(),
    };
    let locations: Vec<Value> = finding.place.iter().map(|place| json!({"physicalLocation": location(place)})).collect();
    json!({"ruleId": finding.rule, "level": level, "message": {"text": text}, "locations": locations})
}

fn location(place: &Place) -> Value {
    let mut location = json!({"artifactLocation": {"uri": uri(&place.file)}});
    if place.line > 0 {
        location["region"] = json!({"startLine": place.line});
    }
    if place.line > 0 && place.column > 0 {
        location["region"]["startColumn"] = place.column.into();
        if place.length > 0 {
            // The column behind the last character.
            location["region"]["endColumn"] = (place.column + place.length).into();
        }
    }
    location
}

/// A path as a URI: relative where the path is, so that a reader finds it in its own checkout.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a b/Dockerfile"), "a%20b/Dockerfile");
        assert_eq!(uri("/a:b"), "file:///a%3Ab");
    }

    #[test]
    fn what_is_not_known_of_a_place_is_left_out() {
        let place = |line, column, length| location(&Place { file: "x".to_owned(), line, column, length });
        assert_eq!(place(0, 0, 0), json!({"artifactLocation": {"uri": "x"}}));
        assert_eq!(place(2, 0, 0)["region"], json!({"startLine": 2}));
        assert_eq!(place(2, 3, 4)["region"], json!({"startLine": 2, "startColumn": 3, "endColumn": 7}));
    }
}
