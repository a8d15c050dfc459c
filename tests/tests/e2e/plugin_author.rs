//! A plugin author's way: the plugins of `docs/plugin-authors.md` are built with cargo alone, and used by the real binary.

use std::path::PathBuf;
use std::process::Command;

use windlass_core::ExitCode;
use windlass_e2e::documentation::root;
use windlass_e2e::{DockerRegistry, Image, Workspace};

/// Builds an example plugin as its page says, and gives the file that cargo makes.
pub(crate) fn build(package: &str) -> PathBuf {
    cargo(package, &["--lib"]).join(format!("{}.wasm", package.replace('-', "_")))
}

/// Builds a plugin that is an example of its package.
pub(crate) fn build_example(package: &str, example: &str) -> PathBuf {
    cargo(package, &["--example", example]).join(format!("examples/{example}.wasm"))
}

/// A step that pushes `app` to a registry.
pub(crate) fn step_to(registry: &str) -> String {
    format!(
        "type: BuildAndPushDockerRegistry\nname: b\nidentifier: b\nspec: {{connectorRef: c, repo: {registry}/app, tags: [latest]}}\n"
    )
}

/// Builds a package for WebAssembly, and gives the directory where cargo leaves it.
fn cargo(package: &str, what: &[&str]) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--profile", "plugin", "--target", "wasm32-unknown-unknown", "--package", package])
        .args(what);
    cargo.current_dir(root()).env_remove("CARGO_BUILD_TARGET").env_remove("RUSTFLAGS");
    let output = cargo.output().expect("cargo can be run");
    assert!(output.status.success(), "cannot build {package}: {}", String::from_utf8_lossy(&output.stderr));
    target.join("wasm32-unknown-unknown/plugin")
}

#[test]
fn a_tag_policy_of_ones_own_names_the_image() {
    let registry = DockerRegistry::open();
    let workspace = Workspace::new();
    let plugin = build("branch-tag").display().to_string();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    workspace.write("step.yaml", step_to(registry.host()));
    let source = [("DRONE_COMMIT_BRANCH", "feature/login"), ("DRONE_COMMIT_SHA", "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d")];
    let run = workspace.windlass(["run", "step.yaml", "--tag-policy", &plugin, "--set", "branch-tag.length=8"]).envs(&source);
    run.run().succeeds();
    assert_eq!(registry.tags("app"), ["feature-login-1a2b3c4d", "latest"]);
    let run = workspace.windlass(["run", "step.yaml", "--tag-policy", &plugin, "--set", "branch-tag.length=100"]).envs(&source);
    run.run().fails_with(ExitCode::Plan).says("100 characters of a commit").says("give a number from 4 to 40");
    let run = workspace.windlass(["run", "step.yaml", "--tag-policy", &plugin, "--set", "branch-tag.lenght=8"]).envs(&source);
    run.run().fails_with(ExitCode::Settings).says("lenght").says("did you mean `length`");
}

#[test]
fn a_policy_of_ones_own_in_the_configuration_stops_the_push() {
    let registry = DockerRegistry::open();
    let workspace = Workspace::new();
    let plugin = build("forbidden-files").display().to_string();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /app/key.pem\n");
    workspace
        .write("windlass.toml", format!("policies = [{plugin:?}]\n[settings.forbidden-files]\npaths = [\"/app/key.pem\"]\n"));
    let reference = format!("{}/app:1", registry.host());
    let run = workspace.windlass(["build", ".", "--push", "-t", &reference, "--config", "windlass.toml"]).run();
    run.fails_with(ExitCode::Denied).says("the image holds `/app/key.pem`").says(".dockerignore");
    assert!(registry.tags("app").is_empty());
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /app/\n");
    workspace.windlass(["build", ".", "--push", "-t", &reference, "--config", "windlass.toml"]).run().succeeds();
    assert!(Image::read(&format!("docker://{reference}"), None).files.contains_key("app/Dockerfile"));
}

#[test]
fn settings_for_what_has_no_part_in_a_run_are_refused() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run =
        workspace.windlass(["build", ".", "--policy", "base-images", "--set", "base-image.allow=x/*", "-o", "oci:out"]).run();
    run.fails_with(ExitCode::Settings).says("base-image").says("did you mean `base-images`");
    assert!(!workspace.has("out"));
}
