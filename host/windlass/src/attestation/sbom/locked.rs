//! Lock files of languages.

use std::path::Path;

use serde_json::Value;

use super::package::Package;

const NAMES: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
];

pub(super) fn is_lock_file(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| NAMES.contains(&name))
}

/// The packages of a lock file; none of any other file, and none of one that cannot be read: it decides nothing.
pub(super) fn read(path: &Path, text: &str) -> Vec<Package> {
    let packages = match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
        "Cargo.lock" => toml_packages(text, "cargo"),
        "poetry.lock" => toml_packages(text, "pypi"),
        "package-lock.json" => npm(text),
        "Pipfile.lock" => pipfile(text),
        "composer.lock" => composer(text),
        "requirements.txt" => Some(requirements(text)),
        "go.sum" => Some(go(text)),
        "Gemfile.lock" => Some(gems(text)),
        _ => None,
    };
    packages.unwrap_or_default()
}

fn toml_packages(text: &str, kind: &str) -> Option<Vec<Package>> {
    let document: toml::Table = text.parse().ok()?;
    let packages = document.get("package")?.as_array()?;
    let package =
        |package: &toml::Value| Some(Package::new(kind, package.get("name")?.as_str()?, package.get("version")?.as_str()?));
    Some(packages.iter().filter_map(package).collect())
}

/// Versions 2 and 3 list packages by their place, version 1 as a tree.
fn npm(text: &str) -> Option<Vec<Package>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let mut found = Vec::new();
    if let Some(packages) = document["packages"].as_object() {
        for (place, package) in packages {
            if let (Some((_, name)), Some(version)) = (place.rsplit_once("node_modules/"), package["version"].as_str()) {
                found.push(Package::new("npm", package["name"].as_str().unwrap_or(name), version));
            }
        }
        return Some(found);
    }
    let mut pending: Vec<&Value> = vec![&document];
    while let Some(level) = pending.pop() {
        for (name, package) in level["dependencies"].as_object().into_iter().flatten() {
            found.extend(package["version"].as_str().map(|version| Package::new("npm", name, version)));
            pending.push(package);
        }
    }
    Some(found)
}

fn pipfile(text: &str) -> Option<Vec<Package>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let groups = ["default", "develop"].into_iter().filter_map(|group| document[group].as_object()).flatten();
    Some(
        groups
            .filter_map(|(name, package)| Some(Package::new("pypi", name, package["version"].as_str()?.strip_prefix("==")?)))
            .collect(),
    )
}

fn composer(text: &str) -> Option<Vec<Package>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let groups = ["packages", "packages-dev"].into_iter().filter_map(|group| document[group].as_array()).flatten();
    Some(
        groups
            .filter_map(|package| Some(Package::new("composer", package["name"].as_str()?, package["version"].as_str()?)))
            .collect(),
    )
}

/// Only requirements of one version tell what is there.
fn requirements(text: &str) -> Vec<Package> {
    let line = |line: &str| {
        let (name, version) = line.split(['#', ';']).next()?.split_once("==")?;
        let version = version.split_whitespace().next()?;
        Some(Package::new("pypi", name.split('[').next()?.trim(), version))
    };
    text.lines().filter_map(line).collect()
}

/// `MODULE VERSION[/go.mod] HASH`: only with the first form is the module itself there.
fn go(text: &str) -> Vec<Package> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        (!version.ends_with("/go.mod")).then(|| Package::new("golang", module, version))
    };
    text.lines().filter_map(line).collect()
}

/// Four spaces, a name, and its version in parentheses.
fn gems(text: &str) -> Vec<Package> {
    let line = |line: &str| {
        let rest = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?;
        let (name, version) = rest.strip_suffix(')')?.split_once(" (")?;
        Some(Package::new("gem", name, version))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        read(Path::new(name), text)
            .into_iter()
            .map(|package| format!("{}:{}@{}", package.kind, package.name, package.version))
            .collect()
    }

    #[test]
    fn every_kind_of_lock_file_is_read() {
        assert_eq!(
            found("a/Cargo.lock", "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\n"),
            ["cargo:serde@1.0.1"]
        );
        assert_eq!(found("poetry.lock", "[[package]]\nname = \"flask\"\nversion = \"3.0\"\n"), ["pypi:flask@3.0"]);
        let modern = r#"{"packages": {"": {"version": "9"}, "node_modules/a": {"version": "1"}, "node_modules/a/node_modules/@s/b": {"version": "2"}}}"#;
        assert_eq!(found("package-lock.json", modern), ["npm:a@1", "npm:@s/b@2"]);
        let old = r#"{"dependencies": {"a": {"version": "1", "dependencies": {"b": {"version": "2"}}}}}"#;
        assert_eq!(found("package-lock.json", old), ["npm:a@1", "npm:b@2"]);
        assert_eq!(found("Pipfile.lock", r#"{"default": {"x": {"version": "==1"}}}"#), ["pypi:x@1"]);
        assert_eq!(found("requirements.txt", "# c\nx==1.0 --hash=z\ny>=2\nz[extra]==3 ; python\n"), ["pypi:x@1.0", "pypi:z@3"]);
        assert_eq!(found("go.sum", "m.io/a v1.0.0 h1:x=\nm.io/a v1.0.0/go.mod h1:y=\n"), ["golang:m.io/a@v1.0.0"]);
        assert_eq!(found("Gemfile.lock", "GEM\n  specs:\n    rake (13.0)\n      dep (>= 1)\n"), ["gem:rake@13.0"]);
        assert_eq!(found("composer.lock", r#"{"packages": [{"name": "a/b", "version": "1"}]}"#), ["composer:a/b@1"]);
    }

    #[test]
    fn what_is_broken_tells_nothing() {
        assert!(NAMES.iter().all(|name| found(name, "\u{0}{").is_empty()));
    }
}
