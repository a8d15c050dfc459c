//! Uploads that begin before their digest is known: OCI distribution specification, "Pushing a blob in chunks", with
//! one chunk whose end is open.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use url::Url;
use windlass_core::{Digest, Repository};

use super::blob::Begun;
use crate::credential::Action;
use crate::error::Error;
use crate::registry::Registry;
use crate::transport::payload::Payload;
use crate::transport::route::{Answered, Route, Target};

/// An open upload. When one of its steps fails, the blob can still be pushed from the store with
/// [`Registry::push_blob`].
#[derive(Debug)]
pub struct Upload {
    route: Route,
    location: Url,
}

impl Registry {
    /// Opens an upload of a blob that does not exist yet. It takes no permit of the limit on parallel blobs: its pace
    /// is that of whoever makes the blob.
    ///
    /// # Errors
    /// When the registry refuses it or cannot be reached.
    pub async fn begin_upload(&self, repository: &Repository) -> Result<Upload, Error> {
        let route = self.route(repository, Action::Push)?;
        match route.begin(None, Vec::new()).await? {
            Begun::Session(location) => Ok(Upload { route, location }),
            Begun::Mounted => Err(route.wire().protocol("the beginning of an upload", "it mounts what was not named".to_owned())),
        }
    }
}

impl Upload {
    /// Sends the pieces as they come. When this fails, the rest of them is dropped, which their maker must bear.
    /// `progress` gets the bytes sent so far.
    ///
    /// # Errors
    /// When the connection breaks, the registry refuses, or a piece is an error.
    pub async fn send(
        &mut self,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let what = "the upload of a blob";
        let mut ask = self.route.ask(Method::PATCH, "", what);
        ask.target = Target::Url(self.location.clone());
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        ask.payload = Payload::Stream(Some(Box::pin(pieces)));
        ask.patience = self.route.inner.options.limits.commit;
        let response = match self.route.send(ask, progress).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(self.route.failed(refusal, what, Some("such upload"))),
        };
        if let Some(location) = self.route.upload_location(&response, what)? {
            self.location = location;
        }
        Ok(())
    }

    /// Ends the upload: what was sent is `size` bytes long and has this digest, which the registry checks.
    ///
    /// # Errors
    /// When the registry received other bytes, refuses, or cannot be reached.
    pub async fn finish(self, digest: &Digest, size: u64) -> Result<(), Error> {
        self.route.commit(self.location, digest, size, Payload::None, &|_| {}).await?;
        self.route.remember(digest);
        Ok(())
    }

    /// Gives the upload up, so that the registry need not keep what was sent. Registries that do not do that are left
    /// alone.
    pub async fn abandon(self) {
        let mut ask = self.route.ask(Method::DELETE, "", "the end of an upload");
        ask.target = Target::Url(self.location);
        ask.only_once = true;
        if let Err(error) = self.route.send(ask, &|_| {}).await {
            tracing::debug!(%error, "an upload could not be given up");
        }
    }
}
