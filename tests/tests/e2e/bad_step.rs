//! Bad input: step files and variables. Everything that is wrong is told at once, with its place and how to mend it.

use windlass_core::ExitCode;
use windlass_e2e::{Run, Workspace, ports};

use crate::ecr::HOST;

const GOOD: &str = "type: BuildAndPushECR\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  region: us-east-1\n  account: \"12345\"\n  imageName: test-image\n  tags: [latest]\n";

fn run(step: &str, more: &[&str]) -> (Workspace, Run) {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY step.yaml /\n");
    workspace.write("step.yaml", step);
    let nowhere = format!("http://{}", ports::nobody_there());
    let run = workspace.windlass(["run", "step.yaml"]).args(more).env("AWS_ENDPOINT_URL", &nowhere).map(HOST, &nowhere).run();
    assert_eq!(workspace.temporary_files(), Vec::<String>::new());
    (workspace, run)
}

fn refused(step: &str, more: &[&str]) -> Run {
    run(step, more).1.fails_with(ExitCode::Settings)
}

#[test]
fn broken_yaml_is_an_error_with_file_and_line() {
    refused("type: BuildAndPushECR\nspec:\n  region: [us-east-1\n  account: 1\n", &[]).says("step.yaml:").says("YAML");
    refused("", &[]).says("step.yaml");
    refused("a: b\n", &[]).says("step.yaml").says("BuildAndPush");
}

#[test]
fn a_misspelt_field_is_named_with_the_right_one() {
    let step = GOOD.replace("region:", "regoin:");
    refused(&step, &[]).says("regoin").says("did you mean").says("region").says("step.yaml").says("6");
}

#[test]
fn a_misspelt_plugin_setting_is_named_with_the_right_one() {
    refused(GOOD, &["--set", "ecr.create-repositroy=true"]).says("create-repositroy").says("did you mean `create-repository`");
    refused(GOOD, &["--set", "ecrr.region=x"]).says("ecrr");
    refused(GOOD, &["--set", "nonsense"]).says("nonsense");
}

#[test]
fn every_missing_field_is_told_at_once() {
    let run = refused("type: BuildAndPushECR\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n", &[]);
    for field in ["region", "account", "imageName"] {
        assert!(run.stderr.contains(field), "{field}: {}", run.all());
    }
}

#[test]
fn everything_that_is_wrong_is_told_in_one_go() {
    let step = GOOD
        .replace("region: us-east-1", "regoin: us-east-1")
        .replace("  tags: [latest]\n", "  tags: [latest]\n  optimise: true\n");
    refused(&step, &[]).says("regoin").says("optimise");
}

#[test]
fn an_illegal_tag_is_shown_with_the_character_that_is_wrong() {
    let (_, run) = run(&GOOD.replace("[latest]", "[\"feature/login\"]"), &[]);
    let run = if run.status.code() == Some(3) { run.fails_with(ExitCode::Plan) } else { run.fails_with(ExitCode::Settings) };
    run.says("feature/login").says("position 8");
}

#[test]
fn an_illegal_image_name_is_shown_with_a_legal_one() {
    let (_, run) = run(&GOOD.replace("imageName: test-image", "imageName: Test-Image"), &[]);
    let run = if run.status.code() == Some(3) { run.fails_with(ExitCode::Plan) } else { run.fails_with(ExitCode::Settings) };
    run.says("Test-Image").says("test-image");
}

#[test]
fn a_step_file_that_is_not_there_is_named() {
    let workspace = Workspace::new();
    workspace.windlass(["run", "missing.yaml"]).run().fails_with(ExitCode::Settings).says("missing.yaml");
    workspace.windlass(["run"]).run().fails_with(ExitCode::Settings);
    workspace.windlass(["run", "--from-env", "quay"]).run().fails_with(ExitCode::Settings).says("quay");
}

#[test]
fn a_variable_that_is_no_flag_and_a_missing_repository_are_told_together() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = workspace.windlass(["run", "--from-env", "ecr"]).env("PLUGIN_NO_PUSH", "perhaps").run();
    run.fails_with(ExitCode::Settings).says("PLUGIN_NO_PUSH").says("perhaps");
}

#[test]
fn a_pattern_no_version_can_be_made_of_names_the_tag() {
    let step = format!("{GOOD}  envVariables: {{PLUGIN_AUTO_TAG: \"true\"}}\n");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY step.yaml /\n");
    workspace.write("step.yaml", step);
    let run = workspace.windlass(["run", "step.yaml"]).env("DRONE_COMMIT_REF", "refs/tags/nightly-5").run();
    run.fails_with(ExitCode::Plan).says("nightly-5");
}
