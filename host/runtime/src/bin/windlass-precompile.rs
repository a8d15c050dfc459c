//! `windlass-precompile OUT_DIR FILE.wasm…` makes plugins ready for use: core modules, as cargo builds them, become components, and
//! each component is compiled to native code.
//!
//! For every plugin it writes, under the name that the plugin gives itself, `NAME.wasm` (the component), `NAME.cwasm` (its
//! native code, which only the same version of windlass can load) and `NAME.sha256` (the component's digest in hexadecimal).

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest, Sha256};
use windlass_runtime::{Compiler, Limits, Options, Plugin, Runtime, compile};

fn main() -> ExitCode {
    if let Some(code) = compile::child_main() {
        return code;
    }
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let files = |directory: PathBuf, files: Vec<PathBuf>| (!files.is_empty()).then_some((directory, files));
    let Some((directory, files)) = arguments.next().and_then(|directory| files(directory, arguments.collect())) else {
        say("usage: windlass-precompile OUT_DIR FILE.wasm…");
        return ExitCode::from(2);
    };
    for file in files {
        if let Err(error) = prepare(&directory, &file) {
            let mut message = format!("cannot prepare {}: {error}", file.display());
            let mut cause = error.source();
            while let Some(error) = cause {
                message.push_str(&format!(": {error}"));
                cause = error.source();
            }
            say(&message);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Tells the person who runs this; there is nobody else to tell when that fails.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn prepare(directory: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let wasm = std::fs::read(file)?;
    let component = compile::component(&wasm)?.into_owned();
    let name = name(&file.display().to_string(), component.clone())?;
    let code = compile::precompile(&name, &component)?;
    let digest: [u8; 32] = Sha256::digest(&component).into();
    let digest = windlass_core::Digest::from_sha256(digest);
    std::fs::create_dir_all(directory)?;
    write(&directory.join(format!("{name}.wasm")), &component)?;
    write(&directory.join(format!("{name}.cwasm")), &code)?;
    write(&directory.join(format!("{name}.sha256")), digest.hex().as_bytes())
}

/// Writes a file, unless it has this content already: then nothing that embeds it is built again.
fn write(path: &Path, content: &[u8]) -> Result<(), Box<dyn Error>> {
    if std::fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    Ok(std::fs::write(path, content)?)
}

/// Loads the component as a run does, and asks it for its name.
fn name(origin: &str, component: Vec<u8>) -> Result<String, Box<dyn Error>> {
    let options = Options { limits: Limits::default(), cache: None, compiler: Compiler::InProcess };
    let runtime = Runtime::new(options)?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let plugin = tokio.block_on(Plugin::from_bytes(&runtime, origin, component, None))?;
    Ok(plugin.name().to_owned())
}
