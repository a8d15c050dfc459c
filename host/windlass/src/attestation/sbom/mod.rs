//! What an image is made of: SPDX 2.3, from the package databases and lock files in it.

mod installed;
mod locked;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use windlass_layer::{EntryKind, View, ViewError};

use super::Facts;
use crate::images::Member;

pub(super) const PREDICATE: &str = "https://spdx.dev/Document";
/// Databases and lock files are far smaller; a larger one is something else.
const LARGEST: u64 = 64 << 20;

/// A package, as a package URL (purl) names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    /// Such as `deb/debian` or `cargo`.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) version: String,
}

impl Package {
    fn new(kind: &str, name: &str, version: &str) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned(), version: version.to_owned() }
    }

    fn url(&self) -> String {
        format!("pkg:{}/{}@{}", self.kind, escaped(&self.name, true), escaped(&self.version, false))
    }
}

/// Percent-encoding of a purl's parts.
fn escaped(text: &str, may_have_slashes: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (may_have_slashes && byte == b'/');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Every package that a database or a lock file of the image names, each once.
pub(super) fn packages(view: &View) -> Result<BTreeSet<Package>, ViewError> {
    let text = |path: &Path| {
        Ok::<_, ViewError>(view.read_file(path, LARGEST)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let release = match text(Path::new("etc/os-release"))? {
        Some(release) => Some(release),
        None => text(Path::new("usr/lib/os-release"))?,
    };
    let distribution = installed::distribution(release.as_deref().unwrap_or_default());
    let mut packages = BTreeSet::new();
    for entry in view.walk(Path::new(""))? {
        let EntryKind::File { size, .. } = entry.kind else { continue };
        let is_wanted = installed::is_database(&entry.path) || locked::is_lock_file(&entry.path);
        if !is_wanted || size > LARGEST {
            continue;
        }
        let Some(text) = text(&entry.path)? else { continue };
        packages.extend(installed::read(&entry.path, &text, &distribution));
        packages.extend(locked::read(&entry.path, &text));
    }
    Ok(packages)
}

/// The document.
pub(super) fn predicate(packages: &BTreeSet<Package>, facts: &Facts<'_>, member: &Member) -> Value {
    let digest = member.manifest.digest();
    let id = |number: usize| format!("SPDXRef-Package-{number}");
    let listed: Vec<Value> = packages
        .iter()
        .enumerate()
        .map(|(number, package)| {
            json!({
                "SPDXID": id(number), "name": package.name, "versionInfo": package.version, "supplier": "NOASSERTION",
                "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "licenseConcluded": "NOASSERTION",
                "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
                "externalRefs": [{
                    "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.url(),
                }],
            })
        })
        .collect();
    let relationships: Vec<Value> = (0..packages.len())
        .map(|number| json!({"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id(number)}))
        .collect();
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": digest.to_string(),
        "documentNamespace": format!("https://github.com/windlass-build/windlass/sbom/{}", digest.hex()),
        "creationInfo": {
            "created": facts.created(), "creators": [format!("Tool: windlass-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": listed, "relationships": relationships,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_escaped() {
        assert_eq!(Package::new("deb/debian", "libstdc++6", "1:2+b~3").url(), "pkg:deb/debian/libstdc%2B%2B6@1%3A2%2Bb~3");
        assert_eq!(Package::new("npm", "@scope/name", "1.0.0").url(), "pkg:npm/%40scope/name@1.0.0");
    }
}
