//! Provenance and bills of materials: fetched by skopeo, and read by the libraries of in-toto and SPDX.

use serde_json::{Value, json};
use windlass_e2e::base_images::{Busybox, architecture, foreign_architecture};
use windlass_e2e::{DockerRegistry, Image, Workspace, attested, skopeo};

fn place() -> (DockerRegistry, Workspace, String) {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = Busybox::default().push(&registry, "base:latest");
    workspace.write("status", "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n");
    workspace.write("Cargo.lock", "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\n");
    workspace.write(
        "Dockerfile",
        format!("FROM {base}\nARG OPEN\nARG TOKEN\nCOPY status /var/lib/dpkg/\nCOPY Cargo.lock /app/\nRUN --mount=type=secret,id=s true\n"),
    );
    (registry, workspace, base)
}

/// The statements about the image of `subject`, by their predicate types.
pub(super) fn statements(registry: &DockerRegistry, repository: &str, index: &Value, subject: &str) -> Vec<(String, Value)> {
    let entry = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["annotations"]["vnd.docker.reference.digest"] == subject);
    let entry = entry.unwrap_or_else(|| panic!("nothing is attested of {subject}: {index}"));
    assert_eq!(entry["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(entry["platform"], json!({"architecture": "unknown", "os": "unknown"}));
    let digest = entry["digest"].as_str().unwrap();
    let manifest = skopeo::raw(&format!("docker://{}/{repository}@{digest}", registry.host()));
    let mut texts = Vec::new();
    let statement = |layer: &Value| {
        assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
        let text = std::fs::read_to_string(registry.blob(layer["digest"].as_str().unwrap())).unwrap();
        let statement: Value = serde_json::from_str(&text).unwrap();
        texts.push(text);
        assert_eq!(statement["predicateType"], layer["annotations"]["in-toto.io/predicate-type"]);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], subject.trim_start_matches("sha256:"));
        (statement["predicateType"].as_str().unwrap().to_owned(), statement["predicate"].clone())
    };
    let told: Vec<(String, Value)> = manifest["layers"].as_array().unwrap().iter().map(statement).collect();
    assert_eq!(attested::predicate_types(&texts), told.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>());
    told
}

#[test]
fn an_image_says_where_it_comes_from_and_what_it_is_made_of_and_no_secret() {
    let (registry, workspace, base) = place();
    let name = format!("{}/app:1", registry.host());
    let options = [
        "build",
        ".",
        "-t",
        &name,
        "--push",
        "--provenance=mode=max,builder-id=https://ci.example/runner",
        "--sbom",
        "--build-arg",
        "OPEN=shown",
        "--build-arg",
        "TOKEN",
    ];
    let run = workspace.windlass(options).args(["--secret", "id=s,env=SECRET"]);
    let run = run.env("TOKEN", "canary-argument").env("SECRET", "canary-secret").run().succeeds();
    let index = skopeo::raw(&format!("docker://{name}"));
    let image = Image::read_for(architecture(), &format!("docker://{name}"));
    assert_eq!(index["manifests"][0]["digest"], image.digest.as_str(), "{}", run.all());
    let told = statements(&registry, "app", &index, &image.digest);
    let of = |kind: &str| {
        told.iter().find(|(known, _)| known == kind).unwrap_or_else(|| panic!("{kind} is missing: {told:?}")).1.clone()
    };
    let provenance = of("https://slsa.dev/provenance/v1");
    let definition = &provenance["buildDefinition"];
    assert_eq!(definition["externalParameters"]["configSource"]["path"], "Dockerfile");
    assert_eq!(definition["externalParameters"]["request"]["args"], json!({"build-arg:OPEN": "shown", "build-arg:TOKEN": null}));
    let base_digest = skopeo::inspect(&base, None)["Digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    assert_eq!(definition["resolvedDependencies"][0]["digest"]["sha256"], base_digest);
    assert_eq!(provenance["runDetails"]["builder"]["id"], "https://ci.example/runner");
    let packages = of("https://spdx.dev/Document");
    assert_eq!(packages["spdxVersion"], "SPDX-2.3");
    let urls: Vec<&str> = packages["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["externalRefs"][0]["referenceLocator"].as_str().unwrap())
        .collect();
    assert_eq!(urls, ["pkg:cargo/serde@1.0.1", "pkg:deb/debian/libc6@2.36-9"]);
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
}

#[test]
fn every_platform_is_attested_and_nothing_is_without_being_asked_for() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\nARG TARGETARCH\nLABEL is=$TARGETARCH\n");
    let name = format!("{}/app:1", registry.host());
    let platforms = format!("linux/{},linux/{}", architecture(), foreign_architecture());
    let build = |options: &[&str]| {
        let run =
            workspace.windlass(["build", ".", "-t", &name, "--push"]).args(options).env("SOURCE_DATE_EPOCH", "1700000000").run();
        run.succeeds().stdout
    };
    let first = build(&["--platform", &platforms, "--provenance"]);
    let index = skopeo::raw(&format!("docker://{name}"));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4);
    for architecture in [architecture(), foreign_architecture()] {
        let digest = Image::read_for(architecture, &format!("docker://{name}")).digest;
        assert_eq!(statements(&registry, "app", &index, &digest).len(), 1);
    }
    assert_eq!(build(&["--platform", &platforms, "--provenance", "--no-cache"]), first, "with an epoch it is reproducible");
    build(&["--provenance=false", "--sbom=false"]);
    assert_eq!(skopeo::raw(&format!("docker://{name}"))["mediaType"], "application/vnd.oci.image.manifest.v1+json");
}
