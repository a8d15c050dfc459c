//! WASI for guests whose language runtime imports it: a closed context. There are no files, no network, no environment and no
//! arguments; the clock stands still, randomness is the same every time, and what is printed goes to the log.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};
use windlass_core::EventSink;

use crate::host::log::report;
use crate::limits::{Limits, size};
use crate::text;

/// When the clock stands still: 2000-01-01T00:00:00Z, late enough for programs that take 0 for "not set".
const NOW: Duration = Duration::from_secs(946_684_800);

/// A context with nothing behind it.
pub(crate) fn closed(plugin: &str, events: &EventSink, limits: &Limits) -> WasiCtx {
    let printed = Printed(Arc::new(Mutex::new(Lines {
        plugin: plugin.to_owned(),
        events: events.clone(),
        line: Vec::new(),
        longest: size(limits.log_line_bytes),
        left: limits.log_lines,
    })));
    WasiCtx::builder()
        .stdout(printed.clone())
        .stderr(printed)
        .wall_clock(Frozen)
        .monotonic_clock(Frozen)
        .secure_random(seeded())
        .insecure_random(seeded())
        .max_random_size(1 << 20)
        .insecure_random_seed(0x7769_6e64_6c61_7373)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

fn seeded() -> Deterministic {
    Deterministic::new((0..=255_u8).map(|byte| byte.wrapping_mul(167) ^ 0x5a).collect())
}

struct Frozen;

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        NOW
    }
}

impl HostMonotonicClock for Frozen {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// Standard output and error of a guest, line by line into the log.
#[derive(Clone)]
struct Printed(Arc<Mutex<Lines>>);

struct Lines {
    plugin: String,
    events: EventSink,
    line: Vec<u8>,
    longest: usize,
    left: u64,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else if self.line.len() < self.longest {
                self.line.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.left > 0 && !line.is_empty() {
            self.left -= 1;
            report(&self.events, &self.plugin, tracing::Level::INFO, &text::line(&String::from_utf8_lossy(&line), self.longest));
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
