//! Work on threads of its own: counted, so that a build that has failed returns with nothing left running or half-written.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinHandle};
use windlass_sandbox::Cancel;

use crate::store::SnapshotId;

/// The threads of one build. Clones are the same threads.
#[derive(Clone)]
pub(crate) struct Work {
    cancel: Cancel,
    running: Arc<watch::Sender<usize>>,
    unpacking: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    gates: Arc<Mutex<BTreeMap<SnapshotId, Gate>>>,
}

/// What lets one at a time through.
type Gate = Arc<tokio::sync::Mutex<()>>;

/// Layers that are unpacked at the same time. Each has buffers of 3 MiB, the window of its compression, and three threads.
const UNPACKED_AT_ONCE: usize = 4;
/// Layers that are written at the same time. Each is compressed on all processors, with buffers of 2 MiB for each.
const WRITTEN_AT_ONCE: usize = 2;

impl Work {
    /// No threads so far; `cancel` ends what they do.
    pub(crate) fn new(cancel: Cancel) -> Self {
        Self {
            cancel,
            running: Arc::new(watch::Sender::new(0)),
            unpacking: Arc::new(Semaphore::new(UNPACKED_AT_ONCE)),
            writing: Arc::new(Semaphore::new(WRITTEN_AT_ONCE)),
            gates: Arc::default(),
        }
    }

    /// Waits until nobody else of this build has the snapshot in hand.
    pub(crate) async fn alone_with(&self, snapshot: &SnapshotId) -> OwnedMutexGuard<()> {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(snapshot.clone()).or_default())
        };
        gate.lock_owned().await
    }

    /// Waits until a layer may be unpacked. Whoever has the turn must not wait for another layer.
    pub(crate) async fn turn_to_unpack(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.unpacking).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Carries out `task`, which writes a layer, when few enough are being written; it is begun without being waited for.
    pub(crate) fn start_in_turn<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Result<T, JoinError>> {
        let (work, running) = (self.clone(), Running::new(&self.running));
        tokio::spawn(async move {
            let _running = running;
            let _turn = Arc::clone(&work.writing).acquire_owned().await.expect("the semaphore is never closed");
            work.start(task).await
        })
    }

    /// Carries out `task` on a thread that may block.
    pub(crate) fn start<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        // Goes with the task, also when that is dropped before it begins.
        let running = Running::new(&self.running);
        tokio::task::spawn_blocking(move || {
            let _running = running;
            task()
        })
    }

    /// Whether what is running has to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Ends what is running, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        // It fails when the sender is gone, and `self` holds it.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// A stream that fails once the work has to end: what reads or writes much goes through one.
    pub(crate) fn watched<S>(&self, stream: S) -> Watched<S> {
        Watched { work: self.clone(), stream }
    }
}

/// One thread in the count.
struct Running(Arc<watch::Sender<usize>>);

impl Running {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|running| *running += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// See [`Work::watched`].
pub(crate) struct Watched<S> {
    work: Work,
    stream: S,
}

impl<S> Watched<S> {
    /// The stream itself.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn check(&self) -> io::Result<()> {
        if self.work.is_stopped() { Err(io::Error::other("the build was stopped")) } else { Ok(()) }
    }
}

impl<S: Read> Read for Watched<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Watched<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_stops_waits_for_what_has_begun() {
        let work = Work::new(Cancel::new().unwrap());
        let (begin, begun) = std::sync::mpsc::channel();
        let mut endless = work.watched(io::repeat(0));
        // Nobody waits for this thread.
        drop(work.start(move || {
            let _ = begin.send(());
            io::copy(&mut endless, &mut io::sink())
        }));
        begun.recv().unwrap();
        assert_eq!(*work.running.borrow(), 1);
        work.stop().await;
        assert_eq!(*work.running.borrow(), 0);
    }
}
