//! Settings as some CI writes them, in few words.

use serde_json::Value;
use windlass_core::setting::Origin;
use windlass_runtime::host::raw_settings::{Raw, RawEntry, RawValue};

/// Variables of an environment.
#[must_use]
pub fn variables(variables: &[(&str, &str)]) -> Raw {
    let entry = |(name, value): &(&str, &str)| entry(name, name, RawValue::Text((*value).to_owned()));
    Raw { entries: variables.iter().map(entry).collect() }
}

/// A YAML tree, written as JSON: numbers and flags are the text that stands there, `null` is an empty text.
///
/// # Panics
/// When it is no object.
#[must_use]
pub fn json(tree: &Value) -> Raw {
    match value("", tree) {
        RawValue::Map(entries) => Raw { entries },
        RawValue::Text(_) | RawValue::Texts(_) => panic!("expected an object"),
    }
}

fn entry(name: &str, path: &str, value: RawValue) -> RawEntry {
    RawEntry { name: name.to_owned(), value, origin: Origin::named(path) }
}

fn value(path: &str, tree: &Value) -> RawValue {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match tree {
        Value::Object(map) => {
            RawValue::Map(map.iter().map(|(name, tree)| entry(name, &below(name), value(&below(name), tree))).collect())
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            RawValue::Texts(items.iter().map(text).collect())
        }
        Value::Array(items) => {
            let item = |(index, tree): (usize, &Value)| {
                let name = index.to_string();
                entry(&name, &below(&name), value(&below(&name), tree))
            };
            RawValue::Map(items.iter().enumerate().map(item).collect())
        }
        scalar => RawValue::Text(text(scalar)),
    }
}

fn text(scalar: &Value) -> String {
    match scalar {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_its_order_and_its_texts() {
        let raw = json(&serde_json::json!({ "type": "X", "spec": { "tags": ["1", 2], "push": true, "none": null } }));
        let RawValue::Map(spec) = &raw.entries[1].value else { panic!() };
        assert_eq!(spec[0].value, RawValue::Texts(vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(spec[1].value, RawValue::Text("true".to_owned()));
        assert_eq!((spec[2].origin.name.as_str(), &spec[2].value), ("spec.none", &RawValue::Text(String::new())));
    }
}
