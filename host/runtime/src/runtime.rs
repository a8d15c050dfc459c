//! What all plugins of a process share: the engine, its clock, the limits, and where compiled code comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;
use windlass_core::Digest;

use crate::cache::Cache;
use crate::code;
use crate::compile::{self, Compiler};
use crate::engine::{self, Ticker};
use crate::error::LoadError;
use crate::limits::Limits;

/// Loads and runs plugins. Clones share everything.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    engine: Engine,
    ticker: Ticker,
    options: Options,
}

/// How plugins are loaded and run.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much they may use.
    pub limits: Limits,
    /// Where compiled code is kept; without one, plugins that are not built in are compiled every time. It is created with mode
    /// 0700, and refused when others than its owner may use it.
    pub cache: Option<PathBuf>,
    /// Who compiles plugins that are not built in.
    pub compiler: Compiler,
}

impl Runtime {
    /// Sets up the engine. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`LoadError::Engine`], when this processor or system cannot run the engine.
    pub fn new(options: Options) -> Result<Self, LoadError> {
        Ok(Self(Arc::new(Shared { engine: engine::engine()?, ticker: Ticker::new(), options })))
    }

    /// How much plugins may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn run_clock(&self) -> engine::Ticking {
        self.0.ticker.run(&self.0.engine)
    }

    /// Takes a component's code from the cache, or compiles it. It blocks.
    pub(crate) fn compile(&self, origin: &str, digest: &Digest, wasm: &[u8]) -> Result<Component, LoadError> {
        refuse_what_is_no_component(origin, wasm)?;
        let Shared { engine, options, .. } = &*self.0;
        let bad_code = |source| LoadError::Code { origin: origin.to_owned(), source };
        let Some(directory) = &options.cache else {
            let code = options.compiler.compile(engine, origin, wasm, &options.limits)?;
            return code::from_compiler(engine, &code).map_err(bad_code);
        };
        let cache = Cache::open(directory, engine)?;
        if let Some(file) = cache.find(digest)? {
            match code::from_cache(engine, &file) {
                Ok(component) => return Ok(component),
                // Cut short by a full disk, say: it is made anew.
                Err(_) => cache.forget(digest),
            }
        }
        let code = options.compiler.compile(engine, origin, wasm, &options.limits)?;
        let file = cache.keep(digest, &code)?;
        code::from_cache(engine, &file).map_err(bad_code)
    }

    /// Reads a component's file, which is not larger than is allowed.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        use std::io::Read;
        let limit = self.limits().component_bytes;
        let failed = |source| LoadError::Read { path: path.to_owned(), source };
        let mut wasm = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit.saturating_add(1)).read_to_end(&mut wasm).map_err(failed)?;
        if wasm.len() as u64 > limit {
            return Err(LoadError::TooLarge { origin: path.display().to_string(), limit });
        }
        Ok(wasm)
    }
}

/// Tells plugins from other core modules, compiled code and other files by their first bytes, so that each gets its own message.
fn refuse_what_is_no_component(origin: &str, wasm: &[u8]) -> Result<(), LoadError> {
    let origin = origin.to_owned();
    match wasm {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        module if compile::is_core_module(module) && compile::names_a_world(module) => Ok(()),
        module if compile::is_core_module(module) => Err(LoadError::CoreModule { origin }),
        [0x7f, b'E', b'L', b'F', ..] => Err(LoadError::NativeCode { origin }),
        _ => Err(LoadError::Invalid { origin, reason: "it does not begin like one".to_owned() }),
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.0.options).finish()
    }
}
