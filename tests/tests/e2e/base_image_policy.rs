//! A policy denies bases from registries that are not allowed, before anything is built.

use windlass_core::ExitCode;
use windlass_e2e::{Run, Workspace, ports};

use crate::ecr::Ecr;

const STEP: &str = "type: BuildAndPushECR\nname: b\nidentifier: b\nspec: {connectorRef: c, region: us-east-1, account: \"12345\", imageName: test-image, tags: [latest]}\n";

/// The setting that lists what is allowed.
const ALLOWED: &str = "base-images.allow";

fn run(ecr: &Ecr, workspace: &Workspace, more: &[&str]) -> Run {
    ecr.for_run(workspace.windlass(["run", "step.yaml", "--policy", "base-images"]).args(more)).run()
}

#[test]
fn a_base_that_is_not_allowed_is_refused_before_anything_is_built() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("step.yaml", STEP);
    for engine in ["windlass", "buildah"] {
        let allowed = format!("{ALLOWED}=registry.allowed.example");
        let denied = run(&ecr, &workspace, &["--set", &allowed, "--engine", engine]).fails_with(ExitCode::Denied);
        denied.says(&ecr.base).says("Dockerfile").never_says("built none");
        assert!(ecr.registry.tags("test-image").is_empty(), "{engine}");
    }
}

#[test]
fn a_base_that_is_allowed_passes() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("step.yaml", STEP);
    let allowed = format!("{ALLOWED}={}", ecr.bases.host());
    run(&ecr, &workspace, &["--set", &allowed]).succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["latest"]);
}

#[test]
fn every_stage_that_is_needed_is_looked_at_and_scratch_is_always_allowed() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    workspace.write("step.yaml", STEP);
    let allowed = format!("{ALLOWED}={}", ecr.bases.host());
    let nowhere = ports::nobody_there();
    workspace
        .write("Dockerfile", format!("FROM {nowhere}/evil:1 AS unused\nFROM {}\nFROM scratch\nCOPY Dockerfile /\n", ecr.base));
    run(&ecr, &workspace, &["--set", &allowed]).succeeds();
    workspace.write("Dockerfile", format!("FROM {}\nCOPY --from={nowhere}/evil:1 /x /x\n", ecr.base));
    run(&ecr, &workspace, &["--set", &allowed]).fails_with(ExitCode::Denied).says("evil:1");
    workspace.write("Dockerfile", format!("ARG BASE={nowhere}/evil:2\nFROM $BASE\n"));
    run(&ecr, &workspace, &["--set", &allowed]).fails_with(ExitCode::Denied).says("evil:2");
}

#[test]
fn a_policy_of_the_configuration_file_cannot_be_left_out() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    workspace.write("step.yaml", STEP);
    let config = workspace
        .write("windlass.toml", "policies = [\"base-images\"]\n[settings.base-images]\nallow = [\"registry.allowed.example\"]\n");
    let run = ecr.for_run(workspace.windlass(["run", "step.yaml"]).env("WINDLASS_CONFIG", config)).run();
    run.fails_with(ExitCode::Denied).says(&ecr.base);
}
