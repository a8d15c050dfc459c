//! Decompressing and hashing on threads of their own while the caller reads what comes out.

use std::io::Read;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use sha2::{Digest as _, Sha256};
use windlass_core::Digest;

use super::buffer::{Buffer, SIZE as CHUNK};
use super::{Decoder, Limits, ReadError};

/// How many chunks are in circulation.
const CHUNKS: usize = 12;

/// What is known of a stream once all of it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) diff_id: Digest,
    pub(crate) size: u64,
}

/// Hands the uncompressed stream to `body` and reads on to its end after that, for the digest.
///
/// Streams of at most one chunk are read without threads.
pub(crate) fn with_uncompressed<R, T, E>(
    source: R,
    limits: Limits,
    body: impl FnOnce(&mut Chunks) -> Result<T, E>,
) -> Result<(T, Summary), E>
where
    R: Read + Send,
    E: From<ReadError>,
{
    let mut decoder = Decoder::new(source, limits)?;
    let mut first = Buffer::full();
    let size = decoder.read_full(&mut first)?;
    first.truncate(size);
    if size < CHUNK {
        let summary = Summary { diff_id: Digest::from_sha256(Sha256::digest(&*first).into()), size: size as u64 };
        let mut chunks = Chunks { source: None, current: first, position: 0 };
        return Ok((body(&mut chunks)?, summary));
    }
    threaded(decoder, first, body)
}

fn threaded<R, T, E>(
    decoder: Decoder<R>,
    first: Buffer,
    body: impl FnOnce(&mut Chunks) -> Result<T, E>,
) -> Result<(T, Summary), E>
where
    R: Read + Send,
    E: From<ReadError>,
{
    let (to_hash, hashable) = bounded(CHUNKS);
    let (to_read, readable) = bounded(CHUNKS);
    let (to_reuse, reusable) = unbounded();
    thread::scope(|scope| {
        scope.spawn(move || decompress_all(decoder, first, &to_hash, &reusable));
        let hasher = scope.spawn(move || hash_all(&hashable, &to_read));
        let mut chunks = Chunks { source: Some((readable, to_reuse)), current: Buffer::default(), position: 0 };
        let result = body(&mut chunks).and_then(|value| {
            chunks.drain()?;
            Ok(value)
        });
        drop(chunks);
        let summary = hasher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((result?, summary))
    })
}

type Sent = Result<Buffer, ReadError>;

fn decompress_all<R: Read>(mut decoder: Decoder<R>, first: Buffer, to_hash: &Sender<Sent>, reusable: &Receiver<Buffer>) {
    let mut chunk = Ok(first);
    let mut made = 1;
    loop {
        let failed = chunk.is_err();
        if to_hash.send(chunk).is_err() || failed {
            return;
        }
        let mut buffer = match reusable.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if made < CHUNKS => {
                made += 1;
                Buffer::full()
            }
            Err(_) => match reusable.recv() {
                Ok(buffer) => buffer,
                Err(_) => return,
            },
        };
        buffer.resize(CHUNK, 0);
        chunk = match decoder.read_full(&mut buffer) {
            Ok(0) => return,
            Ok(size) => {
                buffer.truncate(size);
                Ok(buffer)
            }
            Err(error) => Err(error),
        };
    }
}

fn hash_all(hashable: &Receiver<Sent>, to_read: &Sender<Sent>) -> Summary {
    let mut hash = Sha256::new();
    let mut size = 0;
    for chunk in hashable {
        if let Ok(bytes) = &chunk {
            hash.update(bytes.as_slice());
            size += bytes.len() as u64;
        }
        if to_read.send(chunk).is_err() {
            break;
        }
    }
    Summary { diff_id: Digest::from_sha256(hash.finalize().into()), size }
}

/// The uncompressed stream.
#[derive(Debug)]
pub(crate) struct Chunks {
    source: Option<(Receiver<Sent>, Sender<Buffer>)>,
    current: Buffer,
    position: usize,
}

impl Chunks {
    /// A stream that stands in memory.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { source: None, current: bytes.into(), position: 0 }
    }

    /// What is at hand; empty at the end of the stream.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ReadError> {
        if self.position == self.current.len() {
            self.refill()?;
        }
        Ok(&self.current[self.position..])
    }

    fn refill(&mut self) -> Result<(), ReadError> {
        let Some((readable, to_reuse)) = &self.source else { return Ok(()) };
        match readable.recv() {
            Ok(Ok(next)) => {
                let used = std::mem::replace(&mut self.current, next);
                self.position = 0;
                if used.capacity() > 0 {
                    // The other side may have ended already.
                    let _ = to_reuse.send(used);
                }
                Ok(())
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Ok(()),
        }
    }

    /// Takes `count` bytes of what [`Self::peek`] gave.
    pub(crate) fn advance(&mut self, count: usize) {
        self.position = self.current.len().min(self.position + count);
    }

    fn drain(&mut self) -> Result<(), ReadError> {
        loop {
            match self.peek()?.len() {
                0 => return Ok(()),
                count => self.advance(count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(source: &[u8]) -> Result<(Vec<u8>, Summary), ReadError> {
        with_uncompressed(source, Limits::default(), |chunks| {
            let mut out = Vec::new();
            loop {
                let bytes = chunks.peek()?;
                if bytes.is_empty() {
                    return Ok(out);
                }
                out.extend_from_slice(bytes);
                let count = bytes.len();
                chunks.advance(count);
            }
        })
    }

    #[test]
    fn the_digest_covers_the_whole_stream_of_any_length() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 17] {
            let bytes: Vec<u8> = (0..size).map(|n| (n / 3) as u8).collect();
            let (read, summary) = read_all(&bytes).unwrap();
            assert_eq!(read, bytes);
            assert_eq!(summary.diff_id, Digest::from_sha256(Sha256::digest(&bytes).into()));
            assert_eq!(summary.size, size as u64);
        }
    }

    #[test]
    fn what_the_reader_leaves_is_hashed_too() {
        let bytes = vec![7; 5 * CHUNK];
        let ((), summary) = with_uncompressed(bytes.as_slice(), Limits::default(), |_| Ok::<_, ReadError>(())).unwrap();
        assert_eq!(summary.size, bytes.len() as u64);
        assert_eq!(summary.diff_id, Digest::from_sha256(Sha256::digest(&bytes).into()));
    }

    #[test]
    fn an_error_of_the_reader_ends_the_threads() {
        let bytes = vec![7; 50 * CHUNK];
        let result = with_uncompressed(bytes.as_slice(), Limits::default(), |_| {
            Err::<(), _>(ReadError::Limit { what: "tests", limit: 0 })
        });
        assert!(matches!(result, Err(ReadError::Limit { what: "tests", .. })));
    }
}
