//! The one engine configuration: the host, the child process that compiles, and the precompiler all use it, or their code
//! would not fit each other.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel, WasmFeatures};

use crate::error::LoadError;

/// How often a computing plugin is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The native stack that a plugin may use; part of the compiled code's configuration, so no limit of a call.
const STACK_BYTES: usize = 1 << 20;

/// The target is named, so that the compiler does not use what only this machine's processor has: the code is portable
/// among processors of one architecture.
const TARGET: &str = if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };

/// An engine with our configuration.
pub(crate) fn engine() -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config
        .target(TARGET)
        .map_err(LoadError::Engine)?
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES)
        .wasm_features(WasmFeatures::THREADS | WasmFeatures::MEMORY64 | WasmFeatures::CUSTOM_PAGE_SIZES, false)
        .memory_reservation(64 << 20)
        .memory_guard_size(64 << 10)
        .memory_init_cow(true)
        .native_unwind_info(false);
    Engine::new(&config).map_err(LoadError::Engine)
}

/// A clock that runs while plugins do: it lets the engine look at computing plugins every [`TICK`].
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    started: bool,
    closed: bool,
}

/// Keeps the clock running until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    /// A clock that stands still.
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default() }
    }

    /// Lets the clock run.
    pub(crate) fn run(&self, engine: &Engine) -> Ticking {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running += 1;
        if !state.started {
            state.started = true;
            let (shared, engine) = (Arc::clone(&self.shared), engine.clone());
            std::thread::Builder::new()
                .name("plugin clock".to_owned())
                .spawn(move || tick(&shared, &engine))
                .expect("a thread can be started");
        }
        drop(state);
        self.shared.changed.notify_one();
        Ticking { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.closed {
        if state.running == 0 {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        std::thread::sleep(TICK);
        engine.increment_epoch();
        state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precompiler_and_the_host_agree_on_the_configuration() {
        let hash = |engine: &Engine| crate::cache::compatibility(engine);
        assert_eq!(hash(&engine().unwrap()), hash(&engine().unwrap()));
    }
}
