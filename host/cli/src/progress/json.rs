//! Events as JSON lines, for machines.

use std::io::Write;

use windlass_core::Event;

use super::Renderer;
use crate::json;

/// Writes each event as one line.
pub(super) struct Json;

impl Renderer for Json {
    fn event(&mut self, event: &Event) {
        // Whoever reads the events may have gone away; the build goes on.
        let _ = std::io::stderr().write_all(json::line(&serde_json::json!(event)).as_bytes());
    }

    fn close(&mut self) {}
}
