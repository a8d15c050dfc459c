//! The files that a run writes for CI systems.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use windlass_core::{Digest, Plan};

use crate::files::replace;
use crate::report::{ImageReport, Report};
use crate::step::{ExportKind, Outputs};

/// An output that could not be written; the image is not affected.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {kind} {}", path.display())]
pub struct OutputError {
    kind: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// Writes everything that the step asks for about `image`. One that fails does not keep the others from being written.
pub(crate) fn write(outputs: &Outputs, plan: &Plan, image: &ImageReport) -> Vec<OutputError> {
    let digest = image.digest.as_str();
    let mut errors = Vec::new();
    let mut file = |kind: &'static str, path: &Option<PathBuf>, content: &dyn Fn() -> String| {
        if let Some(path) = path {
            errors.extend(written(path, content().as_bytes()).err().map(|source| OutputError {
                kind,
                path: path.clone(),
                source,
            }));
        }
    };
    file("the digest file", &outputs.digest_file, &|| digest.to_owned());
    // An index has no configuration: as with buildx, its own digest is the image's id then.
    file("the image id file", &outputs.image_id_file, &|| image.config.as_ref().unwrap_or(&image.digest).to_string());
    file("the artifact file", &outputs.artifact_file, &|| artifact(plan, &image.digest));
    file("the name and digest file", &outputs.name_with_digest_file, &|| names(plan, false, digest));
    file("the name, tag and digest file", &outputs.name_tag_with_digest_file, &|| names(plan, true, digest));
    file("the metadata file", &outputs.metadata_file, &|| metadata(plan, image));
    for path in &outputs.output_files {
        let lines = variables(outputs, plan, image);
        errors.extend(append(path, &lines).err().map(|source| OutputError {
            kind: "the outputs file",
            path: path.clone(),
            source,
        }));
    }
    errors
}

/// Writes the report.
pub(crate) fn write_report(path: &Path, report: &Report) -> Result<(), OutputError> {
    let text = serde_json::to_vec_pretty(report).map_err(std::io::Error::other);
    text.and_then(|text| written(path, &text)).map_err(|source| OutputError { kind: "the report", path: path.to_owned(), source })
}

/// The `docker/v1` form that Harness reads for its Artifacts tab: every reference with its registry, derived tags included.
fn artifact(plan: &Plan, digest: &Digest) -> String {
    let kind = plan.destinations.first().map_or("Docker", |destination| destination.kind.as_str());
    let registry = plan.destinations.first().map_or("", |destination| destination.registry.as_str());
    let images: Vec<_> = references(plan).map(|image| json!({"image": image, "digest": digest})).collect();
    let document = json!({"kind": "docker/v1", "data": {"registryType": kind, "registryUrl": registry, "images": images}});
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
    // Writing a JSON value into memory cannot fail.
    let _ = serde::Serialize::serialize(&document, &mut serializer);
    String::from_utf8_lossy(&text).into_owned()
}

fn references(plan: &Plan) -> impl Iterator<Item = String> {
    plan.destinations.iter().flat_map(|d| d.tags.iter().map(move |tag| format!("{}/{}:{tag}", d.registry, d.repository)))
}

fn names(plan: &Plan, with_tags: bool, digest: &str) -> String {
    let lines: Vec<String> = if with_tags {
        references(plan).map(|reference| format!("{reference}@{digest}\n")).collect()
    } else {
        plan.destinations.iter().map(|d| format!("{}/{}@{digest}\n", d.registry, d.repository)).collect()
    };
    lines.concat()
}

fn metadata(plan: &Plan, image: &ImageReport) -> String {
    let mut document = serde_json::Map::new();
    if let Some(config) = &image.config {
        document.insert("containerimage.config.digest".to_owned(), json!(config));
    }
    let mut descriptor = json!({"mediaType": image.media_type, "digest": image.digest, "size": image.manifest_size});
    if !image.annotations.is_empty() {
        descriptor["annotations"] = json!(image.annotations);
    }
    document.insert("containerimage.descriptor".to_owned(), descriptor);
    document.insert("containerimage.digest".to_owned(), json!(image.digest));
    let names: Vec<String> = references(plan).collect();
    if !names.is_empty() {
        document.insert("image.name".to_owned(), json!(names.join(",")));
    }
    format!("{:#}\n", serde_json::Value::Object(document))
}

fn variables(outputs: &Outputs, plan: &Plan, image: &ImageReport) -> String {
    let mut lines = format!("digest={}\n", image.digest);
    if let Some(archive) = outputs.exports_of(ExportKind::DockerArchive).next() {
        lines += &format!("IMAGE_TAR_PATH={}\n", archive.place);
    }
    if let Some(reference) = references(plan).next() {
        lines += &format!("image={reference}\n");
    }
    lines
}

fn written(path: &Path, content: &[u8]) -> std::io::Result<()> {
    replace(path, &|file| file.write_all(content))
}

fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use windlass_core::Tag;
    use windlass_core::plan::{Build, Destination, Engine};

    use super::*;

    fn plan() -> Plan {
        Plan {
            destinations: vec![Destination {
                registry: "1.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
                repository: "team/app".to_owned(),
                tags: vec![Tag::parse("1").unwrap(), Tag::parse("1.2").unwrap()],
                adapter: "ecr".to_owned(),
                kind: "ECR".to_owned(),
            }],
            push: true,
            engine: Engine { name: "windlass".to_owned(), command: Vec::new(), hand_off: None },
            plugins: Vec::new(),
            build: Build {
                context: ".".to_owned(),
                dockerfile: Some("Dockerfile".to_owned()),
                archive: None,
                target: None,
                platforms: Vec::new(),
                build_args: Vec::new(),
                labels: Vec::new(),
                squash: false,
                cache_repository: None,
                cache_from: Vec::new(),
                cache_to: Vec::new(),
                bases: Vec::new(),
            },
            outputs: Vec::new(),
            settings: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn image() -> ImageReport {
        let digest = Digest::from_sha256([1; 32]);
        ImageReport {
            digest: digest.clone(),
            media_type: "m".to_owned(),
            manifest_size: 1,
            annotations: Default::default(),
            config: Some(Digest::from_sha256([2; 32])),
            size: 1,
            layers: 1,
            platforms: Vec::new(),
        }
    }

    #[test]
    fn the_artifact_file_names_every_tag_with_its_registry() {
        let value: serde_json::Value = serde_json::from_str(&artifact(&plan(), &image().digest)).unwrap();
        assert_eq!(value["kind"], "docker/v1");
        assert_eq!(value["data"]["registryType"], "ECR");
        assert_eq!(value["data"]["images"][1]["image"], "1.dkr.ecr.us-east-1.amazonaws.com/team/app:1.2");
    }

    #[test]
    fn one_output_that_fails_does_not_keep_the_others_back() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::fs::write(at("out.env"), "OLD=1\n").unwrap();
        let outputs = Outputs {
            digest_file: Some(at("file/below")),
            artifact_file: Some(at("new/dir/artifact")),
            output_files: vec![at("out.env")],
            ..Outputs::default()
        };
        let errors = write(&outputs, &plan(), &image());
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("digest file"));
        assert!(at("new/dir/artifact").is_file());
        let appended = std::fs::read_to_string(at("out.env")).unwrap();
        assert!(appended.starts_with("OLD=1\ndigest=sha256:0101"), "{appended}");
    }
}
