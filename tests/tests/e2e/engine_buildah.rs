//! The same step on an outside engine.

use windlass_e2e::Workspace;

use crate::ecr::{Ecr, TAG_BUILD};

#[test]
fn buildah_makes_the_same_image_with_the_same_tags_labels_arguments_and_target() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    workspace.write("app.txt", "the application\n");
    workspace.write(
        "Dockerfile",
        format!(
            "FROM {} AS first\nARG VERSION\nENV HOME_OF=first\nCOPY app.txt /app/\nRUN echo \"built $VERSION\" > /app/built\nUSER 1000\nCMD [\"run\"]\nFROM first AS last\nRUN false\n",
            ecr.base
        ),
    );
    workspace.write(
        "step.yaml",
        "type: BuildAndPushECR\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  region: us-east-1\n  account: \"12345\"\n  imageName: test-image\n  tags: [latest]\n  \
         target: first\n  labels: {team: x, note: a b}\n  buildArgs: {VERSION: one two}\n  envVariables: {PLUGIN_AUTO_TAG: \"true\"}\n",
    );
    let run = |engine: &str| {
        ecr.for_run(workspace.windlass(["run", "step.yaml", "--engine", engine]).envs(&TAG_BUILD)).run().succeeds()
    };
    run("buildah");
    assert_eq!(ecr.registry.tags("test-image"), ["1", "1.2", "1.2.3"]);
    let outside = ecr.image("test-image", "1.2.3");
    run("windlass");
    let own = ecr.image("test-image", "1.2.3");
    assert_ne!(outside.digest, own.digest, "two engines, two images");
    for image in [&outside, &own] {
        assert_eq!(image.text("app/built"), "built one two\n");
        assert_eq!((image.label("team"), image.label("note")), (Some("x"), Some("a b")));
        let config = &image.config["config"];
        assert_eq!((config["User"].as_str(), config["Cmd"][0].as_str()), (Some("1000"), Some("run")));
    }
    assert_eq!(outside.text("app/app.txt"), own.text("app/app.txt"));
    assert_eq!(workspace.mounts(), Vec::<String>::new());
}

#[test]
fn a_failing_run_on_buildah_is_a_build_error_with_its_output() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    workspace.write("Dockerfile", format!("FROM {}\nRUN echo last words; exit 42\n", ecr.base));
    let run = workspace.windlass(["build", ".", "--engine", "buildah", "--output", "oci:out"]).run();
    run.fails_with(windlass_core::ExitCode::Build).says("last words").says("42");
    assert!(!workspace.has("out/index.json"));
}

#[test]
fn the_plan_shows_the_command_of_the_outside_engine() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM registry.example/base:1\nRUN true\n");
    workspace.write(
        "step.yaml",
        "type: BuildAndPushECR\nname: b\nidentifier: b\nspec: {connectorRef: c, region: us-east-1, account: \"12345\", imageName: a, tags: [x]}\n",
    );
    let plan = workspace.windlass(["plan", "step.yaml", "--engine", "buildah", "--format", "json"]).run().succeeds().json();
    assert_eq!(plan["engine"]["name"], "buildah");
    assert_eq!(plan["engine"]["command"][0], "buildah", "{}", plan["engine"]);
}
