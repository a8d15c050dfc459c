//! Manifests and tags: OCI distribution specification, "Pushing Manifests".

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use windlass_core::{Repository, Tag};

use crate::credential::Action;
use crate::error::Error;
use crate::image::Manifest;
use crate::registry::Registry;
use crate::transport::payload::Payload;
use crate::transport::route::{Answered, Route};

impl Registry {
    /// Puts a manifest under its digest. What it points to must be there.
    ///
    /// # Errors
    /// When the registry refuses it or cannot be reached.
    pub async fn put_manifest(&self, repository: &Repository, manifest: &Manifest) -> Result<(), Error> {
        let route = self.route(repository, Action::Push)?;
        put(&route, manifest, manifest.digest().as_str(), None).await
    }

    /// Lets a tag point to a manifest that is there.
    ///
    /// # Errors
    /// When the registry refuses, cannot be reached, or holds an immutable tag that points to another image. One that
    /// points to this image already is as wanted.
    pub async fn put_tag(&self, repository: &Repository, manifest: &Manifest, tag: &Tag) -> Result<(), Error> {
        let route = self.route(repository, Action::Push)?;
        match put(&route, manifest, tag.as_str(), Some(tag)).await {
            Err(error @ Error::TagImmutable { .. }) => {
                // An earlier attempt may have got through without our knowing it.
                if self.points_to(repository, tag, manifest).await { Ok(()) } else { Err(error) }
            }
            settled => settled,
        }
    }
}

async fn put(route: &Route, manifest: &Manifest, target: &str, tag: Option<&Tag>) -> Result<(), Error> {
    let what = format!("the push of {}", crate::pull::Name(target));
    let mut ask = route.ask(Method::PUT, format!("manifests/{target}"), what.clone());
    let media_type = HeaderValue::from_str(manifest.media_type()).expect("a manifest's media type is one of the known ones");
    ask.headers.insert(CONTENT_TYPE, media_type);
    ask.payload = Payload::Bytes(manifest.bytes().clone());
    ask.patience = route.inner.options.limits.commit;
    match route.send(ask, &|_| {}).await? {
        Answered::Good(response) => route.is_announced(&response, manifest.digest(), &what),
        Answered::Bad(refusal) => Err(match tag {
            Some(tag) if refusal.told.is_immutable_tag() || (refusal.status.as_u16() == 409) => {
                Error::TagImmutable { repository: route.repository.clone(), tag: tag.clone(), told: refusal.told }
            }
            _ => route.failed(refusal, &what, None),
        }),
    }
}
