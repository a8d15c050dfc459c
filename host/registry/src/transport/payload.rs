//! Request bodies, and the watch over how fast they are taken.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Body;
use tokio_util::io::ReaderStream;

use super::fault::Fault;
use crate::arriving::Arriving;
use crate::image::Descriptor;
use crate::source::BlobSource;

/// Small enough that a slow line takes one within the stall limit, large enough to be cheap.
const PIECE: usize = 64 * 1024;

/// Pieces of a blob as they are read.
type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// What a request carries.
pub(crate) enum Payload<'a> {
    /// Nothing.
    None,
    /// A few bytes.
    Bytes(Bytes),
    /// A blob that is still being written, of a length that nobody knows yet. It can be sent once.
    Arriving(Mutex<Option<Arriving>>),
    /// A blob, opened anew for every attempt.
    Blob { source: &'a dyn BlobSource, blob: &'a Descriptor },
}

/// A body that is ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) body: Body,
    /// In bytes, where it is known.
    pub(crate) length: Option<u64>,
    pub(crate) meter: Arc<Meter>,
}

impl Payload<'_> {
    /// Opens the body for one attempt; `None` when there is nothing to send.
    pub(crate) async fn open(&self) -> Result<Option<Outgoing>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::Bytes(bytes) => {
                let (length, meter) = (bytes.len() as u64, Arc::new(Meter::default()));
                meter.done.store(true, Ordering::Relaxed);
                Ok(Some(Outgoing { body: Body::from(bytes.clone()), length: Some(length), meter }))
            }
            Self::Arriving(arriving) => {
                let arriving = arriving.lock().unwrap_or_else(PoisonError::into_inner).take();
                let arriving = arriving.ok_or_else(|| Fault::Source("it can be sent once only".into()))?;
                Ok(Some(metered(Box::pin(arriving.pieces()), None)))
            }
            Self::Blob { source, blob } => {
                let file = source.open(blob).await.map_err(Fault::Source)?;
                let size = file.metadata().map_err(|error| Fault::Source(Box::new(error)))?.len();
                if size != blob.size {
                    return Err(Fault::Source(format!("it is {size} bytes long, expected {}", blob.size).into()));
                }
                let pieces: Pieces = Box::pin(ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE));
                Ok(Some(metered(pieces, Some(size))))
            }
        }
    }
}

fn metered(pieces: Pieces, length: Option<u64>) -> Outgoing {
    let meter = Arc::new(Meter::default());
    Outgoing { body: Body::wrap_stream(Metered { pieces, meter: Arc::clone(&meter) }), length, meter }
}

/// How far a body was taken, and who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    taken: AtomicU64,
    waits_for_source: AtomicBool,
    done: AtomicBool,
    failed: Mutex<Option<Box<dyn StdError + Send + Sync>>>,
}

impl Meter {
    /// The bytes that were handed to the connection.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the delay is ours and not the network's.
    pub(crate) fn waits_for_source(&self) -> bool {
        self.waits_for_source.load(Ordering::Relaxed)
    }

    /// Whether the whole body was handed over.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// The error by which reading the body ended, once.
    pub(crate) fn source_error(&self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Metered {
    pieces: Pieces,
    meter: Arc<Meter>,
}

impl Stream for Metered {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.pieces.as_mut().poll_next(context);
        let meter = &self.meter;
        meter.waits_for_source.store(polled.is_pending(), Ordering::Relaxed);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                meter.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Poll::Ready(Some(Err(error))) => {
                let kept: Box<dyn StdError + Send + Sync> = Box::new(std::io::Error::new(error.kind(), error.to_string()));
                *meter.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            Poll::Ready(None) => meter.done.store(true, Ordering::Relaxed),
            Poll::Pending => {}
        }
        polled
    }
}
