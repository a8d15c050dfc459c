//! A live view: a line for each task that is going on, finished ones above, and the last output of what runs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use windlass_core::Event;
use windlass_core::event::{Outcome, TaskId};

use super::{Renderer, clean};
use crate::errors;

const SPINNER: &str = "  {spinner:.cyan} {msg} {elapsed:.dim}";
const BAR: &str = "  {spinner:.cyan} {msg} {bytes:.dim}/{total_bytes:.dim} {elapsed:.dim}";

struct Shown {
    title: String,
    bar: ProgressBar,
    since: Instant,
}

/// Draws on standard error.
pub(super) struct Live {
    area: MultiProgress,
    tasks: HashMap<TaskId, Shown>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { area: MultiProgress::new(), tasks: HashMap::new() }
    }

    fn print(&self, line: &str) {
        // A terminal that has gone away is no reason to stop.
        let _ = self.area.println(line);
    }
}

impl Renderer for Live {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { task, title, .. } => {
                let bar = self.area.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template(SPINNER) {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                let title = clean(title).into_owned();
                bar.set_message(title.clone());
                self.tasks.insert(*task, Shown { title, bar, since: Instant::now() });
            }
            Event::Progress { task, current, total } => {
                let Some(shown) = self.tasks.get(task) else { return };
                if let (Some(total), Ok(style)) = (total, ProgressStyle::with_template(BAR)) {
                    shown.bar.set_style(style);
                    shown.bar.set_length(*total);
                }
                shown.bar.set_position(*current);
            }
            Event::Log { task, line, .. } => {
                if let Some(shown) = self.tasks.get(task) {
                    shown.bar.set_message(format!("{} {}", shown.title, console::style(clean(line)).dim()));
                }
            }
            Event::Explained { task, reason } => {
                let Some(shown) = self.tasks.get_mut(task) else { return };
                shown.title += &format!(" {}", console::style(format!("({})", clean(reason))).dim());
                shown.bar.set_message(shown.title.clone());
            }
            Event::Notice { finding } => self.print(&errors::one_line(finding)),
            Event::Finished { task, outcome } => {
                let Some(shown) = self.tasks.remove(task) else { return };
                shown.bar.finish_and_clear();
                let seconds = console::style(format!("{:.1}s", shown.since.elapsed().as_secs_f64())).dim();
                let line = match outcome {
                    Outcome::Done => format!("  {} {} {seconds}", console::style("✓").green(), shown.title),
                    Outcome::Cached => {
                        format!("  {} {} {}", console::style("✓").green(), shown.title, console::style("cached").dim())
                    }
                    Outcome::Failed(message) => format!("  {} {}: {}", console::style("✗").red(), shown.title, clean(message)),
                    Outcome::Cancelled => format!("  {} {}", console::style("–").yellow(), shown.title),
                };
                self.print(&line);
            }
        }
    }

    fn close(&mut self) {
        for (_, shown) in self.tasks.drain() {
            shown.bar.finish_and_clear();
        }
        // Clearing an empty area can fail only when the terminal has gone away.
        let _ = self.area.clear();
    }
}
