//! One call of a plugin: a store of its own, with limits, that is thrown away afterwards.

use std::time::Duration;

use futures_util::future::BoxFuture;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use windlass_core::Redactor;

use crate::answer::Answer;
use crate::context::Context;
use crate::description::Description;
use crate::engine::TICK;
use crate::error::{PluginError, Problem};
use crate::host::exchange::Endpoint;
use crate::limits::{Limits, size};
use crate::plugin::Loaded;
use crate::text;
use crate::wasi;

/// The longest name, region, role or the like that a plugin may have kept, in bytes.
const LONGEST_NAME: usize = 2048;

/// What a call of a plugin can reach.
pub(crate) struct HostState {
    pub(crate) table: ResourceTable,
    pub(crate) plugin: String,
    pub(crate) description: Option<Description>,
    pub(crate) context: Context,
    pub(crate) limits: Limits,
    /// The endpoints that the plugin may send to.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Every secret that the plugin has a handle to.
    pub(crate) secrets: Redactor,
    pub(crate) log_lines: u64,
    pub(crate) requests: u64,
    usage: Usage,
    wasi: Option<WasiCtx>,
}

impl HostState {
    /// A state in which nothing was used yet.
    pub(crate) fn new(loaded: &Loaded, context: &Context) -> Self {
        let plugin = loaded.name().to_owned();
        let limits = loaded.limits().clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(size(limits.handles));
        Self {
            table,
            wasi: loaded.wants_wasi().then(|| wasi::closed(&plugin, &context.events, &limits)),
            plugin,
            description: loaded.description().cloned(),
            context: context.clone(),
            usage: Usage { memory: 0, tables: 0, limits: limits.clone(), refused: None },
            limits,
            endpoints: Vec::new(),
            secrets: Redactor::default(),
            log_lines: 0,
            requests: 0,
        }
    }

    /// Counts a request of the plugin to the host, and waits for its answer no longer than is allowed.
    pub(crate) async fn request<T>(&mut self, answer: impl Future<Output = T> + Send) -> wasmtime::Result<Option<T>> {
        self.requests += 1;
        if self.requests > self.limits.requests {
            return Err(Refused(Problem::TooMuch {
                what: format!("{} requests", self.requests),
                limit: "requests",
                allowed: self.limits.requests,
            })
            .into());
        }
        self.timed(answer).await
    }

    /// Waits for something of the host's own no longer than is allowed.
    pub(crate) async fn timed<T>(&mut self, answer: impl Future<Output = T> + Send) -> wasmtime::Result<Option<T>> {
        Ok(tokio::time::timeout(self.limits.request(), answer).await.ok())
    }

    /// Refuses a text of the plugin's that is kept and longer than anything of its kind is.
    pub(crate) fn bounded(&self, what: &str, text: &str) -> wasmtime::Result<()> {
        if text.len() <= LONGEST_NAME {
            return Ok(());
        }
        let what = format!("{what} of {} bytes", text.len());
        let expected = format!("at most {LONGEST_NAME} bytes");
        Err(Refused(Problem::Nonsense { what, expected }).into())
    }

    /// A text for the plugin, in which no secret stands.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.secrets.redact(text).into_owned()
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.as_mut().expect("WASI is linked only into components that import it, and those have a context");
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// A problem that ends the call, raised inside a host function.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) Problem);

/// What a call has used up, all memories and tables together.
struct Usage {
    memory: usize,
    tables: usize,
    limits: Limits,
    refused: Option<String>,
}

impl Usage {
    fn grow(used: &mut usize, current: usize, desired: usize, limit: u64) -> bool {
        let wanted = used.saturating_add(desired.saturating_sub(current));
        let allowed = wanted <= size(limit);
        if allowed {
            *used = wanted;
        }
        allowed
    }
}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let usage = &mut self.usage;
        let allowed = Usage::grow(&mut usage.memory, current, desired, usage.limits.memory_bytes);
        if !allowed {
            usage.refused = Some(format!("{} bytes (`memory-bytes`)", usage.limits.memory_bytes));
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let usage = &mut self.usage;
        let allowed = Usage::grow(&mut usage.tables, current, desired, usage.limits.table_elements);
        if !allowed {
            usage.refused = Some(format!("{} elements of tables (`table-elements`)", usage.limits.table_elements));
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        size(self.usage.limits.instances)
    }

    fn tables(&self) -> usize {
        size(self.usage.limits.instances)
    }

    fn memories(&self) -> usize {
        size(self.usage.limits.memories)
    }
}

/// Makes a call in a store of its own: `call` instantiates the component and runs one function.
pub(crate) async fn run<T>(
    loaded: &Loaded,
    function: &'static str,
    state: HostState,
    call: impl for<'s> FnOnce(&'s mut Store<HostState>) -> BoxFuture<'s, wasmtime::Result<T>>,
) -> Result<(T, HostState), PluginError> {
    let answer = Answer { plugin: loaded.name(), function, limits: loaded.limits() };
    let mut store = Store::new(loaded.engine(), state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(size(answer.limits.answer_bytes));
    limit_computing(&mut store, answer.limits.computing_milliseconds);
    let _ticking = loaded.run_clock();
    let outcome = tokio::time::timeout(answer.limits.call(), call(&mut store)).await;
    match outcome {
        Ok(Ok(value)) => Ok((value, store.into_data())),
        Ok(Err(error)) => Err(answer.error(problem(error, store.data_mut()))),
        Err(_) => Err(answer.error(Problem::TimedOut { milliseconds: answer.limits.call_milliseconds })),
    }
}

/// Ends the call when it has computed for too long. The clock's ticks are counted only while the plugin computes, and at each
/// one it makes room for others.
fn limit_computing(store: &mut Store<HostState>, milliseconds: u64) {
    let mut left = Duration::from_millis(milliseconds).as_nanos().div_ceil(TICK.as_nanos()) + 1;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        left = left.saturating_sub(1);
        if left == 0 {
            return Err(Refused(Problem::OutOfTime { milliseconds }).into());
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Says what a trap means to an author. Addresses of code without names would tell nobody anything.
fn crashed(trap: Trap) -> Problem {
    let meaning = match trap {
        Trap::StackOverflow => return Problem::StackOverflow,
        Trap::UnreachableCodeReached => "; a panic ends like this, and its message stays inside: log it before",
        Trap::MemoryOutOfBounds => "; a program that calls itself too deeply may end like this",
        _ => "",
    };
    Problem::Trapped { reason: format!("{}{meaning}", text::line(&trap.to_string(), 500)) }
}

/// Says what an error of the engine means.
fn problem(error: wasmtime::Error, state: &mut HostState) -> Problem {
    let error = match error.downcast::<Refused>() {
        Ok(Refused(problem)) => return problem,
        Err(error) => error,
    };
    if let Some(limit) = state.usage.refused.take() {
        return Problem::OutOfMemory { limit };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return crashed(*trap);
    }
    let reason = format!("{error:#}");
    if reason.contains("fuel allocated for hostcalls") {
        let allowed = state.limits.answer_bytes;
        return Problem::TooMuch { what: "more data than it may".to_owned(), limit: "answer-bytes", allowed };
    }
    Problem::Trapped { reason: text::line(&reason, 500) }
}
