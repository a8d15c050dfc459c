//! Reading answers: never more than is wanted, never slower than is bearable.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::fault::Fault;
use crate::options::Limits;

/// The first `limit` bytes of a body; what fails ends it. For bodies that are only shown.
pub(crate) async fn read_at_most(mut response: Response, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() >= limit {
            break;
        }
    }
    bytes
}

/// A whole small body; `Ok(None)` when it is larger than `limit` bytes.
pub(crate) async fn read_whole(mut response: Response, limit: u64, patience: Duration) -> Result<Option<Bytes>, Fault> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let reading = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(Fault::Transport)? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes.freeze()))
    };
    tokio::time::timeout(patience, reading).await.unwrap_or(Err(Fault::Stalled(patience)))
}

/// Reads a large body piece by piece and notices when it trickles. Only the time spent waiting for the registry
/// counts, not the time that whoever takes the pieces needs for them.
#[derive(Debug)]
pub(crate) struct Flow {
    limits: Limits,
    waited: Duration,
    bytes: u64,
}

impl Flow {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, waited: Duration::ZERO, bytes: 0 }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self, response: &mut Response) -> Result<Option<Bytes>, Fault> {
        let begin = Instant::now();
        let chunk = loop {
            let left = self.limits.stall.saturating_sub(self.waited);
            match tokio::time::timeout(left, response.chunk()).await {
                Ok(chunk) => break chunk.map_err(Fault::Transport)?,
                Err(_) if self.bytes >= self.limits.least_bytes => (self.waited, self.bytes) = (Duration::ZERO, 0),
                Err(_) => return Err(Fault::Stalled(self.limits.stall)),
            }
        };
        self.waited += begin.elapsed();
        self.bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}
