//! Bad input: plugins that are none.

use windlass_core::ExitCode;
use windlass_e2e::Workspace;

#[test]
fn a_file_that_is_no_component_is_named() {
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
