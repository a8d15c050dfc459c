//! A blob that is read while it is being fetched: whoever unpacks it need not wait for its end.
//!
//! The file that is being written is what lies between the two, so that a slow reader does not hold the registry up and a large
//! blob takes no memory. What is read is only known to be right when the fetch has ended well.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// How long a reader waits before it asks again whether it has to go on.
const PATIENCE: Duration = Duration::from_millis(100);

/// The two ends of a blob on its way: the one for [`crate::Registry::fetch_blob`], and the one to read from.
#[must_use]
pub fn arriving() -> (Arrival, Arriving) {
    let shared = Arc::new(Shared { state: Mutex::default(), grown: Condvar::new(), begun: Notify::new() });
    (Arrival(Arc::clone(&shared)), Arriving(shared))
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
    begun: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is being written; there is none when the blob is here already, or somebody else fetches it.
    file: Option<File>,
    /// How much of the file is there.
    written: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// The fetch has failed, has begun again elsewhere, or has never begun.
    GivenUp,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.grown.notify_all();
        self.begun.notify_one();
    }
}

/// The end of whoever fetches. Dropping it tells the reader that nothing more comes.
#[derive(Debug)]
pub struct Arrival(Arc<Shared>);

impl Arrival {
    /// Tells what is written to, the first time; what a reader has of another attempt cannot be gone on with.
    pub(super) fn begin(&self, file: File) {
        self.0.change(|state| match state.file {
            None => state.file = Some(file),
            Some(_) => state.end = Some(End::GivenUp),
        });
    }

    pub(super) fn whole(&self) {
        self.0.change(|state| {
            state.end.get_or_insert(End::Whole);
        });
    }

    fn written(&self, bytes: u64) {
        self.0.change(|state| state.written = bytes);
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.end.get_or_insert(End::GivenUp);
        });
    }
}

/// The end of whoever reads.
#[derive(Debug)]
pub struct Arriving(Arc<Shared>);

impl Arriving {
    /// Waits until there is something to read. False when nothing will come this way: the blob is then in the store, or the
    /// fetch has failed.
    pub async fn has_begun(&self) -> bool {
        loop {
            {
                let state = self.0.state();
                match (state.written, state.end) {
                    (1.., None | Some(End::Whole)) => return true,
                    (_, Some(_)) => return false,
                    (0, None) => {}
                }
            }
            self.0.begun.notified().await;
        }
    }

    /// The bytes from the beginning, for a thread that may block. Reading fails when the fetch does, and soon after
    /// `is_stopped` says so.
    pub fn reader<S: Fn() -> bool>(self, is_stopped: S) -> ArrivingReader<S> {
        ArrivingReader { shared: self.0, position: 0, is_stopped }
    }
}

/// See [`Arriving::reader`].
#[derive(Debug)]
pub struct ArrivingReader<S> {
    shared: Arc<Shared>,
    position: u64,
    is_stopped: S,
}

impl<S: Fn() -> bool> Read for ArrivingReader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shared.state();
        loop {
            match (&state.file, state.end) {
                (_, Some(End::GivenUp)) => return Err(io::Error::other("the download was given up")),
                (Some(file), _) if state.written > self.position => {
                    let there = usize::try_from(state.written - self.position).unwrap_or(usize::MAX).min(buffer.len());
                    let count = file.read_at(&mut buffer[..there], self.position)?;
                    if count == 0 && there > 0 {
                        return Err(io::Error::other("the download was cut off on the disk"));
                    }
                    self.position += count as u64;
                    return Ok(count);
                }
                (_, Some(End::Whole)) => return Ok(0),
                (_, None) if (self.is_stopped)() => return Err(io::Error::other("the build was stopped")),
                (_, None) => {
                    let waited = self.shared.grown.wait_timeout(state, PATIENCE);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

/// A file that tells how much of it has been written.
pub(super) struct TellingFile<'a> {
    file: tokio::fs::File,
    accepted: u64,
    arrival: Option<&'a Arrival>,
}

impl<'a> TellingFile<'a> {
    pub(super) fn new(file: File, arrival: Option<&'a Arrival>) -> Self {
        Self { file: tokio::fs::File::from_std(file), accepted: 0, arrival }
    }

    fn tell(&self) {
        if let Some(arrival) = self.arrival {
            arrival.written(self.accepted);
        }
    }
}

impl AsyncWrite for TellingFile<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.file).poll_write(context, bytes))?;
        // One write is under way at a time: that this one was taken says that those before it have ended.
        self.tell();
        self.accepted += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.file).poll_flush(context))?;
        self.tell();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::io::AsyncWriteExt;

    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[tokio::test]
    async fn what_is_read_is_what_was_written_and_ends_with_it() {
        let (arrival, arriving) = arriving();
        let file = file();
        arrival.begin(file.try_clone().unwrap());
        let mut sink = TellingFile::new(file, Some(&arrival));
        sink.write_all(b"first ").await.unwrap();
        sink.flush().await.unwrap();
        assert!(arriving.has_begun().await);
        let mut reader = arriving.reader(|| false);
        let mut six = [0; 6];
        reader.read_exact(&mut six).unwrap();
        assert_eq!(&six, b"first ");
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            reader.read_to_string(&mut rest).map(|_| rest)
        });
        sink.write_all(b"second").await.unwrap();
        sink.flush().await.unwrap();
        arrival.whole();
        drop(arrival);
        assert_eq!(rest.join().unwrap().unwrap(), "second");
    }

    #[tokio::test]
    async fn nothing_comes_of_a_fetch_that_fails_begins_again_or_never_begins() {
        let (arrival, never) = arriving();
        drop(arrival);
        assert!(!never.has_begun().await);
        for again in [false, true] {
            let (arrival, arriving) = arriving();
            let mut written = file();
            written.write_all(b"half").unwrap();
            arrival.begin(written);
            arrival.written(4);
            let mut reader = arriving.reader(|| false);
            reader.read_exact(&mut [0; 4]).unwrap();
            if again {
                arrival.begin(file());
                arrival.whole();
            } else {
                drop(arrival);
            }
            assert_eq!(reader.read(&mut [0; 4]).unwrap_err().to_string(), "the download was given up");
        }
    }

    #[test]
    fn a_reader_that_waits_is_stopped() {
        let (arrival, arriving) = arriving();
        arrival.begin(file());
        let error = arriving.reader(|| true).read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "the build was stopped");
    }
}
