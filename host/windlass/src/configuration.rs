//! The configuration file: what a platform team sets once for every run on a machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use windlass_core::{Finding, Place};
use windlass_runtime::Limits;

use crate::cache::StoreLimit;
use crate::environment::{Environment, config_home};

/// The form of `config.toml`. Unknown keys are refused: a misspelt policy must not go unnoticed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Configuration {
    /// `HOST = "URL"`: where registries are reached.
    pub registry_map: BTreeMap<String, String>,
    /// Registries that are spoken to over plain HTTP.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// Component files of further plugins.
    pub plugins: Vec<PathBuf>,
    /// Tag policies that every step's tags go through: built-in names or component files.
    pub tag_policies: Vec<String>,
    /// Policies that every run must pass: built-in names or component files.
    pub policies: Vec<String>,
    /// What plugins of the user's own may use: `my-plugin = ["ci-channel"]`, names of grants that they declare.
    pub grants: BTreeMap<String, Vec<String>>,
    /// How much one call of a plugin may use.
    pub limits: Limits,
    /// Settings of plugins: `[settings.base-images]` and so on.
    pub settings: BTreeMap<String, BTreeMap<String, Value>>,
    /// Where layers and caches are kept.
    pub store: Option<PathBuf>,
    /// How large they may be when a build ends: a size, or `none`.
    pub store_limit: StoreLimit,
}

/// A setting's value in the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A table of texts.
    Pairs(BTreeMap<String, String>),
}

/// Reads the configuration: `named` if given, else `windlass/config.toml` in the configuration directory if it is there.
///
/// # Errors
/// When a named file is not there, or the file cannot be read or is wrong.
pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Configuration, Finding> {
    let path = named.map_or_else(|| config_home(environment).join("windlass/config.toml"), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path),
        Err(error)
            if named.is_none() && matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(Configuration::default())
        }
        Err(error) => {
            Err(Finding::deny("configuration/unreadable", format!("cannot read configuration file {}: {error}", path.display()))
                .help("name another file with --config or WINDLASS_CONFIG"))
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<Configuration, Finding> {
    let mut configuration: Configuration = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text.as_bytes()[..start];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let place = Place {
            file: path.display().to_string(),
            line: number(before.iter().filter(|&&b| b == b'\n').count() + 1),
            column: number(String::from_utf8_lossy(&before[line_start..]).chars().count() + 1),
            length: 0,
        };
        Finding::deny("configuration/invalid", error.message().to_owned()).at(place)
    })?;
    // Paths in the file are relative to the file, so that it may be checked in beside its plugins.
    let directory = path.parent().unwrap_or(Path::new("."));
    configuration.plugins.iter_mut().for_each(|plugin| *plugin = directory.join(&*plugin));
    let named = configuration.policies.iter_mut().chain(&mut configuration.tag_policies);
    named.filter(|name| is_file(name)).for_each(|name| *name = directory.join(&*name).display().to_string());
    configuration.store = configuration.store.map(|store| directory.join(store));
    Ok(configuration)
}

/// Whether a text names a plugin's component file, and not the plugin itself.
pub(crate) fn is_file(name: &str) -> bool {
    name.contains('/') || name.ends_with(".wasm")
}

/// Reads `HOST=URL` entries.
///
/// # Errors
/// Every entry that is none.
pub fn registry_map(entries: &[String]) -> Result<Vec<(String, String)>, Vec<Finding>> {
    let (mut map, mut problems) = (Vec::new(), Vec::new());
    for entry in entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty()) {
        match entry.split_once('=') {
            Some((host, url)) if !host.is_empty() && (url.starts_with("http://") || url.starts_with("https://")) => {
                map.push((host.to_owned(), url.to_owned()));
            }
            _ => problems.push(
                Finding::deny("settings/value", format!("`{entry}` is not HOST=URL"))
                    .about("--registry-map")
                    .help("write such as `registry.example.com=http://127.0.0.1:5000`"),
            ),
        }
    }
    if problems.is_empty() { Ok(map) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        let text = "plugins = [\"p.wasm\"]\npolicies = [\"base-images\", \"q.wasm\"]\n[settings.base-images]\nallow = [\"a/*\"]\n[registry-map]\n\"h\" = \"http://x\"\n";
        let configuration = parse(text, Path::new("/etc/windlass/config.toml")).unwrap();
        assert_eq!(configuration.plugins, [PathBuf::from("/etc/windlass/p.wasm")]);
        assert_eq!(configuration.policies, ["base-images", "/etc/windlass/q.wasm"]);
        assert_eq!(configuration.settings["base-images"]["allow"], Value::Texts(vec!["a/*".to_owned()]));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let finding = parse("store = \"x\"\npolicy = [\"base-images\"]\n", Path::new("c.toml")).unwrap_err();
        assert_eq!(finding.place.as_ref().unwrap().line, 2);
        assert!(finding.message.contains("policy"), "{finding:?}");
    }

    #[test]
    fn map_entries_are_host_and_url() {
        let entries = ["h=http://127.0.0.1:1".to_owned(), "x".to_owned()];
        assert_eq!(registry_map(&entries[..1]).unwrap(), [("h".to_owned(), "http://127.0.0.1:1".to_owned())]);
        assert!(registry_map(&entries).unwrap_err()[0].message.contains("`x`"));
    }
}
