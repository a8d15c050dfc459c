//! The way to one repository: requests with authentication, redirects and repetition.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use url::Url;
use windlass_core::Repository;

use super::endpoint::Endpoint;
use super::fault::Failure;
use super::payload::Payload;
use super::redirect::{Call, Wire};
use super::retry::{Retry, Verdict, is_temporary, retry_after};
use crate::answer::Told;
use crate::auth::{Asked, Grant, unauthorized};
use crate::credential::Action;
use crate::error::Error;
use crate::registry::Inner;

/// The way to a repository, by one endpoint and for one action.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) inner: Arc<Inner>,
    pub(crate) endpoint: Arc<Endpoint>,
    /// The repository as users and credentials know it.
    pub(crate) repository: Repository,
    pub(crate) action: Action,
}

/// One request to a registry.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload<'a>,
    /// What is asked for, for errors: a noun with its article.
    pub(crate) what: String,
    /// Further scopes that it needs.
    pub(crate) scopes: Vec<String>,
    /// How long the answer's head may take.
    pub(crate) patience: Duration,
    /// Whether a failure ends it, because whoever asks starts over from somewhere else.
    pub(crate) only_once: bool,
}

/// Where a request goes.
pub(crate) enum Target {
    /// A path below the repository, such as `manifests/latest`.
    Path(String),
    /// What the registry named: an upload, the next page.
    Url(Url),
}

/// An answer that is not temporary.
pub(crate) enum Answered {
    /// Status 2xx; the body is still to be read.
    Good(Response),
    /// Any other status.
    Bad(Refusal),
}

/// An answer that means failure.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    url: Url,
    pub(crate) told: Told,
    /// How whoever asked was introduced.
    tried: String,
}

impl Route {
    /// A request without a body.
    pub(crate) fn ask(&self, method: Method, path: impl Into<String>, what: impl Into<String>) -> Ask<'static> {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let patience = self.inner.options.limits.response;
        let target = Target::Path(path.into());
        Ask { method, target, headers, payload: Payload::None, what: what.into(), scopes: Vec::new(), patience, only_once: false }
    }

    /// The repository's path at this endpoint.
    pub(crate) fn path(&self) -> String {
        let (prefix, path) = (&self.endpoint.prefix, self.repository.path());
        if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
    }

    pub(crate) fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    pub(crate) fn wire(&self) -> Wire<'_> {
        let Inner { clients, options, .. } = &*self.inner;
        Wire { clients, options, registry: self.registry(), action: self.action }
    }

    /// Sends a request until there is an answer that is not temporary.
    pub(crate) async fn send(&self, mut ask: Ask<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Answered, Error> {
        let mut retry = Retry::new(&self.inner.options);
        loop {
            let base = self.endpoint.base().clone();
            let (verdict, error) = match self.attempt(&mut ask, progress).await {
                Ok(Answered::Bad(refusal)) if refusal.may_be_tls() && self.endpoint.try_other(&base, self.wire()).await => {
                    continue;
                }
                Ok(Answered::Bad(refusal)) if is_temporary(refusal.status) => {
                    let wait = retry_after(&refusal.headers);
                    (retry.after_answer(wait), self.temporary(refusal, wait, &ask.what))
                }
                Ok(answered) => {
                    self.endpoint.settle();
                    return Ok(answered);
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Fault(url, fault)) => {
                    if fault.is_before_any_answer() && self.endpoint.try_other(&base, self.wire()).await {
                        continue;
                    }
                    let mirror = self.endpoint.is_mirror;
                    self.endpoint.is_down.store(mirror, Ordering::Relaxed);
                    let verdict =
                        if mirror && fault.is_before_any_answer() { Verdict::Enough } else { retry.after_fault(&fault) };
                    (verdict, fault.into_error(self.registry(), &self.repository, &ask.what, &url))
                }
            };
            match verdict {
                Verdict::Again(pause) if !ask.only_once => {
                    tracing::debug!(?pause, what = %ask.what, %error, "trying again");
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// One attempt, with the credential that the registry demands.
    async fn attempt(&self, ask: &mut Ask<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Answered, Failure> {
        let mut refused: Option<(Grant, Told)> = None;
        let mut scopes = BTreeSet::from_iter(ask.scopes.iter().cloned());
        scopes.insert(format!("repository:{}:{}", self.path(), self.action.scope()));
        loop {
            let base = self.endpoint.base().clone();
            let url = match &ask.target {
                Target::Path(path) => self.endpoint.url(&format!("{}/{path}", self.path())),
                Target::Url(url) => url.clone(),
            };
            let asked =
                Asked { wire: self.wire(), credentials: &*self.inner.credentials, repository: &self.repository, base: &base };
            // Whatever leads elsewhere gets no credentials.
            let grant = if self.endpoint.is_origin_of(&url) { self.endpoint.grants.get(asked, &scopes).await? } else { None };
            let tried = grant.as_ref().map_or_else(|| "without credentials".to_owned(), |grant| grant.tried.clone());
            if let (Some((before, _)), Some(now)) = (&refused, &grant)
                && before.header == now.header
            {
                let told = refused.map(|(_, told)| told).unwrap_or_default();
                return Err(unauthorized(asked, tried, told).into());
            }
            let authorization = grant.as_ref().map(|grant| grant.header.clone());
            let (method, headers, what) = (ask.method.clone(), ask.headers.clone(), ask.what.as_str());
            let call = Call { method, url, headers, authorization, patience: ask.patience, what };
            let response = self.wire().send(call, &ask.payload, progress).await?;
            let refusal = match Refusal::read(response, tried).await {
                Ok(response) => return Ok(Answered::Good(response)),
                Err(refusal) if self.is_about_who_asks(&refusal, grant.is_some()) => refusal,
                Err(refusal) => return Ok(Answered::Bad(refusal)),
            };
            if refused.is_some() {
                return Err(unauthorized(asked, refusal.tried, refusal.told).into());
            }
            if let Err(fault) = self.endpoint.grants.learn(asked, &refusal.headers, &mut scopes).await
                && grant.is_none()
            {
                return Err(self.wire().protocol(&ask.what, fault).into());
            }
            if let Some(grant) = grant {
                if self.endpoint.grants.forget(&grant).await && grant.is_credential() {
                    self.inner.credentials.rejected(&self.repository, self.action).await;
                }
                refused = Some((grant, refusal.told));
            }
        }
    }

    /// Whether the registry itself refuses who asks, so that another credential may help. ECR says 403 to a token that
    /// has ended.
    fn is_about_who_asks(&self, refusal: &Refusal, introduced: bool) -> bool {
        self.endpoint.is_origin_of(&refusal.url)
            && (refusal.status == StatusCode::UNAUTHORIZED
                || (refusal.status == StatusCode::FORBIDDEN && introduced && refusal.told.is_expired_token()))
    }

    /// The error for a temporary answer, when it is the last.
    fn temporary(&self, refusal: Refusal, wait: Option<Duration>, what: &str) -> Error {
        let Refusal { status, told, .. } = refusal;
        if status == StatusCode::TOO_MANY_REQUESTS || wait.is_some_and(|wait| wait > self.inner.options.longest_retry_after) {
            return Error::RateLimited { registry: self.registry().to_owned(), retry_after: wait, told };
        }
        Error::Refused { repository: self.repository.clone(), what: what.to_owned(), status: status.as_u16(), told }
    }

    /// The error for a refusal of `what`, such as ``the request for tag `1` ``. `thing` is what may not be there;
    /// without one, only the repository may be missing.
    pub(crate) fn failed(&self, refusal: Refusal, what: &str, thing: Option<&str>) -> Error {
        let Refusal { status, told, tried, url, .. } = refusal;
        let (repository, action, status) = (self.repository.clone(), self.action, status.as_u16());
        match status {
            _ if !self.endpoint.is_origin_of(&url) => Error::Refused { repository, what: what.to_owned(), status, told },
            401 => Error::Unauthorized { repository, action, tried, told },
            403 => Error::Denied { repository, action, tried, told },
            404 if told.has("NAME_UNKNOWN") || told.has("RepositoryNotFoundException") => {
                Error::RepositoryMissing { repository, told }
            }
            404 if told.has("MANIFEST_BLOB_UNKNOWN") || told.has("BLOB_UNKNOWN") && thing.is_none() => {
                Error::Refused { repository, what: what.to_owned(), status, told }
            }
            404 => match thing {
                Some(thing) => Error::NotFound { repository, what: thing.to_owned(), told },
                None => Error::RepositoryMissing { repository, told },
            },
            _ => Error::Refused { repository, what: what.to_owned(), status, told },
        }
    }
}

impl Refusal {
    /// The response where it is a good one, else what it says.
    async fn read(response: Response, tried: String) -> Result<Response, Self> {
        let (status, url) = (response.status(), response.url().clone());
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        Err(Self { status, headers, url, told: Told::read(response).await, tried })
    }

    /// Whether a server that speaks TLS may have been asked in plain HTTP: such servers answer 400.
    fn may_be_tls(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST && self.url.scheme() == "http"
    }
}
