//! Blobs that are sent while they are written, before anyone knows their digest: OCI distribution specification, "Pushing a blob
//! in chunks", with one chunk of unknown length, as docker sends what it compresses.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use url::Url;
use windlass_core::Repository;

use super::blob::{Begun, STORED_PER_SECOND};
use crate::arriving::Arriving;
use crate::credential::Action;
use crate::error::Error;
use crate::image::Descriptor;
use crate::registry::Registry;
use crate::transport::payload::Payload;
use crate::transport::route::{Answered, Route, Target};

/// What a registry has received of a blob. It has no blob before [`Registry::end_upload`] has told it the digest.
#[derive(Debug)]
pub struct Sent {
    repository: Repository,
    upload: Url,
    size: u64,
}

impl Sent {
    /// The repository that it was sent to.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }
}

impl Registry {
    /// Sends a blob to a repository while it is being written; returns when all of it has been sent. It is tried once: whoever
    /// fails has lost nothing but a head start, and has [`Registry::push_blob`] when the blob is whole.
    ///
    /// # Errors
    /// When the registry refuses it, will not have a blob of unknown length or cannot be reached, and when the blob is given up.
    pub async fn send_arriving(&self, repository: &Repository, arriving: Arriving) -> Result<Sent, Error> {
        let route = self.route(repository, Action::Push)?;
        let _permit = self.inner.pushes.acquire().await.expect("the semaphore is never closed");
        let Begun::Session(url) = route.begin(None, Vec::new()).await? else {
            let fault = "it mounts a blob that was not asked for".to_owned();
            return Err(route.wire().protocol("the beginning of an upload", fault));
        };
        let (size, what) = (AtomicU64::new(0), "the upload of a layer that is still being written");
        let mut ask = route.ask(Method::PATCH, "", what);
        ask.target = Target::Url(url);
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        ask.payload = Payload::Arriving(Mutex::new(Some(arriving)));
        ask.only_once = true;
        ask.patience = self.inner.options.limits.commit;
        let response = match route.send(ask, &|sent| size.store(sent, Ordering::Relaxed)).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(route.failed(refusal, what, Some("such upload"))),
        };
        let Some(upload) = route.upload_location(&response, what)? else {
            return Err(route.wire().protocol(what, "it names no location to go on at".to_owned()));
        };
        Ok(Sent { repository: repository.clone(), upload, size: size.into_inner() })
    }

    /// Ends an upload with the digest of what was sent: from now on the repository has the blob.
    ///
    /// # Errors
    /// When something else than `blob` was sent, or the registry refuses it.
    pub async fn end_upload(&self, sent: Sent, blob: &Descriptor) -> Result<(), Error> {
        let Sent { repository, upload, size } = sent;
        let route = self.route(&repository, Action::Push)?;
        let what = format!("the end of the upload of blob {}", blob.digest);
        if size != blob.size {
            return Err(route.wire().protocol(&what, format!("it was sent {size} bytes, expected {}", blob.size)));
        }
        route.end(upload, blob, &what).await?;
        self.remember(&repository, &blob.digest);
        Ok(())
    }
}

impl Route {
    async fn end(&self, mut url: Url, blob: &Descriptor, what: &str) -> Result<(), Error> {
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let mut ask = self.ask(Method::PUT, "", what);
        ask.target = Target::Url(url);
        ask.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        ask.only_once = true;
        ask.patience = self.inner.options.limits.commit + Duration::from_secs(blob.size / STORED_PER_SECOND);
        let response = match self.send(ask, &|_| {}).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(self.failed(refusal, what, Some("such upload"))),
        };
        self.is_stored(&response, &blob.digest, what)
    }
}
