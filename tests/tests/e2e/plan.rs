//! `windlass plan` prints what `run` would do, and changes nothing.

use serde_json::{Value, json};
use windlass_e2e::{Workspace, ports};

use crate::ecr::{HOST, TAG_BUILD};

const STEP: &str = "type: BuildAndPushECR\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  region: us-east-1\n  account: \"12345\"\n  imageName: test-image\n  tags: [latest]\n  \
                    labels: {team: x}\n  envVariables: {PLUGIN_AUTO_TAG: \"true\"}\n";

/// The second example of Harness's documentation.
const GAR: &str = r#"
- step:
    identifier: pushGCR
    name: push GCR
    type: BuildAndPushGAR
    spec:
      connectorRef: GCR_CONNECTOR
      host: "us.gcr.io"
      projectID: "some-gcp-project"
      imageName: "some-image-name"
      tags:
        - "1.0"
        - "1.2"
      buildArgs:
        foo: bar
        hello: world
      labels:
        foo: bar
        hello: world
      target: dev-env
      context: "."
      dockerfile: "harnessDockerfile"
      remoteCacheImage: "test/cache"
      envVariables:
        PLUGIN_TAR_PATH: ./harnesstarpath
        PLUGIN_IMAGE_DOWNLOAD_RETRY: "2"
        PLUGIN_COMPRESSED_CACHING: "false"
        PLUGIN_USE_NEW_RUN: "true"
        PLUGIN_GARBAGE: yoyo
"#;

/// A place where nothing can be reached.
fn place() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM registry.example/base:1\nRUN true\n");
    workspace.write("step.yaml", STEP);
    workspace
}

fn offline(workspace: &Workspace, arguments: &[&str]) -> windlass_e2e::Run {
    let nowhere = format!("http://{}", ports::nobody_there());
    let run =
        workspace.windlass(arguments).env("AWS_ENDPOINT_URL", &nowhere).map(HOST, &nowhere).map("registry.example", &nowhere);
    run.envs(&TAG_BUILD).run()
}

fn names(values: &Value) -> Vec<&str> {
    values.as_array().unwrap().iter().map(|value| value["name"].as_str().unwrap()).collect()
}

#[test]
fn the_plan_as_json_is_complete_and_needs_no_network() {
    let workspace = place();
    let plan = offline(&workspace, &["plan", "step.yaml", "--format", "json"]).succeeds().json();
    let destination = &plan["destinations"][0];
    assert_eq!(plan["destinations"].as_array().unwrap().len(), 1);
    assert_eq!(destination["registry"], HOST);
    assert_eq!(destination["repository"], "test-image");
    assert_eq!(destination["tags"], json!(["1", "1.2", "1.2.3"]));
    assert_eq!(plan["engine"]["name"], "windlass");
    assert_eq!(plan["push"], true);
    let plugins = names(&plan["plugins"]);
    assert!(["harness-step", "ecr", "auto-tag"].iter().all(|name| plugins.contains(name)), "{plugins:?}");
    for plugin in plan["plugins"].as_array().unwrap() {
        assert!(
            plugin["digest"].as_str().unwrap().starts_with("sha256:") && !plugin["version"].as_str().unwrap().is_empty(),
            "{plugin}"
        );
    }
    assert_eq!(plan["build"]["labels"], json!([["team", "x"]]));
    let region = plan["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["origin"] == "spec.region")
        .expect("the region is listed");
    assert_eq!((&region["state"], &region["value"]), (&json!("used"), &json!("us-east-1")), "{region}");
    assert_eq!(region["place"]["line"], 6, "{region}");
}

#[test]
fn the_plan_as_a_table_is_for_people() {
    let workspace = place();
    let run = offline(&workspace, &["plan", "step.yaml"]).succeeds();
    for text in [HOST, "test-image", "1.2.3", "windlass", "auto-tag", "harness-step", "spec.region", "us-east-1"] {
        assert!(run.stdout.contains(text), "{text}: {}", run.all());
    }
}

#[test]
fn a_plan_changes_nothing() {
    let workspace = place();
    offline(&workspace, &["plan", "step.yaml"]).succeeds();
    let mut left: Vec<_> = std::fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["Dockerfile", "step.yaml"]);
}

#[test]
fn variables_give_the_same_plan_as_the_step_file() {
    let workspace = place();
    let nowhere = format!("http://{}", ports::nobody_there());
    let run =
        workspace.windlass(["plan", "--from-env", "ecr", "--format", "json"]).env("AWS_ENDPOINT_URL", nowhere).envs(&TAG_BUILD);
    let plan = run.envs(&[
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REGION", "us-east-1"),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_CUSTOM_LABELS", "team=x"),
        ("PLUGIN_AUTO_TAG", "true"),
    ]);
    let by_variables = plan.run().succeeds().json();
    let by_file = offline(&workspace, &["plan", "step.yaml", "--format", "json"]).succeeds().json();
    for part in ["destinations", "engine", "build", "push"] {
        assert_eq!(by_variables[part], by_file[part], "{part}");
    }
}

#[test]
fn every_variable_of_the_second_example_is_accounted_for() {
    let workspace = place();
    workspace.write("harnessDockerfile", "FROM registry.example/base:1 AS dev-env\nRUN true\n");
    workspace.write("gar.yaml", GAR);
    let plan = offline(&workspace, &["plan", "gar.yaml", "--format", "json"]).succeeds().json();
    assert_eq!(plan["destinations"][0]["registry"], "us.gcr.io");
    assert_eq!(plan["destinations"][0]["repository"], "some-gcp-project/some-image-name");
    assert_eq!(plan["destinations"][0]["tags"], json!(["1.0", "1.2"]));
    assert_eq!(plan["build"]["target"], "dev-env");
    let settings = plan["settings"].as_array().unwrap();
    let state = |name: &str| {
        let setting = settings.iter().find(|setting| setting["origin"].as_str().is_some_and(|origin| origin.ends_with(name)));
        setting.unwrap_or_else(|| panic!("{name} is not accounted for: {settings:?}"))["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("PLUGIN_GARBAGE"), "unknown");
    assert_eq!(state("PLUGIN_TAR_PATH"), "used");
    assert_eq!(state("PLUGIN_USE_NEW_RUN"), "ignored");
    for name in ["PLUGIN_IMAGE_DOWNLOAD_RETRY", "PLUGIN_COMPRESSED_CACHING"] {
        assert!(["used", "ignored"].contains(&state(name).as_str()), "{name}");
    }
    let table = offline(&workspace, &["plan", "gar.yaml"]).succeeds();
    assert!(table.stdout.contains("PLUGIN_GARBAGE") && table.stdout.contains("unknown"), "{}", table.all());
}
