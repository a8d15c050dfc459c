//! A Harness step file pushes to ECR.

use serde_json::json;
use windlass_e2e::Workspace;

use crate::ecr::{ACCOUNT, Ecr, HOST, TAG_BUILD, assert_application};

/// The example of Harness's documentation, with auto-tag switched on.
const STEP: &str = r#"
- step:
    type: BuildAndPushECR
    name: BuildAndPushECR_1
    identifier: BuildAndPushECR_1
    spec:
      connectorRef: YOUR_AWS_CONNECTOR_ID
      region: us-east-1
      account: "12345"
      imageName: test-image
      tags:
        - latest
      envVariables:
        PLUGIN_AUTO_TAG: "true"
"#;

#[test]
fn the_minimal_step_is_built_tagged_by_its_version_and_pushed() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("step.yaml", STEP);
    let run = ecr.for_run(workspace.windlass(["run", "step.yaml"]).envs(&TAG_BUILD)).run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["1", "1.2", "1.2.3"], "{}", run.all());
    let image = ecr.image("test-image", "1.2.3");
    assert_application(&image, "none");
    assert_eq!(ecr.image("test-image", "1").digest, image.digest);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(&image.digest), "{}", run.all());
    for tag in ["1", "1.2", "1.2.3"] {
        assert!(said.contains(&format!("{HOST}/test-image:{tag}")), "{tag}: {}", run.all());
    }
}

#[test]
fn a_step_without_auto_tag_pushes_the_tags_it_names() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace
        .write("step.yaml", STEP.replace("        - latest\n", "        - a\n        - b\n").replace("\"true\"", "\"false\""));
    ecr.for_run(workspace.windlass(["run", "step.yaml"]).envs(&TAG_BUILD)).run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["a", "b"]);
}

#[test]
fn the_optional_fields_of_a_step_reach_the_image() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    workspace.write(
        "src/docker/Dockerfile.prod",
        format!("FROM {} AS first\nARG FOO\nRUN echo $FOO > /foo\nFROM first AS other\nRUN false\n", ecr.base),
    );
    let fields = "      dockerfile: src/docker/Dockerfile.prod\n      context: src\n      target: first\n      optimize: true\n      \
                  labels:\n        team: build, tools\n      buildArgs:\n        FOO: one, two\n";
    workspace.write("step.yaml", STEP.replace("      envVariables:", &format!("{fields}      envVariables:")));
    ecr.for_run(workspace.windlass(["run", "step.yaml"])).run().succeeds();
    let image = ecr.image("test-image", "latest");
    assert_eq!(image.text("foo"), "one, two\n");
    assert_eq!(image.label("team"), Some("build, tools"));
}

#[test]
fn a_step_is_picked_from_a_whole_pipeline_by_its_identifier() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let step = |identifier: &str, tag: &str| {
        format!(
            "              - step:\n                  type: BuildAndPushECR\n                  name: {identifier} name\n                  identifier: {identifier}\n                  \
         spec: {{connectorRef: c, region: us-east-1, account: \"{ACCOUNT}\", imageName: test-image, tags: [{tag}]}}\n"
        )
    };
    let pipeline = format!(
        "pipeline:\n  identifier: p\n  stages:\n    - stage:\n        identifier: s\n        type: CI\n        spec:\n          execution:\n            steps:\n              \
         - step: {{type: Run, identifier: test, name: test, spec: {{command: make test}}}}\n{}{}",
        step("first", "one"),
        step("second", "two")
    );
    workspace.write("pipeline.yaml", pipeline);
    ecr.for_run(workspace.windlass(["run", "pipeline.yaml", "--step", "second"])).run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["two"]);
    let run = ecr.for_run(workspace.windlass(["run", "pipeline.yaml"])).run();
    run.fails_with(windlass_core::ExitCode::Settings).says("first").says("second").says("--step");
}

#[test]
fn a_role_is_used_for_the_repository_and_for_the_login() {
    const OTHER: &str = "222222222222";
    let (ecr, workspace) = (Ecr::of_account(OTHER), Workspace::new());
    ecr.write_application(&workspace);
    let step = STEP
        .replace(ACCOUNT, OTHER)
        .replace("PLUGIN_AUTO_TAG: \"true\"", "PLUGIN_CREATE_REPOSITORY: \"true\"\n        PLUGIN_SCAN_ON_PUSH: \"true\"");
    workspace.write("step.yaml", step);
    let host = HOST.replace(ACCOUNT, OTHER);
    let run = workspace.windlass(["run", "step.yaml"]).aws(&ecr.moto).map(&host, &ecr.registry.url());
    run.env("PLUGIN_USER_ROLE_ARN", format!("arn:aws:iam::{OTHER}:role/pusher")).run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["latest"]);
    let described = |key: &str| ecr.moto.ecr("us-east-1", key, "DescribeRepositories", &json!({}));
    let made = described(&ecr.moto.key_of(OTHER));
    assert_eq!(made["repositories"][0]["repositoryName"], "test-image", "{made}");
    assert_eq!(made["repositories"][0]["imageScanningConfiguration"]["scanOnPush"], true, "{made}");
    let own = described("AKIATEST");
    assert_eq!(own["repositories"], json!([]), "nothing is made in the account of the keys");
}

#[test]
fn a_repository_is_set_up_by_policy_files_once_and_again() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let lifecycle = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7},"action":{"type":"expire"}}]}"#;
    workspace.write("lifecycle.json", lifecycle);
    workspace.write(
        "step.yaml",
        STEP.replace(
            "PLUGIN_AUTO_TAG: \"true\"",
            "PLUGIN_CREATE_REPOSITORY: \"true\"\n        PLUGIN_LIFECYCLE_POLICY: lifecycle.json",
        ),
    );
    for _ in 0..2 {
        ecr.for_run(workspace.windlass(["run", "step.yaml"])).run().succeeds();
    }
    let input = json!({"registryId": ACCOUNT, "repositoryName": "test-image"});
    let policy = ecr.moto.ecr("us-east-1", "AKIATEST", "GetLifecyclePolicy", &input);
    assert!(policy["lifecyclePolicyText"].as_str().is_some_and(|text| text.contains("untagged")), "{policy}");
}
