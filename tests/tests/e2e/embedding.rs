//! A CI agent that embeds the library: the example of `docs/embedding.md`, against a registry.

use std::path::PathBuf;

use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

/// The example, which cargo builds with the tests of the whole workspace. Building it here would take wasmtime once more, for
/// tests have other features than programs.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let example = test.ancestors().nth(2).expect("it lies in deps").join("examples/build_and_push");
    assert!(example.exists(), "{} is missing: build the tests of the whole workspace", example.display());
    example
}

#[test]
fn an_agent_builds_and_pushes_by_the_library_alone() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo embedded > /how\n"));
    workspace.write(
        "step.yaml",
        format!(
            "type: BuildAndPushDockerRegistry\nname: b\nidentifier: b\nspec: {{connectorRef: c, repo: {}/app, tags: [\"1\"]}}\n",
            registry.host()
        ),
    );
    let agent = example().display().to_string();
    // The harness runs windlass in its place; the agent takes that place.
    let run = workspace.windlass(["step.yaml", "store"]).wrapped([
        "sh",
        "-c",
        "agent=$1; shift 2; exec \"$agent\" \"$@\"",
        "sh",
        &agent,
    ]);
    let report = run.run().succeeds().json();
    let image = Image::read(&format!("docker://{}/app:1", registry.host()), None);
    assert_eq!(report["image"]["digest"], image.digest.as_str());
    assert_eq!(image.text("how"), "embedded\n");
    workspace.write("Dockerfile", format!("FROM {base}\nRUNN true\n"));
    let run = workspace.windlass(["step.yaml", "store"]).wrapped([
        "sh",
        "-c",
        "agent=$1; shift 2; exec \"$agent\" \"$@\"",
        "sh",
        &agent,
    ]);
    run.run().fails_with(windlass_core::ExitCode::Plan).says("RUNN");
}
