//! Blobs: OCI distribution specification, "Pulling blobs". A download that breaks goes on where it was.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use windlass_core::Repository;

use crate::arriving::{Arrival, TellingFile};
use crate::checksum::Checksum;
use crate::error::Error;
use crate::image::Descriptor;
use crate::registry::Registry;
use crate::store::Blobs;
use crate::transport::body::Flow;
use crate::transport::fault::Fault;
use crate::transport::retry::{Retry, Verdict};
use crate::transport::route::{Answered, Route};

/// An attempt that moved this much earns the next ones back: a large layer over a bad line comes to its end.
const ENCOURAGING: u64 = 1024 * 1024;
/// So few writes for a layer that handing each to another thread costs nothing.
const BUFFER: usize = 1024 * 1024;

/// What takes the bytes of a blob.
type Sink<'a> = &'a mut (dyn AsyncWrite + Unpin + Send);

impl Registry {
    /// Fetches a blob into a store, unless it is there. Parallel calls for one blob fetch it once. `progress` gets the
    /// bytes that are there so far, and starts over when a mirror is given up; whoever reads the blob meanwhile has the other
    /// end of `arrival`, see [`crate::arriving()`].
    ///
    /// # Errors
    /// When it cannot be had, has another size or digest, trickles, or cannot be written.
    pub async fn fetch_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        into: &Blobs,
        progress: &(dyn Fn(u64) + Sync),
        arrival: Option<Arrival>,
    ) -> Result<(), Error> {
        let turn = {
            let mut fetching = self.inner.fetching.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(fetching.entry((into.path(&blob.digest), blob.size)).or_default())
        };
        let _my_turn = turn.lock().await;
        if into.holds(&blob.digest, blob.size) {
            progress(blob.size);
            return Ok(());
        }
        let _permit = self.inner.pulls.acquire().await.expect("the semaphore is never closed");
        let mut failure = None;
        for route in self.pull_routes(repository)? {
            match store(&route, blob, into, progress, arrival.as_ref()).await {
                Err(error) if !matches!(error, Error::Sink { .. } | Error::Store(_)) => failure = Some(error),
                settled => return settled,
            }
        }
        Err(failure.expect("there is at least one way to every repository"))
    }

    /// Writes a blob to `sink` while it comes in. What was written is right only when this returns without an error.
    ///
    /// # Errors
    /// As for [`Registry::fetch_blob`].
    pub async fn stream_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Unpin + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let _permit = self.inner.pulls.acquire().await.expect("the semaphore is never closed");
        let mut download = Download::new(blob, sink, progress);
        let mut failure = None;
        for route in self.pull_routes(repository)? {
            match download.run(&route).await {
                Err(error) if !matches!(error, Error::Sink { .. } | Error::DigestMismatch { .. }) => failure = Some(error),
                settled => return settled,
            }
        }
        Err(failure.expect("there is at least one way to every repository"))
    }

    /// A whole blob of at most `limit` bytes, verified.
    ///
    /// # Errors
    /// As for [`Registry::fetch_blob`], and when it is larger.
    pub async fn blob_bytes(&self, repository: &Repository, blob: &Descriptor, limit: u64) -> Result<Bytes, Error> {
        if blob.size > limit {
            return Err(Error::TooLarge { repository: repository.clone(), what: format!("blob {}", blob.digest), limit });
        }
        let mut bytes = Vec::new();
        self.stream_blob(repository, blob, &mut bytes, &|_| {}).await?;
        Ok(bytes.into())
    }
}

async fn store(
    route: &Route,
    blob: &Descriptor,
    into: &Blobs,
    progress: &(dyn Fn(u64) + Sync),
    arrival: Option<&Arrival>,
) -> Result<(), Error> {
    let writer = into.unsummed_writer()?;
    if let Some(arrival) = arrival {
        arrival.begin(writer.reopened()?);
    }
    let mut sink = BufWriter::with_capacity(BUFFER, TellingFile::new(writer.reopened()?, arrival));
    Download::new(blob, &mut sink, progress).run(route).await?;
    writer.place(&blob.digest)?;
    if let Some(arrival) = arrival {
        arrival.whole();
    }
    Ok(())
}

/// A blob on its way.
struct Download<'a> {
    blob: &'a Descriptor,
    sink: Sink<'a>,
    progress: &'a (dyn Fn(u64) + Sync),
    sum: Checksum,
    done: u64,
    /// Whether the registry can go on in the middle.
    ranges: bool,
}

/// Why an attempt ended before the blob did.
enum Break {
    /// Going on may help.
    Fault(Box<url::Url>, Fault),
    /// The registry said that this was all.
    Short,
    /// The registry cannot go on in the middle.
    NoRange,
    /// Going on does not help.
    Final(Error),
}

impl From<Error> for Break {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl<'a> Download<'a> {
    fn new(blob: &'a Descriptor, sink: Sink<'a>, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self { blob, sink, progress, sum: Checksum::like(&blob.digest), done: 0, ranges: true }
    }

    /// Fetches what is missing, and verifies the whole.
    async fn run(&mut self, route: &Route) -> Result<(), Error> {
        let mut retry = Retry::new(&route.inner.options);
        while self.done < self.blob.size {
            let before = self.done;
            let (verdict, error) = match self.attempt(route).await {
                Ok(()) => continue,
                Err(Break::Final(error)) => return Err(error),
                Err(Break::NoRange) => {
                    self.ranges = false;
                    continue;
                }
                Err(Break::Short) => (retry.after_answer(None), self.wrong_size(route, self.done)),
                Err(Break::Fault(url, fault)) => {
                    let verdict = retry.after_fault(&fault);
                    (verdict, fault.into_error(route.registry(), &route.repository, &self.what(), &url))
                }
            };
            match verdict {
                Verdict::Again(pause) => {
                    tracing::debug!(?pause, %error, done = self.done, "going on with a blob");
                    tokio::time::sleep(pause).await;
                }
                Verdict::Enough => return Err(error),
            }
            if self.done - before >= ENCOURAGING {
                retry = Retry::new(&route.inner.options);
            }
        }
        self.sink.flush().await.map_err(|source| self.unwritable(route, source))?;
        let found = std::mem::replace(&mut self.sum, Checksum::like(&self.blob.digest)).finish();
        if found == self.blob.digest {
            return Ok(());
        }
        let (repository, expected) = (route.repository.clone(), self.blob.digest.clone());
        Err(Error::DigestMismatch { repository, what: self.what(), expected, found: found.to_string() })
    }

    async fn attempt(&mut self, route: &Route) -> Result<(), Break> {
        let mut ask = route.ask(Method::GET, format!("blobs/{}", self.blob.digest), format!("the download of {}", self.what()));
        let ranged = self.ranges && self.done > 0;
        if ranged {
            let range = format!("bytes={}-", self.done);
            ask.headers.insert(RANGE, HeaderValue::from_str(&range).expect("digits and punctuation are a header's value"));
        }
        let asked_for = ask.what.clone();
        let response = match route.send(ask, &|_| {}).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) if ranged && refusal.status.as_u16() == 416 => return Err(Break::NoRange),
            Answered::Bad(refusal) => return Err(route.failed(refusal, &asked_for, Some(&self.what())).into()),
        };
        let skip = self.start(route, &response, &asked_for)?;
        self.receive(route, response, skip).await
    }

    /// Checks an answer's head; returns how many bytes of its body are there already.
    fn start(&self, route: &Route, response: &Response, asked_for: &str) -> Result<u64, Error> {
        let faulty = |fault: String| route.wire().protocol(asked_for, fault);
        let begin = match response.status().as_u16() {
            200 => 0,
            206 => match range_begin(response.headers()) {
                Some(begin) if begin == self.done => begin,
                _ => return Err(faulty("it answers with another part than was asked for".to_owned())),
            },
            status => return Err(faulty(format!("it answers with status {status}"))),
        };
        if let Some(coding) = response.headers().get(CONTENT_ENCODING).filter(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            let shown = crate::text::clean(&String::from_utf8_lossy(coding.as_bytes()), 40);
            return Err(faulty(format!("it encodes the content as `{shown}`, which was not asked for")));
        }
        match response.content_length() {
            Some(length) if length != self.blob.size - begin => Err(self.wrong_size(route, begin.saturating_add(length))),
            _ => Ok(self.done - begin),
        }
    }

    async fn receive(&mut self, route: &Route, mut response: Response, mut skip: u64) -> Result<(), Break> {
        let url = response.url().clone();
        let mut flow = Flow::new(route.inner.options.limits);
        loop {
            let next = flow.next(&mut response).await.map_err(|fault| Break::Fault(Box::new(url.clone()), fault))?;
            let Some(mut bytes) = next else {
                return if self.done == self.blob.size { Ok(()) } else { Err(Break::Short) };
            };
            let known = skip.min(bytes.len() as u64);
            skip -= known;
            bytes = bytes.slice(usize::try_from(known).unwrap_or(bytes.len())..);
            let done = self.done + bytes.len() as u64;
            if done > self.blob.size {
                return Err(self.wrong_size(route, done).into());
            }
            self.sink.write_all(&bytes).await.map_err(|source| self.unwritable(route, source))?;
            self.sum.update(&bytes);
            self.done = done;
            (self.progress)(done);
        }
    }

    fn what(&self) -> String {
        format!("blob {}", self.blob.digest)
    }

    fn wrong_size(&self, route: &Route, found: u64) -> Error {
        Error::SizeMismatch { repository: route.repository.clone(), what: self.what(), expected: self.blob.size, found }
    }

    fn unwritable(&self, route: &Route, source: std::io::Error) -> Error {
        Error::Sink { what: self.what(), repository: route.repository.clone(), source }
    }
}

/// Where the part begins that `Content-Range: bytes 5-9/10` announces.
fn range_begin(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.trim().strip_prefix("bytes")?.trim_start_matches([' ', '=']).split('-').next()?.parse().ok()
}
