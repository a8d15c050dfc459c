//! A line for each thing that happens, for CI logs.

use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

use windlass_core::event::{Outcome, TaskId};
use windlass_core::{Event, Severity};

use super::{Renderer, clean};
use crate::errors;

/// Writes plain lines: `#3 [build 2/4] RUN make`, `#3 | output`, `#3 done 1.2s`.
pub(super) struct Plain {
    quiet: bool,
    started: HashMap<TaskId, (usize, Instant)>,
    count: usize,
}

impl Plain {
    pub(super) fn new() -> Self {
        Self { quiet: false, started: HashMap::new(), count: 0 }
    }

    pub(super) fn quiet() -> Self {
        Self { quiet: true, ..Self::new() }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl Renderer for Plain {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { task, title, .. } => {
                self.count += 1;
                self.started.insert(*task, (self.count, Instant::now()));
                self.line(&format!("#{} {}", self.count, clean(title)));
            }
            Event::Progress { .. } => {}
            Event::Log { task, line, .. } => {
                let number = self.started.get(task).map_or(0, |(number, _)| *number);
                self.line(&format!("#{number} | {}", clean(line)));
            }
            Event::Explained { task, reason } => {
                let number = self.started.get(task).map_or(0, |(number, _)| *number);
                self.line(&format!("#{number} runs because: {}", clean(reason)));
            }
            Event::Notice { finding } => {
                if !self.quiet || finding.severity >= Severity::Warn {
                    let _ = writeln!(std::io::stderr(), "{}", errors::one_line(finding));
                }
            }
            Event::Finished { task, outcome } => {
                let Some((number, since)) = self.started.remove(task) else { return };
                let seconds = since.elapsed().as_secs_f64();
                match outcome {
                    Outcome::Done => self.line(&format!("#{number} done {seconds:.1}s")),
                    Outcome::Cached => self.line(&format!("#{number} cached")),
                    Outcome::Failed(message) => self.line(&format!("#{number} failed: {}", clean(message))),
                    Outcome::Cancelled => self.line(&format!("#{number} cancelled")),
                }
            }
        }
    }

    fn close(&mut self) {}
}
