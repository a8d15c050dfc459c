//! A blob that is read while it is being written: whoever unpacks what is fetched, or sends what is compressed, need not wait
//! for its end.
//!
//! The file that is being written is what lies between the two, so that a slow reader does not hold the writer up and a large
//! blob takes no memory. What is read is only known to be right when the writer has ended well.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// How long a reader waits before it asks again whether it has to go on.
const PATIENCE: Duration = Duration::from_millis(100);

/// The most that is read at once for sending it on, in bytes.
const PIECE: usize = 256 << 10;

/// The two ends of a blob on its way into a store: the one for [`crate::Registry::fetch_blob`] or
/// [`crate::BlobWriter::announced`], and the one to read from.
#[must_use]
pub fn arriving() -> (Arrival, Arriving) {
    let shared = Arc::new(Shared { state: Mutex::default(), grown: Condvar::new(), changed: Notify::new() });
    (Arrival(Arc::clone(&shared)), Arriving(shared))
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is being written; there is none when the blob is here already, or somebody else fetches it.
    file: Option<Arc<File>>,
    /// How much of the file is there.
    written: u64,
    end: Option<End>,
}

impl State {
    /// What is there behind `position`.
    fn next(&self, position: u64) -> io::Result<Next> {
        let count = usize::try_from(self.written.saturating_sub(position)).unwrap_or(usize::MAX);
        match (&self.file, self.end) {
            (_, Some(End::GivenUp)) => Err(io::Error::other("whoever wrote the blob has given it up")),
            (Some(file), _) if count > 0 => Ok(Next::Bytes(Arc::clone(file), count)),
            (_, Some(End::Whole)) => Ok(Next::End),
            (_, None) => Ok(Next::Later),
        }
    }
}

/// What a reader goes on with.
enum Next {
    /// So many bytes of the file.
    Bytes(Arc<File>, usize),
    /// There are no more.
    End,
    /// More may come.
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// The writer has failed, has begun again elsewhere, or has never begun.
    GivenUp,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.grown.notify_all();
        self.changed.notify_one();
    }
}

/// The end of whoever writes. Dropping it tells the reader that nothing more comes.
#[derive(Debug)]
pub struct Arrival(Arc<Shared>);

impl Arrival {
    /// Tells what is written to, the first time; what a reader has of another attempt cannot be gone on with.
    pub(crate) fn begin(&self, file: File) {
        self.0.change(|state| match state.file {
            None => state.file = Some(Arc::new(file)),
            Some(_) => state.end = Some(End::GivenUp),
        });
    }

    pub(crate) fn whole(&self) {
        self.0.change(|state| {
            state.end.get_or_insert(End::Whole);
        });
    }

    pub(crate) fn written(&self, bytes: u64) {
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
    /// Waits until there are so many bytes to read. False when they will not come this way: there are fewer, or the blob was
    /// in the store already, or the writer has failed.
    pub async fn has_grown_to(&self, bytes: u64) -> bool {
        loop {
            {
                let state = self.0.state();
                match state.end {
                    Some(End::GivenUp) => return false,
                    _ if state.written >= bytes => return true,
                    Some(End::Whole) => return false,
                    None => {}
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// The bytes from the beginning, as they come. Reading fails when the writer does.
    pub(crate) fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold((self.0, 0), |(shared, position)| async move {
            loop {
                let next = shared.state().next(position)?;
                match next {
                    Next::Bytes(file, count) => {
                        let read = move || {
                            let mut buffer = vec![0; count.min(PIECE)];
                            let count = read_at(&file, &mut buffer, position)?;
                            buffer.truncate(count);
                            io::Result::Ok(Bytes::from(buffer))
                        };
                        let bytes = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                        let position = position + bytes.len() as u64;
                        return Ok(Some((bytes, (shared, position))));
                    }
                    Next::End => return Ok(None),
                    Next::Later => shared.changed.notified().await,
                }
            }
        })
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
            match state.next(self.position)? {
                Next::Bytes(file, there) => {
                    let there = there.min(buffer.len());
                    let count = read_at(&file, &mut buffer[..there], self.position)?;
                    self.position += count as u64;
                    return Ok(count);
                }
                Next::End => return Ok(0),
                Next::Later if (self.is_stopped)() => return Err(io::Error::other("the build was stopped")),
                Next::Later => {
                    let waited = self.shared.grown.wait_timeout(state, PATIENCE);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    match file.read_at(buffer, position)? {
        0 if !buffer.is_empty() => Err(io::Error::other("the blob was cut off on the disk")),
        count => Ok(count),
    }
}

/// A file that tells how much of it has been written.
pub(crate) struct TellingFile<'a> {
    file: tokio::fs::File,
    accepted: u64,
    arrival: Option<&'a Arrival>,
}

impl<'a> TellingFile<'a> {
    pub(crate) fn new(file: File, arrival: Option<&'a Arrival>) -> Self {
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
        assert!(arriving.has_grown_to(1).await);
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
        assert!(!never.has_grown_to(1).await);
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
            assert_eq!(reader.read(&mut [0; 4]).unwrap_err().to_string(), "whoever wrote the blob has given it up");
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
