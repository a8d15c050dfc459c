//! Building a plugin and making it a component.

use std::path::PathBuf;
use std::process::Command;

/// An author's own workspace need not have the profile that plugins are built with here.
const PROFILE: &str = "profile.plugin.inherits='release'";

/// Builds a package of the workspace, or one of its examples, for `wasm32-unknown-unknown`, and gives the component.
///
/// # Panics
/// When it cannot be built, or is no plugin.
#[must_use]
pub fn component(package: &str, example: Option<&str>) -> Vec<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--target", "wasm32-unknown-unknown", "--package", package])
        .args(["--profile", "plugin", "--config", PROFILE])
        .args(["--message-format", "json-render-diagnostics"])
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    match example {
        Some(example) => command.args(["--example", example]),
        None => command.arg("--lib"),
    };
    let output = command.output().expect("cargo can be run");
    assert!(output.status.success(), "cannot build {package}: {}", String::from_utf8_lossy(&output.stderr));
    let module = artifact(&output.stdout, example.unwrap_or(package));
    let wasm = std::fs::read(&module).unwrap_or_else(|error| panic!("cannot read {}: {error}", module.display()));
    let component = windlass_runtime::compile::component(&wasm);
    component.unwrap_or_else(|reason| panic!("{} is no plugin: {reason}", module.display())).into_owned()
}

/// The `.wasm` file that cargo names for a target, which it calls by the package's name with `_` for `-`.
fn artifact(messages: &[u8], target: &str) -> PathBuf {
    let name = target.replace('-', "_");
    let messages = serde_json::Deserializer::from_slice(messages).into_iter::<serde_json::Value>().flatten();
    let files = |message: serde_json::Value| {
        let wanted = message["target"]["name"].as_str()?.replace('-', "_") == name;
        let mut files = message["filenames"].as_array()?.iter().filter_map(|file| file.as_str().map(PathBuf::from));
        files.find(|file| wanted && file.extension().is_some_and(|extension| extension == "wasm"))
    };
    messages.filter_map(files).last().unwrap_or_else(|| panic!("cargo builds no .wasm for {target}: is it a `cdylib`?"))
}
