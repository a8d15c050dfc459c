//! Blobs: OCI distribution specification, "Pushing blobs" and "Mounting a blob from another repository".

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Response};
use url::Url;
use windlass_core::{Digest, Repository};

use crate::credential::Action;
use crate::error::Error;
use crate::image::Descriptor;
use crate::pull::announced;
use crate::registry::{Registry, Turn};
use crate::source::BlobSource;
use crate::transport::payload::Payload;
use crate::transport::retry::{Retry, Verdict};
use crate::transport::route::{Answered, Route, Target};

/// A registry stores at least this much in a second once it has received a blob.
pub(super) const STORED_PER_SECOND: u64 = 10_000_000;

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placed {
    /// It was there.
    Existed,
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// An upload that a registry has opened, or has no need of.
pub(super) enum Begun {
    Mounted,
    Session(Url),
}

impl Registry {
    /// Puts a blob into a repository: nothing is sent when it is there, or can be mounted from a repository that this client
    /// has seen it in or from one of `mount_from` (repositories of other registries are passed over). `progress` gets the
    /// bytes sent so far, and starts over when the upload does. Parallel calls for one registry send a blob once.
    ///
    /// # Errors
    /// When the registry refuses it or cannot be reached, or `source` cannot be read.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        source: &dyn BlobSource,
        mount_from: &[Repository],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Placed, Error> {
        let route = self.route(repository, Action::Push)?;
        let turn = self.turn_to_push(repository, &blob.digest);
        let _my_turn = turn.lock().await;
        let placed = if self.is_known(repository, &blob.digest) {
            Placed::Existed
        } else {
            let from = self.source_of_mount(repository, &blob.digest, mount_from);
            let _permit = self.inner.pushes.acquire().await.expect("the semaphore is never closed");
            route.place(blob, source, from.as_ref(), progress).await?
        };
        if placed != Placed::Uploaded {
            progress(blob.size);
        }
        self.remember(repository, &blob.digest);
        Ok(placed)
    }

    /// Puts a blob into a repository where nothing has to be sent for that: because it is there, or can be mounted as in
    /// [`Registry::push_blob`]. Whether it is in there now.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn mount_blob(&self, repository: &Repository, blob: &Descriptor, mount_from: &[Repository]) -> Result<bool, Error> {
        let route = self.route(repository, Action::Push)?;
        let turn = self.turn_to_push(repository, &blob.digest);
        let _my_turn = turn.lock().await;
        let from = self.source_of_mount(repository, &blob.digest, mount_from);
        let is_there = self.is_known(repository, &blob.digest)
            || route.has_blob(&blob.digest).await?
            || match from {
                Some(from) => matches!(route.mount(&blob.digest, &from).await?, Some(Begun::Mounted)),
                None => false,
            };
        if is_there {
            self.remember(repository, &blob.digest);
        }
        Ok(is_there)
    }

    fn turn_to_push(&self, repository: &Repository, digest: &Digest) -> Turn {
        let mut pushing = self.inner.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pushing.entry((repository.registry().to_owned(), digest.clone())).or_default())
    }

    /// Another repository of the same registry that a blob can be mounted from: one that it was seen in, else one of
    /// `mount_from`.
    fn source_of_mount(&self, repository: &Repository, digest: &Digest, mount_from: &[Repository]) -> Option<Repository> {
        let is_another = |from: &&Repository| from.registry() == repository.registry() && from.path() != repository.path();
        let present = self.inner.present.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = present.iter().filter(|(_, known)| known == digest).map(|(from, _)| from);
        seen.chain(mount_from).find(is_another).cloned()
    }

    /// Whether this client has seen the blob in the repository.
    pub(super) fn is_known(&self, repository: &Repository, digest: &Digest) -> bool {
        let present = self.inner.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.contains(&(repository.clone(), digest.clone()))
    }

    pub(super) fn remember(&self, repository: &Repository, digest: &Digest) {
        let mut present = self.inner.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.insert((repository.clone(), digest.clone()));
    }
}

impl Route {
    async fn place(
        &self,
        blob: &Descriptor,
        source: &dyn BlobSource,
        mount_from: Option<&Repository>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Placed, Error> {
        if self.has_blob(&blob.digest).await? {
            return Ok(Placed::Existed);
        }
        let mut session = None;
        if let Some(from) = mount_from {
            match self.mount(&blob.digest, from).await? {
                Some(Begun::Mounted) => return Ok(Placed::Mounted),
                Some(Begun::Session(url)) => session = Some(url),
                None => {}
            }
        }
        self.upload(blob, source, session, progress).await?;
        Ok(Placed::Uploaded)
    }

    /// Whether the repository has the blob. Anything but a clear yes means that it is uploaded.
    async fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        let ask = self.ask(Method::HEAD, format!("blobs/{digest}"), format!("the question for blob {digest}"));
        Ok(matches!(self.send(ask, &|_| {}).await?, Answered::Good(_)))
    }

    /// Asks for a blob of another repository; `None` when the registry will not hear of it.
    async fn mount(&self, digest: &Digest, from: &Repository) -> Result<Option<Begun>, Error> {
        let scope = format!("repository:{}:{}", from.path(), Action::Pull.scope());
        match self.begin(Some((digest, from)), vec![scope]).await {
            Ok(begun) => Ok(Some(begun)),
            Err(error) if error.is_of_the_connection() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "mounting a blob was refused");
                Ok(None)
            }
        }
    }

    /// Opens an upload, or mounts.
    pub(super) async fn begin(&self, mount: Option<(&Digest, &Repository)>, scopes: Vec<String>) -> Result<Begun, Error> {
        let path = match mount {
            None => "blobs/uploads/".to_owned(),
            Some((digest, from)) => format!("blobs/uploads/?mount={digest}&from={}", encoded(from.path())),
        };
        let what = "the beginning of an upload";
        let mut ask = self.ask(Method::POST, path, what);
        ask.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        ask.scopes = scopes;
        let response = match self.send(ask, &|_| {}).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(self.failed(refusal, what, None)),
        };
        match (response.status().as_u16(), mount) {
            (201, Some((digest, _))) => self.is_announced(&response, digest, what).map(|()| Begun::Mounted),
            (202, _) => match self.upload_location(&response, what)? {
                Some(url) => Ok(Begun::Session(url)),
                None => Err(self.wire().protocol(what, "it names no location to send to".to_owned())),
            },
            (status, _) => Err(self.wire().protocol(what, format!("it answers with status {status}"))),
        }
    }

    /// Where an upload goes on. A location at another origin is asked without credentials.
    pub(super) fn upload_location(&self, response: &Response, what: &str) -> Result<Option<Url>, Error> {
        let location = response.headers().get(LOCATION);
        location.map(|value| self.wire().location(value, response.url(), what)).transpose()
    }

    /// Sends a blob whole, and starts over when that fails in its midst.
    async fn upload(
        &self,
        blob: &Descriptor,
        source: &dyn BlobSource,
        mut session: Option<Url>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let mut retry = Retry::new(&self.inner.options);
        loop {
            let url = match session.take() {
                Some(url) => url,
                None => match self.begin(None, Vec::new()).await? {
                    Begun::Session(url) => url,
                    Begun::Mounted => return Ok(()),
                },
            };
            let Err(error) = self.commit(url, blob, source, progress).await else { return Ok(()) };
            match retry.after_error(&error) {
                Verdict::Again(pause) => {
                    tracing::debug!(?pause, %error, "starting an upload over");
                    tokio::time::sleep(pause).await;
                }
                Verdict::Enough => return Err(error),
            }
        }
    }

    /// Ends an upload with the blob.
    async fn commit(
        &self,
        mut url: Url,
        blob: &Descriptor,
        source: &dyn BlobSource,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let Descriptor { digest, size, .. } = blob;
        url.query_pairs_mut().append_pair("digest", digest.as_str());
        let what = format!("the upload of blob {digest}");
        let mut ask = self.ask(Method::PUT, "", what.clone());
        ask.target = Target::Url(url);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        ask.payload = Payload::Blob { source, blob };
        ask.only_once = true;
        ask.patience = self.inner.options.limits.commit + Duration::from_secs(size / STORED_PER_SECOND);
        let response = match self.send(ask, progress).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(self.failed(refusal, &what, Some("such upload"))),
        };
        self.is_stored(&response, digest, &what)
    }

    /// Whether the answer to the end of an upload says that the registry has the blob.
    pub(super) fn is_stored(&self, response: &Response, digest: &Digest, what: &str) -> Result<(), Error> {
        match response.status().as_u16() {
            200 | 201 | 204 => self.is_announced(response, digest, what),
            status => Err(self.wire().protocol(what, format!("it answers with status {status}"))),
        }
    }

    /// Compares the digest that the registry announces, where it does, with the one that it should have.
    pub(super) fn is_announced(&self, response: &Response, expected: &Digest, what: &str) -> Result<(), Error> {
        match announced(self, response.headers(), what)? {
            Some(found) if found.algorithm() == expected.algorithm() && found != *expected => Err(Error::DigestMismatch {
                repository: self.repository.clone(),
                what: what.to_owned(),
                expected: expected.clone(),
                found: found.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
