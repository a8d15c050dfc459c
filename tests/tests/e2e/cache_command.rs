//! The store is looked at and made smaller, and the image after it is right.

use serde_json::Value;
use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

fn bytes(workspace: &Workspace) -> u64 {
    workspace.windlass(["cache", "du", "--format", "json"]).run().succeeds().json()["bytes"].as_u64().unwrap()
}

#[test]
fn a_pruned_store_is_smaller_and_the_next_build_is_right() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo made > /made\nCOPY a /\n"));
    workspace.write("a", "1");
    let name = format!("{}/app:1", registry.host());
    let build = || {
        workspace.windlass(["build", ".", "--push", "-t", &name, "--report", "report.json"]).run().succeeds();
        let report: Value = serde_json::from_str(&workspace.read("report.json")).unwrap();
        let steps = report["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["outcome"] == "run").count()
    };
    assert!(build() > 0);
    let full = bytes(&workspace);
    workspace.windlass(["cache", "prune", "--older-than", "1d"]).run().succeeds();
    assert_eq!(build(), 0, "nothing is a day old");
    // Records without what they name: the build must make the layers again.
    workspace.windlass(["cache", "prune", "--max-size", "0", "--keep", "steps"]).run().succeeds();
    assert!(bytes(&workspace) < full / 2);
    build();
    workspace.windlass(["cache", "prune", "--max-size", "0"]).run().succeeds();
    assert!(bytes(&workspace) < full / 2);
    assert!(build() > 0);
    let image = Image::read(&format!("docker://{name}"), None);
    assert_eq!(image.text("made"), "made\n");
}

#[test]
fn prune_without_a_limit_is_refused() {
    Workspace::new().windlass(["cache", "prune"]).run().fails_with(ExitCode::Settings).says("--max-size");
}
