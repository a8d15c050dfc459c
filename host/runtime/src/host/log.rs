//! `log`: what a plugin says becomes notices of the run, and for its author's eyes, traces.

use windlass_core::{EventSink, Finding};

use crate::bindings::host::log::{Host, Level};
use crate::call::HostState;
use crate::limits::size;
use crate::text;

impl Host for HostState {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.log_lines += 1;
        if self.log_lines > self.limits.log_lines {
            return Ok(());
        }
        let level = match level {
            Level::Error => tracing::Level::ERROR,
            Level::Warn => tracing::Level::WARN,
            Level::Info => tracing::Level::INFO,
            Level::Debug | Level::Other(_) => tracing::Level::DEBUG,
        };
        let longest = size(self.limits.log_line_bytes);
        // Escape sequences may go, so more than a line is looked at; but not all of what a plugin may hand over.
        let beginning = &message[..message.floor_char_boundary(longest.saturating_mul(4))];
        let line = text::line(&self.redacted(beginning), longest);
        report(&self.context.events, &self.plugin, level, &line);
        Ok(())
    }
}

/// Reports one line of a plugin. Nothing that a plugin says in its log stops a run.
pub(crate) fn report(events: &EventSink, plugin: &str, level: tracing::Level, line: &str) {
    let finding = match level {
        tracing::Level::ERROR | tracing::Level::WARN => Finding::warn("plugin/log", line),
        tracing::Level::INFO => Finding::inform("plugin/log", line),
        _ => return tracing::debug!(plugin, "{line}"),
    };
    events.notice(finding.about(plugin));
}
