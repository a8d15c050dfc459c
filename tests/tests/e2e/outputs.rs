//! The files that a run writes for CI systems.

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::Workspace;

use crate::ecr::{Ecr, HOST, TAG_BUILD};

#[test]
fn every_output_tells_of_the_same_image() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("github-output", "before=1\n");
    let run = ecr.for_run(workspace.windlass(["run", "--from-env", "ecr", "--report", "out/report.json"]).envs(&TAG_BUILD));
    let run = run.envs(&[
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_AUTO_TAG", "true"),
        ("PLUGIN_ARTIFACT_FILE", "out/artifact.json"),
        ("PLUGIN_TAR_PATH", "out/image.tar"),
        ("PLUGIN_IMAGE_NAME_TAG_WITH_DIGEST_FILE", "out/names"),
        ("DRONE_OUTPUT", "out/drone"),
        ("GITHUB_OUTPUT", "github-output"),
    ]);
    run.args(["--set", "step.digest-file=out/digest"]).run().succeeds();
    let digest = ecr.image("test-image", "1.2.3").digest;
    assert_eq!(workspace.read("out/digest").trim(), digest);
    let image = |tag: &str| json!({"image": format!("{HOST}/test-image:{tag}"), "digest": digest});
    let artifact: Value = serde_json::from_str(&workspace.read("out/artifact.json")).unwrap();
    assert_eq!(artifact["kind"], "docker/v1");
    assert_eq!(artifact["data"]["registryType"], "ECR");
    assert!(artifact["data"]["registryUrl"].as_str().unwrap().contains(HOST), "{artifact}");
    assert_eq!(artifact["data"]["images"], json!([image("1"), image("1.2"), image("1.2.3")]));
    let names: Vec<String> = workspace.read("out/names").lines().map(str::to_owned).collect();
    assert_eq!(names, ["1", "1.2", "1.2.3"].map(|tag| format!("{HOST}/test-image:{tag}@{digest}")));
    let drone = workspace.read("out/drone");
    assert!(drone.lines().any(|line| line == format!("digest={digest}")), "{drone}");
    assert!(drone.lines().any(|line| line.starts_with("IMAGE_TAR_PATH=") && line.ends_with("out/image.tar")), "{drone}");
    let github = workspace.read("github-output");
    assert!(github.starts_with("before=1\n") && github.contains(&format!("digest={digest}\n")), "{github}");
    let report: Value = serde_json::from_str(&workspace.read("out/report.json")).unwrap();
    assert_eq!((&report["version"], &report["outcome"], &report["exit_code"]), (&json!(1), &json!("success"), &json!(0)));
    assert_eq!(report["image"]["digest"], digest.as_str());
    assert_eq!(report["pushed"], json!(["1", "1.2", "1.2.3"].map(|tag| format!("{HOST}/test-image:{tag}"))));
    assert_eq!(report["plan"]["destinations"][0]["tags"], json!(["1", "1.2", "1.2.3"]));
    assert!(report["steps"].as_array().is_some_and(|steps| steps.len() >= 3), "{report}");
}

#[test]
fn a_report_is_written_when_the_run_fails_too() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY absent /\n");
    workspace.windlass(["build", ".", "--report", "report.json", "--output", "oci:out"]).run().fails_with(ExitCode::Build);
    let report: Value = serde_json::from_str(&workspace.read("report.json")).unwrap();
    assert_eq!((&report["outcome"], &report["exit_code"], &report["image"]), (&json!("build"), &json!(6), &Value::Null));
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["message"].as_str().unwrap().contains("absent")), "{report}");
}

#[test]
fn a_dry_run_writes_what_it_can() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let run = ecr.for_run(workspace.windlass(["run", "--from-env", "ecr"])).envs(&[
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_DRY_RUN", "true"),
        ("PLUGIN_ARTIFACT_FILE", "artifact.json"),
        ("DRONE_OUTPUT", "drone"),
    ]);
    run.run().succeeds();
    assert!(workspace.read("drone").contains("digest=sha256:"));
    assert!(workspace.read("artifact.json").contains("docker/v1"));
    assert!(ecr.registry.tags("test-image").is_empty());
}

#[test]
fn an_output_that_cannot_be_written_does_not_undo_the_push() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("file", "");
    let run = ecr.for_run(workspace.windlass(["run", "--from-env", "ecr"])).envs(&[
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_ARTIFACT_FILE", "file/below/artifact.json"),
        ("DRONE_OUTPUT", "drone"),
    ]);
    run.run().fails_with(ExitCode::Output).says("file/below/artifact.json");
    assert_eq!(ecr.registry.tags("test-image"), ["latest"]);
    assert!(workspace.read("drone").contains("digest="));
}
