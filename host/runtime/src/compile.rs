//! Compiling components. What comes from outside is compiled in a child process with little memory, little time and no
//! environment, so that a component made to confuse or exhaust the compiler harms nobody.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;
use wit_component::ComponentEncoder;

use crate::engine;
use crate::error::LoadError;
use crate::limits::Limits;
use crate::text;

/// The name under which the child process is started. See [`child_main`].
const CHILD: &str = "windlass-compile-plugin";

/// How much may come back, for every byte of a component and besides.
const CODE_FOR_A_BYTE: u64 = 64;
const CODE_BESIDES: u64 = 64 << 20;

/// Who compiles components that are not built in.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// A child process: this program again, or another one that calls [`child_main`].
    Child {
        /// The program.
        program: PathBuf,
    },
    /// This process. Only for components that are trusted, such as an author's own in a test.
    InProcess,
}

impl Compiler {
    /// A child process that runs this program, whose `main` calls [`child_main`].
    ///
    /// # Errors
    /// When the system does not tell which program this is.
    pub fn this_program() -> std::io::Result<Self> {
        Ok(Self::Child { program: std::env::current_exe()? })
    }

    /// Compiles a component; `origin` is named in errors. It blocks.
    pub(crate) fn compile(&self, engine: &Engine, origin: &str, wasm: &[u8], limits: &Limits) -> Result<Compiled, LoadError> {
        match self {
            Self::Child { program } => in_child(program, origin, wasm, limits),
            Self::InProcess => in_process(engine, wasm)
                .map_err(|reason| LoadError::Invalid { origin: origin.to_owned(), reason: text::line(&reason, 2000) }),
        }
    }
}

/// Code that the compiler has made.
pub(crate) struct Compiled(Vec<u8>);

impl Compiled {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn for_test(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

fn in_process(engine: &Engine, wasm: &[u8]) -> Result<Compiled, String> {
    engine.precompile_component(&component(wasm)?).map(Compiled).map_err(|error| format!("{error:#}"))
}

/// The component in `wasm`: itself, or the one that a core module becomes which cargo has built with the SDK.
///
/// # Errors
/// Why no component can be made of the module.
pub fn component(wasm: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !is_core_module(wasm) {
        return Ok(Cow::Borrowed(wasm));
    }
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true);
    let encoded = encoder.module(wasm).and_then(|encoder| encoder.encode());
    encoded.map(Cow::Owned).map_err(|error| format!("{error:#}"))
}

/// Whether `wasm` begins as a core module does.
pub(crate) fn is_core_module(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm\x01\0\0\0")
}

/// Whether a core module says which world it implements, as those do that were built with the SDK or another `wit-bindgen`.
pub(crate) fn names_a_world(module: &[u8]) -> bool {
    const SECTION: &[u8] = b"component-type";
    module.windows(SECTION.len()).any(|window| window == SECTION)
}

/// Compiles for a host with our configuration; for `windlass-precompile`.
///
/// # Errors
/// When the engine cannot be set up, or `wasm` is no component.
pub fn precompile(origin: &str, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    let compiled = Compiler::InProcess.compile(&engine::engine()?, origin, wasm, &Limits::default())?;
    Ok(compiled.0)
}

/// Compiles one component when this process was started for that, and gives its exit status; gives nothing otherwise.
/// A program that loads plugins calls this before anything else in its `main`.
pub fn child_main() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next().is_none_or(|name| name != CHILD) {
        return None;
    }
    Some(match child(arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(reason) => {
            // The parent reads this as the reason; there is nobody else to tell when it cannot be written.
            let _ = writeln!(std::io::stderr(), "{reason}");
            std::process::ExitCode::FAILURE
        }
    })
}

/// The child's work: arguments are the limits on memory in bytes, time in seconds, and input in bytes.
fn child(mut arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let mut number = || arguments.next().and_then(|text| text.to_str()?.parse::<u64>().ok()).ok_or("a limit is missing");
    let (memory, seconds, input) = (number()?, number()?, number()?);
    for (resource, limit) in
        [(Resource::As, memory), (Resource::Cpu, seconds), (Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nproc, 0)]
    {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).map_err(|error| error.to_string())?;
    }
    let mut wasm = Vec::new();
    std::io::stdin().lock().take(input).read_to_end(&mut wasm).map_err(|error| error.to_string())?;
    let engine = engine::engine().map_err(|error| error.to_string())?;
    let code = in_process(&engine, &wasm)?;
    std::io::stdout().lock().write_all(code.bytes()).map_err(|error| error.to_string())
}

fn in_child(program: &PathBuf, origin: &str, wasm: &[u8], limits: &Limits) -> Result<Compiled, LoadError> {
    let failed = |source: std::io::Error| LoadError::Compiler { origin: origin.to_owned(), source };
    let seconds = limits.compile_milliseconds.div_ceil(1000);
    let mut child = Command::new(program)
        .arg0(CHILD)
        .args([limits.compile_memory_bytes, seconds, wasm.len() as u64].map(|limit| limit.to_string()))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let most = CODE_BESIDES + CODE_FOR_A_BYTE * wasm.len() as u64;
    let (code, reason, status) = std::thread::scope(|scope| {
        // A child that ends early closes its input; its status tells why.
        scope.spawn(move || input.as_mut().map(|input| input.write_all(wasm)));
        let code = scope.spawn(|| read_some(output, most + 1));
        let reason = scope.spawn(|| read_some(errors, 8000));
        let status = wait(&mut child, Duration::from_millis(limits.compile_milliseconds).saturating_mul(2));
        if status.is_err() {
            // Otherwise the threads would wait for it; that it cannot be ended is told by the status already.
            let _ = child.kill();
        }
        (code.join(), reason.join(), status)
    });
    let status = status.map_err(failed)?;
    let (code, reason) = (code.unwrap_or_default(), reason.unwrap_or_default());
    if status.success() && code.len() as u64 <= most && !code.is_empty() {
        return Ok(Compiled(code));
    }
    Err(explain(status, &reason, origin, limits))
}

fn read_some(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // What was read before an error decides; the exit status tells the rest.
        let _ = from.take(most).read_to_end(&mut bytes);
    }
    bytes
}

/// Waits for the child, and ends it when the time is up: its own limit counts computing, not sleeping.
fn wait(child: &mut std::process::Child, most: Duration) -> std::io::Result<ExitStatus> {
    let end = Instant::now() + most;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= end {
            child.kill()?;
            return child.wait();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn explain(status: ExitStatus, reason: &[u8], origin: &str, limits: &Limits) -> LoadError {
    let origin = origin.to_owned();
    let reason = text::line(&String::from_utf8_lossy(reason), 2000).trim().to_owned();
    match status.signal() {
        // Ended by us or by its limit on time.
        Some(9 | 24) => {
            LoadError::CompileLimit { origin, limit: format!("{} ms (`compile-milliseconds`)", limits.compile_milliseconds) }
        }
        // How a Rust program ends when it gets no memory.
        Some(6 | 11) => {
            LoadError::CompileLimit { origin, limit: format!("{} bytes (`compile-memory-bytes`)", limits.compile_memory_bytes) }
        }
        _ if reason.is_empty() => LoadError::Invalid { origin, reason: format!("the compiler ended with {status}") },
        _ => LoadError::Invalid { origin, reason },
    }
}
