//! Takes the first-party plugins into the library: `make plugins` has built and compiled them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=WINDLASS_PLUGINS_DIR");
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let directory = env::var("WINDLASS_PLUGINS_DIR").map_or_else(|_| manifest.join("../../target/plugins"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", directory.display());
    let plugins = find(&directory);
    if plugins.is_empty() {
        println!(
            "cargo::error=there are no plugins in {}: run `make plugins` first, or set WINDLASS_PLUGINS_DIR",
            directory.display()
        );
        return;
    }
    let mut code = "pub(crate) static PLUGINS: &[BuiltIn] = &[\n".to_owned();
    for (name, cwasm, digest) in &plugins {
        println!("cargo::rerun-if-changed={}", cwasm.display());
        writeln!(code, "    BuiltIn {{ name: {name:?}, wasm_sha256: {digest:?}, cwasm: include_bytes!({cwasm:?}) }},")
            .expect("writing to a string cannot fail");
    }
    code += "];\n";
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("built_in.rs");
    fs::write(out, code).expect("cargo's output directory can be written");
}

/// Name, native code and component digest of each plugin.
fn find(directory: &Path) -> Vec<(String, PathBuf, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut plugins: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .filter_map(|cwasm| {
            let name = cwasm.file_stem()?.to_str()?.to_owned();
            let digest = fs::read_to_string(cwasm.with_extension("sha256")).ok()?;
            Some((name, cwasm.canonicalize().ok()?, digest.trim().to_owned()))
        })
        .collect();
    plugins.sort();
    plugins
}
