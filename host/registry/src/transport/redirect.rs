//! One request with its redirects. Credentials go to the origin that they were made for, and to no other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Request, Response, StatusCode};
use url::Url;

use super::clients::Clients;
use super::fault::{Failure, Fault};
use super::host;
use super::payload::{Meter, Payload};
use crate::credential::Action;
use crate::error::Error;
use crate::options::Options;

const MOST_REDIRECTS: usize = 10;
const TICK: Duration = Duration::from_millis(100);

/// A request, ready to be sent.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// For the origin of `url` alone.
    pub(crate) authorization: Option<HeaderValue>,
    /// How long the head of the answer may take, once the request is sent.
    pub(crate) patience: Duration,
    /// What is asked for, for errors.
    pub(crate) what: &'a str,
}

/// What sends requests.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) options: &'a Options,
    /// On whose behalf.
    pub(crate) registry: &'a str,
    pub(crate) action: Action,
}

impl Wire<'_> {
    /// Sends a request and follows redirects; the answer's URL tells where it came from.
    pub(crate) async fn send(
        self,
        mut call: Call<'_>,
        payload: &Payload<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Response, Failure> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.once(&call, payload, progress).await?;
            if !is_redirect(response.status(), &call.method) {
                return Ok(response);
            }
            let Some(location) = response.headers().get(LOCATION) else { return Ok(response) };
            let target = self.location(location, &call.url, call.what)?;
            if !host::same_origin(&target, &call.url) {
                call.authorization = None;
                if !matches!(payload, Payload::None) {
                    let fault = format!("it redirects what is sent to {}", host::host_and_port(&target));
                    return Err(self.protocol(call.what, fault).into());
                }
            }
            call.url = target;
        }
        Err(self.protocol(call.what, format!("more than {MOST_REDIRECTS} redirects")).into())
    }

    /// The absolute URL that a `Location` names, seen from `base`.
    pub(crate) fn location(self, value: &HeaderValue, base: &Url, what: &str) -> Result<Url, Error> {
        let shown = || crate::text::clean(&String::from_utf8_lossy(value.as_bytes()), 200);
        let joined = value.to_str().ok().and_then(|text| base.join(text.trim()).ok());
        let mut url = joined.ok_or_else(|| self.protocol(what, format!("`{}` is not a location", shown())))?;
        if !matches!(url.scheme(), "http" | "https") || url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(self.protocol(what, format!("`{}` is not a web address", shown())));
        }
        url = self.options.mapped(url);
        // A registry behind a proxy that ends TLS often believes that it is asked by plain HTTP.
        if url.scheme() == "http" && base.scheme() == "https" {
            let mut secure = url.clone();
            let _ = secure.set_scheme("https");
            if !host::same_origin(&secure, base) {
                return Err(self.protocol(what, format!("it leads from TLS to plain HTTP at {}", host::host_and_port(&url))));
            }
            url = secure;
        }
        Ok(url)
    }

    /// The error for an answer that the protocol does not allow.
    pub(crate) fn protocol(self, what: &str, fault: String) -> Error {
        Error::Protocol { registry: self.registry.to_owned(), what: what.to_owned(), fault }
    }

    /// Whether anything that speaks HTTP answers at `url`, or speaks TLS with a certificate that is not trusted.
    pub(crate) async fn answers(self, url: &Url) -> bool {
        let Ok(client) = self.clients.client(self.options, url, self.registry, self.action) else { return false };
        let probe = client.execute(Request::new(Method::GET, url.clone()));
        match tokio::time::timeout(self.options.limits.connect, probe).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => Fault::Transport(error).is_certificate_refusal(),
            Err(_) => false,
        }
    }

    async fn once(self, call: &Call<'_>, payload: &Payload<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Response, Failure> {
        let client = self.clients.client(self.options, &call.url, self.registry, self.action)?;
        let failed = |fault| Failure::Fault(Box::new(call.url.clone()), fault);
        let mut request = Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = call.headers.clone();
        if let Some(authorization) = &call.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let mut meter = None;
        if let Some(outgoing) = payload.open().await.map_err(failed)? {
            if let Some(length) = outgoing.length {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            *request.body_mut() = Some(outgoing.body);
            meter = Some(outgoing.meter);
        }
        let sent = match meter {
            Some(meter) => self.watched(&client, request, &meter, call.patience, progress).await,
            None => tokio::time::timeout(call.patience, client.execute(request))
                .await
                .map_or_else(|_| Err(Fault::Silent(call.patience)), |sent| sent.map_err(Fault::Transport)),
        };
        sent.map_err(failed)
    }

    /// Sends a request with a body: a limit on how long the connection takes nothing, then one on the answer.
    async fn watched(
        self,
        client: &Client,
        request: Request,
        meter: &Arc<Meter>,
        patience: Duration,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Response, Fault> {
        let mut sending = std::pin::pin!(client.execute(request));
        let (mut seen, mut was_done, mut since) = (0, false, Instant::now());
        loop {
            let answer = tokio::time::timeout(TICK, &mut sending).await;
            let (taken, done) = (meter.taken(), meter.is_done());
            if taken != seen {
                progress(taken);
            }
            if let Ok(answer) = answer {
                return answer.map_err(|error| meter.source_error().map_or(Fault::Transport(error), Fault::Source));
            }
            if taken != seen || done != was_done || meter.waits_for_source() {
                (seen, was_done, since) = (taken, done, Instant::now());
            }
            match done {
                true if since.elapsed() > patience => return Err(Fault::Silent(patience)),
                false if since.elapsed() > self.options.limits.stall => return Err(Fault::Stalled(self.options.limits.stall)),
                _ => {}
            }
        }
    }
}

/// Whether an answer sends the request elsewhere. A request with a body is repeated only where the status keeps the method.
fn is_redirect(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        307 | 308 => true,
        _ => false,
    }
}
