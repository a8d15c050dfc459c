//! The documents of an OCI image layout: OCI image specification, "Image Layout".

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_core::{Platform, Reference};

use crate::image::Tree;

/// The file that makes a directory a layout, and what is in it.
pub(super) const MARKER: &str = "oci-layout";
/// The file that lists a layout's images.
pub(super) const INDEX: &str = "index.json";
const VERSION: &str = "1.0.0";
/// A tag, or whatever name is used within the layout.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole reference, as containerd and BuildKit write it.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";

/// What stands in the marker file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marker {
    image_layout_version: String,
}

impl Marker {
    pub(super) fn bytes() -> Vec<u8> {
        serde_json::to_vec(&Self { image_layout_version: VERSION.to_owned() }).expect("a record with a text is always JSON")
    }

    pub(super) fn is_known(&self) -> bool {
        self.image_layout_version.starts_with("1.")
    }
}

/// The tag of a name, as archives and layouts write it; `None` for a name by digest alone.
pub(super) fn tag(name: &Reference) -> Option<String> {
    match (name.tag(), name.digest()) {
        (Some(tag), _) => Some(tag.to_string()),
        (None, None) => Some("latest".to_owned()),
        (None, Some(_)) => None,
    }
}

/// The name of an image with its tag, where it has one.
pub(super) fn full_name(name: &Reference) -> String {
    tag(name).map_or_else(|| name.to_string(), |tag| format!("{}:{tag}", name.repository()))
}

/// The entries of an `index.json` for `tree`: one for each name, or one without a name.
pub(super) fn entries(tree: &Tree, names: &[Reference], platform: Option<&Platform>) -> Vec<Value> {
    let root = tree.descriptor();
    let entry = |name: Option<&Reference>| {
        let mut annotations = root.annotations.clone();
        if let Some(name) = name {
            annotations.insert(FULL_NAME.to_owned(), full_name(name));
            if let Some(tag) = tag(name) {
                annotations.insert(REF_NAME.to_owned(), tag);
            }
        }
        let mut entry = json!({"mediaType": root.media_type, "digest": root.digest, "size": root.size});
        if let Some(platform) = platform {
            entry["platform"] = json!({"architecture": platform.architecture(), "os": platform.os()});
            if let Some(variant) = platform.variant() {
                entry["platform"]["variant"] = variant.into();
            }
        }
        if !annotations.is_empty() {
            entry["annotations"] = json!(annotations);
        }
        entry
    };
    if names.is_empty() { vec![entry(None)] } else { names.iter().map(|name| entry(Some(name))).collect() }
}

/// An `index.json` with the `new` entries and those of `old` that they do not replace: an entry is replaced by one of
/// the same name, an unnamed one by any unnamed one.
pub(super) fn index(old: Option<Value>, new: Vec<Value>) -> Vec<u8> {
    let mut index = old.filter(Value::is_object).unwrap_or_else(|| json!({"schemaVersion": 2}));
    let name = |entry: &Value, key: &str| entry["annotations"][key].as_str().map(str::to_owned);
    let names = |entry: &Value| (name(entry, FULL_NAME), name(entry, REF_NAME));
    let is_replaced = |old: &Value| {
        new.iter().any(|new| match (names(old), names(new)) {
            ((Some(old), _), (Some(new), _)) => old == new,
            ((_, old), (_, new)) => old == new,
        })
    };
    let mut manifests = index["manifests"].as_array().cloned().unwrap_or_default();
    manifests.retain(|old| !is_replaced(old));
    manifests.extend(new);
    index["mediaType"] = crate::image::Format::Oci.index().into();
    index["manifests"] = manifests.into();
    serde_json::to_vec(&index).expect("a JSON value is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_same_name_are_replaced_and_others_stay() {
        let entry = |full: Option<&str>, tag: Option<&str>, digest: &str| {
            let mut annotations = serde_json::Map::new();
            annotations.extend(full.map(|name| (FULL_NAME.to_owned(), name.into())));
            annotations.extend(tag.map(|name| (REF_NAME.to_owned(), name.into())));
            json!({"digest": digest, "annotations": annotations})
        };
        let old = json!({"schemaVersion": 2, "manifests": [
            entry(Some("h/a:1"), Some("1"), "a"), entry(Some("h/b:1"), Some("1"), "b"), entry(None, Some("1"), "c"), entry(None, None, "d"),
        ]});
        let digests = |new| {
            let index: Value = serde_json::from_slice(&index(Some(old.clone()), vec![new])).unwrap();
            index["manifests"].as_array().unwrap().iter().map(|e| e["digest"].as_str().unwrap().to_owned()).collect::<String>()
        };
        assert_eq!(digests(entry(Some("h/a:1"), Some("1"), "N")), "bdN");
        assert_eq!(digests(entry(None, None, "N")), "abcN");
    }
}
