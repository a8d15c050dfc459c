//! What a run tells about itself while it goes on. Only the command line turns events into text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::finding::Finding;

/// Identifies one task of a run, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TaskId(u64);

/// The stage of a run that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading settings and asking plugins.
    Plan,
    /// Getting base images.
    Pull,
    /// Dockerfile steps.
    Build,
    /// Writing layouts and archives.
    Export,
    /// Sending to a registry.
    Push,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "message")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Nothing had to be done: the result was there already.
    Cached,
    /// It failed; the text says why, in one line.
    Failed(String),
    /// It was stopped before its end.
    Cancelled,
}

/// Which of a process's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One event. Texts are free of secrets; those from processes and registries may hold any control character, which
/// whoever prints them removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A task has begun.
    Started {
        /// Its identifier.
        task: TaskId,
        /// The stage it belongs to.
        stage: Stage,
        /// What is done, such as `[build 2/5] RUN make`.
        title: String,
    },
    /// A task has moved on.
    Progress {
        /// Which task.
        task: TaskId,
        /// How much is done, in bytes.
        current: u64,
        /// How much there is to do, in bytes, where that is known.
        total: Option<u64>,
    },
    /// A process of a task has printed a line.
    Log {
        /// Which task.
        task: TaskId,
        /// Which of its outputs.
        stream: Stream,
        /// The line, without its end.
        line: String,
    },
    /// Why a step of a task runs, though steps may be taken from the cache.
    Explained {
        /// Which task.
        task: TaskId,
        /// The reason, such as `src/main.c changed`.
        reason: String,
    },
    /// Something worth saying that does not stop the run.
    Notice {
        /// What it is.
        finding: Finding,
    },
    /// A task has ended.
    Finished {
        /// Which task.
        task: TaskId,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
    },
}

/// Where events go. Clones share the receiver and the numbering of tasks.
#[derive(Clone)]
pub struct EventSink {
    receive: Arc<dyn Fn(Event) + Send + Sync>,
    next: Arc<AtomicU64>,
}

impl EventSink {
    /// Sends every event to `receive`, which must be quick: it is called where the work is done.
    pub fn new(receive: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { receive: Arc::new(receive), next: Arc::new(AtomicU64::new(1)) }
    }

    /// Drops every event.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
        (self.receive)(event);
    }

    /// Sends a finding as a notice.
    pub fn notice(&self, finding: Finding) {
        self.send(Event::Notice { finding });
    }

    /// Begins a task; it ends when the value is finished or dropped.
    #[must_use]
    pub fn start(&self, stage: Stage, title: impl Into<String>) -> Task {
        let id = TaskId(self.next.fetch_add(1, Ordering::Relaxed));
        self.send(Event::Started { task: id, stage, title: title.into() });
        Task { sink: self.clone(), id, ended: false }
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").finish_non_exhaustive()
    }
}

/// A task that is going on. Dropping it without an end reports it as cancelled.
#[derive(Debug)]
pub struct Task {
    sink: EventSink,
    id: TaskId,
    ended: bool,
}

impl Task {
    /// Tells how far the task is, in bytes.
    pub fn progress(&self, current: u64, total: Option<u64>) {
        self.sink.send(Event::Progress { task: self.id, current, total });
    }

    /// Passes on a line that a process of this task printed.
    pub fn log(&self, stream: Stream, line: impl Into<String>) {
        self.sink.send(Event::Log { task: self.id, stream, line: line.into() });
    }

    /// Tells why the task's step runs.
    pub fn explain(&self, reason: &str) {
        self.sink.send(Event::Explained { task: self.id, reason: reason.to_owned() });
    }

    /// Ends the task.
    pub fn finish(mut self, outcome: Outcome) {
        self.ended = true;
        self.sink.send(Event::Finished { task: self.id, outcome });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.sink.send(Event::Finished { task: self.id, outcome: Outcome::Cancelled });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_dropped_task_is_reported_as_cancelled() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        let sink = EventSink::new(move |event| copy.lock().unwrap().push(event));
        sink.start(Stage::Build, "one").finish(Outcome::Done);
        drop(sink.start(Stage::Push, "two"));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 4);
        assert!(matches!(&seen[3], Event::Finished { outcome: Outcome::Cancelled, .. }));
    }

    #[test]
    fn events_are_flat_json_objects() {
        let sink = EventSink::silent();
        let task = sink.start(Stage::Build, "x");
        let json = serde_json::to_value(Event::Finished { task: task.id, outcome: Outcome::Failed("no".to_owned()) }).unwrap();
        assert_eq!(json, serde_json::json!({"event": "finished", "task": 1, "outcome": "failed", "message": "no"}));
    }
}
