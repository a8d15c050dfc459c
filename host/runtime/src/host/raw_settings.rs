//! `raw-settings`: settings as some CI wrote them. What the dialect does not declare, or declares as secret, it never sees.

use async_trait::async_trait;
use wasmtime::component::Resource;
use windlass_core::setting::{Kind, Origin, Spec};
use windlass_core::{Place, Secret};

use crate::bindings::host::raw_settings::{Host, HostRawSettings, RawKind};
use crate::call::HostState;
use crate::host::handle::RawHandle;

/// The files of the working directory, for settings that name one.
#[async_trait]
pub trait Files: Send + Sync {
    /// The text of a file; none when it does not exist.
    ///
    /// # Errors
    /// Why it cannot be read: it lies outside the directory, is too large, or is no text. For people.
    async fn read(&self, path: &str) -> Result<Option<String>, String>;
}

/// Settings as they were written: a YAML tree, or a list of variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    /// The entries, in the order written.
    pub entries: Vec<RawEntry>,
}

/// One entry: a key of a map, or a variable.
#[derive(Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// The key, or the variable's name.
    pub name: String,
    /// The value.
    pub value: RawValue,
    /// Where it came from.
    pub origin: Origin,
}

/// A value as it was written. Numbers and flags are the text that stands there; nothing (`null`) is an empty text.
#[derive(Clone, PartialEq, Eq)]
pub enum RawValue {
    /// A scalar.
    Text(String),
    /// A list of scalars.
    Texts(Vec<String>),
    /// A map; or a list of maps, whose keys are then `0`, `1`, ….
    Map(Vec<RawEntry>),
}

/// The value may be a secret, so it is not shown.
impl std::fmt::Debug for RawEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawEntry").field("name", &self.name).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The shape of the value; it may be a secret, so it is not shown.
impl std::fmt::Debug for RawValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Texts(_) => "Texts(…)",
            Self::Map(_) => "Map(…)",
        })
    }
}

/// One name as the dialect knows it, with its value.
#[derive(Debug, Clone)]
pub(crate) struct RawName {
    pub(crate) name: String,
    pub(crate) value: RawValue,
    pub(crate) origin: Origin,
    access: Access,
}

/// Whether the dialect sees a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Given,
    Secret,
    Hidden,
}

impl Raw {
    /// Takes the tree apart into names: a map that the dialect declares as pairs stays whole, any other becomes its entries with
    /// dots between the keys. A secret without text counts as not given.
    pub(crate) fn names(&self, specs: &[Spec]) -> Vec<RawName> {
        let mut names = Vec::new();
        flatten("", &self.entries, specs, &mut names);
        names
    }
}

impl Raw {
    /// Where a name stands; for one that was not written, where its nearest parent stands.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<Place> {
        let (mut entries, mut rest, mut place) = (&self.entries, name, None);
        loop {
            let below = |entry: &RawEntry| rest == entry.name || rest.starts_with(&format!("{}.", entry.name));
            let Some(entry) = entries.iter().find(|entry| below(entry)) else { return place };
            place = entry.origin.place.clone().or(place);
            match &entry.value {
                RawValue::Map(inner) if rest.len() > entry.name.len() => {
                    (entries, rest) = (inner, &rest[entry.name.len() + 1..]);
                }
                _ => return place,
            }
        }
    }
}

impl RawName {
    /// Whether the dialect sees the value.
    pub(crate) fn is_given(&self) -> bool {
        self.access == Access::Given
    }

    /// The value, when it is a secret.
    pub(crate) fn secret(&self) -> Option<Secret> {
        match (self.access, &self.value) {
            (Access::Secret, RawValue::Text(text)) => Some(Secret::new(text.clone())),
            _ => None,
        }
    }

    /// The value as it may be shown in a plan.
    pub(crate) fn shown(&self) -> Option<String> {
        match (self.access, &self.value) {
            (Access::Secret, _) => Some("[redacted]".to_owned()),
            (Access::Hidden, _) => None,
            (Access::Given, RawValue::Text(text)) => Some(text.clone()),
            (Access::Given, RawValue::Texts(texts)) => Some(texts.join(",")),
            (Access::Given, RawValue::Map(entries)) => {
                let pairs: Vec<String> = entries.iter().filter_map(pair).map(|(key, value)| format!("{key}={value}")).collect();
                Some(pairs.join(","))
            }
        }
    }
}

fn flatten(prefix: &str, entries: &[RawEntry], specs: &[Spec], names: &mut Vec<RawName>) {
    for entry in entries {
        let name = if prefix.is_empty() { entry.name.clone() } else { format!("{prefix}.{}", entry.name) };
        let declared = specs.iter().find(|spec| spec.name == name || spec.aliases.contains(&name)).map(|spec| spec.kind);
        match (&entry.value, declared) {
            (RawValue::Map(inner), kind) if kind != Some(Kind::Pairs) || !all_texts(inner) => {
                flatten(&name, inner, specs, names);
            }
            (RawValue::Text(text), Some(Kind::Secret)) if text.is_empty() => {}
            (value, kind) => {
                let access = match kind {
                    Some(Kind::Secret) => Access::Secret,
                    Some(_) => Access::Given,
                    None => Access::Hidden,
                };
                names.push(RawName { name, value: value.clone(), origin: entry.origin.clone(), access });
            }
        }
    }
}

fn all_texts(entries: &[RawEntry]) -> bool {
    entries.iter().all(|entry| matches!(entry.value, RawValue::Text(_)))
}

impl RawHandle {
    fn find(&self, name: &str) -> Option<&RawName> {
        self.0.iter().find(|raw| raw.name == name)
    }

    fn given(&self, name: &str) -> Option<&RawValue> {
        self.find(name).filter(|raw| raw.access == Access::Given).map(|raw| &raw.value)
    }
}

impl Host for HostState {}

impl HostRawSettings for HostState {
    fn names(&mut self, handle: Resource<RawHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.0.iter().map(|raw| raw.name.clone()).collect())
    }

    fn is_set(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<bool> {
        Ok(self.get(&handle)?.find(&name).is_some())
    }

    fn is_secret(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<bool> {
        Ok(self.get(&handle)?.find(&name).is_some_and(|raw| raw.access == Access::Secret))
    }

    fn kind(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<Option<RawKind>> {
        Ok(self.get(&handle)?.find(&name).map(|raw| match (raw.access, &raw.value) {
            (Access::Secret, _) => RawKind::Secret,
            (Access::Hidden, _) => RawKind::Hidden,
            (Access::Given, RawValue::Text(_)) => RawKind::Text,
            (Access::Given, RawValue::Texts(_)) => RawKind::Texts,
            (Access::Given, RawValue::Map(_)) => RawKind::Pairs,
        }))
    }

    fn text(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(match self.get(&handle)?.given(&name) {
            Some(RawValue::Text(text)) => Some(text.clone()),
            _ => None,
        })
    }

    fn texts(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<Option<Vec<String>>> {
        Ok(match self.get(&handle)?.given(&name) {
            Some(RawValue::Texts(texts)) => Some(texts.clone()),
            _ => None,
        })
    }

    fn pairs(&mut self, handle: Resource<RawHandle>, name: String) -> wasmtime::Result<Option<Vec<(String, String)>>> {
        Ok(match self.get(&handle)?.given(&name) {
            Some(RawValue::Map(entries)) => Some(entries.iter().filter_map(pair).collect()),
            _ => None,
        })
    }

    fn drop(&mut self, handle: Resource<RawHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

fn pair(entry: &RawEntry) -> Option<(String, String)> {
    match &entry.value {
        RawValue::Text(text) => Some((entry.name.clone(), text.clone())),
        RawValue::Texts(_) | RawValue::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn spec(name: &str, kind: Kind) -> Spec {
        Spec {
            name: name.to_owned(),
            aliases: Vec::new(),
            kind,
            default: None,
            required: false,
            choices: Vec::new(),
            help: String::new(),
        }
    }

    fn entry(name: &str, value: RawValue) -> RawEntry {
        RawEntry { name: name.to_owned(), value, origin: Origin::named(name) }
    }

    fn text(name: &str, text: &str) -> RawEntry {
        entry(name, RawValue::Text(text.to_owned()))
    }

    #[test]
    fn maps_become_dotted_names_unless_they_are_declared_as_pairs() {
        let labels = entry("labels", RawValue::Map(vec![text("a.b", "1")]));
        let variables = entry("envVariables", RawValue::Map(vec![text("PLUGIN_X", "2")]));
        let raw = Raw { entries: vec![entry("spec", RawValue::Map(vec![labels, variables]))] };
        let names = raw.names(&[spec("spec.labels", Kind::Pairs)]);
        let shown: Vec<_> = names.iter().map(|raw| (raw.name.as_str(), raw.access)).collect();
        assert_eq!(shown, [("spec.labels", Access::Given), ("spec.envVariables.PLUGIN_X", Access::Hidden)]);
    }

    #[test]
    fn a_name_that_is_missing_stands_where_its_parent_does() {
        let at = |name: &str, value, line| {
            let place = Place { file: "step.yaml".to_owned(), line, column: 1, length: 0 };
            RawEntry { name: name.to_owned(), value, origin: Origin { name: name.to_owned(), place: Some(place) } }
        };
        let region = at("region", RawValue::Text("x".to_owned()), 3);
        let raw = Raw { entries: vec![at("spec", RawValue::Map(vec![region]), 2)] };
        let line = |name: &str| raw.place(name).map(|place| place.line);
        assert_eq!((line("spec.region"), line("spec.account"), line("other")), (Some(3), Some(2), None));
    }

    #[test]
    fn secrets_and_undeclared_values_are_not_given_and_empty_secrets_do_not_count() {
        let raw =
            Raw { entries: vec![text("PASSWORD", "canary"), text("TOKEN", ""), text("OTHER", "canary"), text("REGION", "x")] };
        let specs = [spec("PASSWORD", Kind::Secret), spec("TOKEN", Kind::Secret), spec("REGION", Kind::Text)];
        let handle = RawHandle(Arc::new(raw.names(&specs)));
        assert_eq!(handle.0.len(), 3);
        assert!(handle.given("PASSWORD").is_none() && handle.given("OTHER").is_none());
        assert!(handle.given("REGION").is_some());
        assert!(!format!("{:?} {raw:?}", handle.0).contains("canary"));
    }
}
