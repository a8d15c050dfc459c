//! Events become text here and nowhere else. Everything goes to standard error.

mod clean;
mod json;
mod live;
mod plain;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

use windlass_core::{Event, EventSink};

pub(crate) use clean::clean;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Live on a terminal, plain lines elsewhere.
    Auto,
    /// A live view of what is going on.
    #[value(alias = "tty")]
    Live,
    /// A line for each thing that happens.
    Plain,
    /// A JSON object for each thing that happens.
    #[value(alias = "rawjson")]
    Json,
    /// Warnings and errors only.
    Quiet,
}

/// One consumer of events.
trait Renderer: Send {
    fn event(&mut self, event: &Event);
    /// Leaves the terminal as it was.
    fn close(&mut self);
}

/// A renderer at work; [`Progress::close`] ends it before anything else is printed.
pub(crate) struct Progress {
    renderer: Arc<Mutex<Box<dyn Renderer>>>,
}

impl Progress {
    /// `explains` says whether it is shown why steps run.
    pub(crate) fn start(mode: Mode, explains: bool) -> (Self, EventSink) {
        let live = mode == Mode::Live || (mode == Mode::Auto && std::io::stderr().is_terminal());
        let renderer: Box<dyn Renderer> = match mode {
            Mode::Json => Box::new(json::Json),
            Mode::Quiet => Box::new(plain::Plain::quiet()),
            _ if live => Box::new(live::Live::new()),
            _ => Box::new(plain::Plain::new()),
        };
        let renderer = Arc::new(Mutex::new(renderer));
        let receiver = Arc::clone(&renderer);
        let sink = EventSink::new(move |event| {
            if !explains && matches!(event, Event::Explained { .. }) {
                return;
            }
            if let Ok(mut renderer) = receiver.lock() {
                renderer.event(&event);
            }
        });
        (Self { renderer }, sink)
    }

    pub(crate) fn close(&self) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.close();
        }
    }
}
