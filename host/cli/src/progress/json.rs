//! Events as JSON lines, for machines.

use std::io::Write;

use windlass_core::Event;

use super::Renderer;

/// Writes each event as one line.
pub(super) struct Json;

impl Renderer for Json {
    fn event(&mut self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // Whoever reads the events may have gone away; the build goes on.
            let _ = std::io::stderr().write_all(&line);
        }
    }

    fn close(&mut self) {}
}
