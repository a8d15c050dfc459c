//! Bad input: plugins that are none.

use windlass_core::ExitCode;
use windlass_e2e::{Run, Workspace};

use crate::plugin_author::{build_example, step_to};

/// Runs a step with a tag policy that does what `mode` says, under limits that are soon reached.
fn misbehave(workspace: &Workspace, plugin: &str, mode: &str, count: &str) -> Run {
    let run = workspace.windlass(["run", "step.yaml", "--config", "windlass.toml", "--tag-policy", plugin]);
    let run = run.args(["--set", &format!("guest-tagger.mode={mode}"), "--set", &format!("guest-tagger.count={count}")]).run();
    assert!(workspace.mounts().is_empty() && workspace.temporary_files().is_empty());
    run.fails_with(ExitCode::Plan).says("plugin `guest-tagger`, function `tags`")
}

#[test]
fn a_plugin_that_misbehaves_is_named_with_what_it_did_and_the_limit_it_reached() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    workspace.write("step.yaml", step_to("registry.example.com"));
    workspace.write("windlass.toml", "[limits]\ncomputing-milliseconds = 300\nmemory-bytes = 16777216\nanswer-bytes = 100000\n");
    let plugin = build_example("windlass-test-guests", "guest_tagger").display().to_string();
    for (mode, count, said) in [
        ("panic", "0", "it crashed: wasm trap: wasm `unreachable` instruction executed; a panic ends like this"),
        ("loop", "0", "more than 300 ms; the limit `computing-milliseconds` can be raised"),
        ("memory", "0", "16777216 bytes (`memory-bytes`)"),
        ("stack", "0", "calls itself too deeply"),
        ("many", "100000", "the limit `answer-bytes` allows 100000"),
        ("illegal", "0", "an illegal tag"),
        ("other", "0", "the answer `someday`; expected tags"),
    ] {
        let _ = misbehave(&workspace, &plugin, mode, count).says(said);
    }
}

#[test]
fn a_file_that_is_no_plugin_is_named() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    workspace.write("empty.wasm", "");
    workspace.write("text.wasm", "not wasm at all");
    workspace.write("module.wasm", b"\0asm\x01\0\0\0");
    workspace.write("component-without-exports.wasm", b"\0asm\x0d\0\x01\0");
    for name in ["empty.wasm", "text.wasm", "module.wasm", "component-without-exports.wasm"] {
        let run = workspace.windlass(["plugin", "inspect", name]).run();
        run.fails_with(ExitCode::Plan).says(name);
        let run = workspace.windlass(["build", ".", "--plugin", name, "--output", "oci:out"]).run();
        run.fails_with(ExitCode::Plan).says(name);
    }
    assert!(!workspace.has("out/index.json"));
}

#[test]
fn a_plugin_that_is_not_there_is_named_with_the_nearest_there_is() {
    let workspace = Workspace::new();
    workspace
        .windlass(["plugin", "inspect", "auto-tags"])
        .run()
        .fails_with(ExitCode::Settings)
        .says("auto-tags")
        .says("auto-tag");
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = workspace.windlass(["build", ".", "--engine", "bulidah"]).run();
    run.fails_with(ExitCode::Settings).says("bulidah").says("buildah");
    let run = workspace.windlass(["build", ".", "--policy", "base-image"]).run();
    run.fails_with(ExitCode::Settings).says("base-image");
}
