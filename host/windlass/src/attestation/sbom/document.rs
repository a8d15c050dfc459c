//! The document: SPDX 2.3.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::package::Package;
use crate::attestation::Facts;
use crate::images::Member;

pub(crate) const PREDICATE: &str = "https://spdx.dev/Document";
const UNKNOWN: &str = "NOASSERTION";

/// The document about the image `member`.
pub(crate) fn predicate(packages: &BTreeSet<Package>, facts: &Facts<'_>, member: &Member) -> Value {
    let digest = member.manifest.digest();
    let licenses: Vec<&str> =
        packages.iter().filter_map(|package| package.license.as_deref()).collect::<BTreeSet<_>>().into_iter().collect();
    let listed: Vec<Value> = packages.iter().enumerate().map(|(number, package)| described(package, number, &licenses)).collect();
    let relationships: Vec<Value> = (0..packages.len())
        .map(|number| json!({"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id(number)}))
        .collect();
    let mut document = json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": digest.to_string(),
        "documentNamespace": format!("https://github.com/windlass-build/windlass/sbom/{}", digest.hex()),
        "creationInfo": {
            "created": facts.created(), "creators": [format!("Tool: windlass-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": listed, "relationships": relationships,
    });
    if !licenses.is_empty() {
        let license = |(number, text): (usize, &&str)| json!({"licenseId": license_id(number), "extractedText": text});
        document["hasExtractedLicensingInfos"] = licenses.iter().enumerate().map(license).collect();
    }
    document
}

fn id(number: usize) -> String {
    format!("SPDXRef-Package-{number}")
}

/// Packages name licenses as their distribution does. Where they stand they are quoted: not all are expressions of SPDX.
fn license_id(number: usize) -> String {
    format!("LicenseRef-{number}")
}

fn described(package: &Package, number: usize, licenses: &[&str]) -> Value {
    let license = package.license.as_deref().and_then(|license| licenses.binary_search(&license).ok());
    let supplier = package.supplier.as_deref().map(one_line).filter(|supplier| !supplier.is_empty());
    let mut described = json!({
        "SPDXID": id(number), "name": package.name, "versionInfo": package.full_version(),
        "supplier": supplier.map_or_else(|| UNKNOWN.to_owned(), |supplier| format!("Organization: {supplier}")),
        "downloadLocation": UNKNOWN, "filesAnalyzed": false, "licenseConcluded": UNKNOWN,
        "licenseDeclared": license.map_or_else(|| UNKNOWN.to_owned(), license_id), "copyrightText": UNKNOWN,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.url(),
        }],
    });
    if let Some(source) = &package.source {
        described["sourceInfo"] = json!(format!("built from {source}"));
    }
    described
}

fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ").trim().to_owned()
}
