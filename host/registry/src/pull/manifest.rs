//! Manifests and their digests: OCI distribution specification, "Pulling manifests".

use std::fmt;

use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use windlass_core::{Digest, Reference, Repository};

use crate::checksum::Checksum;
use crate::credential::Action;
use crate::error::Error;
use crate::image::{ACCEPTED_MANIFESTS, Manifest};
use crate::registry::Registry;
use crate::transport::body::read_whole;
use crate::transport::retry::{Retry, Verdict};
use crate::transport::route::{Answered, Ask, Route};

/// The size up to which registries have to take manifests.
pub(crate) const LARGEST_MANIFEST: u64 = 4 * 1024 * 1024;

/// A tag or digest, as a request and an error name it.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.contains(':') { "manifest" } else { "tag" };
        write!(f, "{kind} `{}`", self.0)
    }
}

impl Registry {
    /// The manifest or index that `reference` names, verified where it has a digest.
    ///
    /// # Errors
    /// When it cannot be had, is larger than 4 MiB, is no manifest, or has another digest than it is asked for by or
    /// announced with.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest, Error> {
        self.manifest_at(reference.repository(), reference.target().to_owned()).await
    }

    pub(crate) async fn manifest_at(&self, repository: &Repository, target: String) -> Result<Manifest, Error> {
        self.first_that_has(repository, |route| {
            let target = target.clone();
            Box::pin(async move { get(&route, &target).await })
        })
        .await
    }

    /// The digest that `reference` points to: its own, where it has one, else what the registry says of its tag.
    ///
    /// # Errors
    /// When there is no such tag, or it cannot be asked for.
    pub async fn resolve_digest(&self, reference: &Reference) -> Result<Digest, Error> {
        if let Some(digest) = reference.digest() {
            return Ok(digest.clone());
        }
        self.first_that_has(reference.repository(), |route| {
            let target = reference.target().to_owned();
            Box::pin(async move { head(&route, &target).await })
        })
        .await
    }

    /// The digest of what stands at `reference` in a repository that is pushed to; `None` when nothing does.
    ///
    /// # Errors
    /// When the registry cannot be asked, or does not say.
    pub async fn pushed_digest(&self, reference: &Reference) -> Result<Option<Digest>, Error> {
        let route = self.route(reference.repository(), Action::Push)?;
        match head(&route, reference.target()).await {
            Ok(digest) => Ok(Some(digest)),
            Err(Error::NotFound { .. } | Error::RepositoryMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether something stands at `reference` in a repository that is pushed to.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn exists(&self, reference: &Reference) -> Result<bool, Error> {
        Ok(self.pushed_digest(reference).await?.is_some())
    }

    /// What `get` gives by the first way that has it: mirrors, then the repository itself.
    pub(crate) async fn first_that_has<T>(
        &self,
        repository: &Repository,
        get: impl Fn(Route) -> BoxFuture<'static, Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let mut failure = None;
        for route in self.pull_routes(repository)? {
            match get(route).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    if let Some(previous) = failure.replace(error) {
                        tracing::debug!(error = %previous, "a mirror has no answer");
                    }
                }
            }
        }
        Err(failure.expect("there is at least one way to every repository"))
    }
}

fn ask(route: &Route, method: Method, target: &str) -> Ask<'static> {
    let mut ask = route.ask(method, format!("manifests/{target}"), format!("the request for {}", Name(target)));
    ask.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED_MANIFESTS));
    ask
}

async fn get(route: &Route, target: &str) -> Result<Manifest, Error> {
    let what = Name(target).to_string();
    let mut retry = Retry::new(&route.inner.options);
    let (stated, announced, bytes) = loop {
        let request = ask(route, Method::GET, target);
        let asked_for = request.what.clone();
        let response = match route.send(request, &|_| {}).await? {
            Answered::Good(response) => response,
            Answered::Bad(refusal) => return Err(route.failed(refusal, &asked_for, Some(&what))),
        };
        let stated = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let announced = announced(route, response.headers(), &asked_for)?;
        match small_body(route, response, LARGEST_MANIFEST, &what).await {
            Ok(bytes) => break (stated, announced, bytes),
            // What trickles has had its time.
            Err(error @ Error::Broken { .. }) => match retry.after_error(&error) {
                Verdict::Again(pause) => tokio::time::sleep(pause).await,
                Verdict::Enough => return Err(error),
            },
            Err(error) => return Err(error),
        }
    };
    let wanted = Digest::parse(target).ok();
    for expected in wanted.iter().chain(&announced) {
        let found = Checksum::of(&bytes, expected);
        if found != *expected {
            let (repository, expected, found) = (route.repository.clone(), expected.clone(), found.to_string());
            return Err(Error::DigestMismatch { repository, what, expected, found });
        }
    }
    Manifest::new(bytes, stated.as_deref()).map_err(|source| Error::Document {
        repository: route.repository.clone(),
        target: target.to_owned(),
        source,
    })
}

async fn head(route: &Route, target: &str) -> Result<Digest, Error> {
    let request = ask(route, Method::HEAD, target);
    let asked_for = request.what.clone();
    match route.send(request, &|_| {}).await? {
        Answered::Good(response) => match announced(route, response.headers(), &asked_for)? {
            Some(digest) => Ok(digest),
            None => get(route, target).await.map(|manifest| manifest.digest().clone()),
        },
        // An answer to HEAD carries no words: where they matter, GET has them.
        Answered::Bad(refusal) if refusal.status.as_u16() == 404 => {
            Err(route.failed(refusal, &asked_for, Some(&Name(target).to_string())))
        }
        Answered::Bad(_) => get(route, target).await.map(|manifest| manifest.digest().clone()),
    }
}

/// The digest that a registry announces in `Docker-Content-Digest`.
pub(crate) fn announced(route: &Route, headers: &HeaderMap, what: &str) -> Result<Option<Digest>, Error> {
    let Some(value) = headers.get("docker-content-digest") else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    Digest::parse(text.trim())
        .map(Some)
        .map_err(|_| route.wire().protocol(what, format!("it announces `{}` as a digest", crate::text::clean(&text, 100))))
}

/// A whole body of at most `limit` bytes. A connection that breaks in it is an error, and whoever asks may ask again.
pub(crate) async fn small_body(route: &Route, response: Response, limit: u64, what: &str) -> Result<bytes::Bytes, Error> {
    let url = response.url().clone();
    match read_whole(response, limit, route.inner.options.limits.response).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Error::TooLarge { repository: route.repository.clone(), what: what.to_owned(), limit }),
        Err(fault) => Err(fault.into_error(route.registry(), &route.repository, what, &url)),
    }
}
