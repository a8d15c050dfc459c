//! `exchange`: requests that the host composes, sends and takes apart. Secrets go in and come out as handles; the plugin sees a
//! status, and of the answer what its grant names as readable.

mod assertion;
mod compose;
mod extract;

use async_trait::async_trait;
use url::Url;
use wasmtime::component::Resource;
use windlass_core::Secret;

use crate::bindings::host::exchange::{ExchangeError as Wit, Host, HostResponse, Request as WitRequest};
use crate::bindings::host::secrets::SecretKind;
use crate::call::HostState;
use crate::context::Context;
use crate::description::{Capability, Description};
use crate::host::handle::{ResponseHandle, SecretHandle};
pub(crate) use extract::Extracted;

/// Sends requests. It follows no redirect to another origin, and reads no more of an answer than it is told to.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request, and reads its answer whatever its status.
    ///
    /// # Errors
    /// When the address may not be spoken to, does not answer, or answers too much.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// A request, secrets filled in.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The address; its scheme, host and port are the granted ones.
    pub url: Url,
    /// The headers.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Option<Secret>,
    /// How much of the answer's body is wanted, in bytes; more is an error.
    pub most: u64,
}

/// An answer.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, which may hold secrets.
    pub body: Secret,
}

/// Why there is no answer. The texts are for people and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The address, or the one that it redirects to, may not be spoken to.
    #[error("{0}")]
    NotGranted(String),
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("{0}")]
    TimedOut(String),
    /// Its answer is too large, or no text.
    #[error("{0}")]
    Unreadable(String),
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// An endpoint that a plugin may send to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    name: String,
    origin: Url,
    readable: Vec<String>,
}

/// The endpoints that are granted, for a destination at `registry`. What is no origin is left out, so sending to it is refused.
pub(crate) fn endpoints(context: &Context, description: &Description, registry: &str) -> Vec<Endpoint> {
    let endpoint = |grant: &crate::description::Grant| match &grant.capability {
        Capability::Endpoint(origin) => Some(Endpoint {
            name: grant.name.clone(),
            origin: parse_origin(&origin.replace("{registry}", registry))?,
            readable: grant.readable.clone(),
        }),
        _ => None,
    };
    context.grants(description).filter_map(endpoint).collect()
}

/// An origin without anything after it: HTTPS, or HTTP to this very machine.
fn parse_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (scheme && bare && url.username().is_empty() && url.password().is_none()).then_some(url)
}

impl HostState {
    fn endpoint(&self, name: &str) -> Result<Endpoint, Wit> {
        let endpoint = self.endpoints.iter().find(|endpoint| endpoint.name == name).cloned();
        endpoint.ok_or_else(|| Wit::NotGranted(format!("the grant `{name}` is not given, or is no endpoint")))
    }

    /// Sends a request, and takes its answer apart.
    async fn exchange(&mut self, asked: WitRequest) -> wasmtime::Result<Result<ResponseHandle, Wit>> {
        let endpoint = match self.endpoint(&asked.endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return Ok(Err(error)),
        };
        let Some(port) = self.context.exchange.clone() else {
            return Ok(Err(Wit::NotGranted("this run sends no requests for plugins".to_owned())));
        };
        if let Err(error) = extract::check(&endpoint.readable, &asked.extract) {
            return Ok(Err(error));
        }
        let request = match self.compose(&endpoint.origin, &asked)? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let host = endpoint.origin.host_str().unwrap_or_default().to_owned();
        let answer = match self.request(async move { port.send(request).await }).await? {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Ok(Err(self.transport_error(error))),
            None => return Ok(Err(Wit::Timeout(format!("{host} did not answer in time")))),
        };
        let values = match extract::extract(&answer, &asked.extract, &self.secrets) {
            Ok(values) => values,
            Err(error) => return Ok(Err(error)),
        };
        for value in values.values() {
            if let Extracted::Secret(secret) = value {
                self.secrets.add(secret);
            }
        }
        Ok(Ok(ResponseHandle { status: answer.status, values }))
    }

    fn transport_error(&self, error: TransportError) -> Wit {
        match error {
            TransportError::NotGranted(why) => Wit::NotGranted(self.redacted(&why)),
            TransportError::Unreachable(why) => Wit::Unreachable(self.redacted(&why)),
            TransportError::TimedOut(why) => Wit::Timeout(self.redacted(&why)),
            TransportError::Unreadable(why) => Wit::Unreadable(self.redacted(&why)),
        }
    }
}

impl Host for HostState {
    async fn send(&mut self, request: WitRequest) -> wasmtime::Result<Result<Resource<ResponseHandle>, Wit>> {
        match self.exchange(request).await? {
            Ok(response) => Ok(Ok(self.push(response)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostResponse for HostState {
    fn status(&mut self, handle: Resource<ResponseHandle>) -> wasmtime::Result<u16> {
        Ok(self.get(&handle)?.status)
    }

    fn text(&mut self, handle: Resource<ResponseHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(match self.get(&handle)?.values.get(&name) {
            Some(Extracted::Text(text)) => Some(text.clone()),
            _ => None,
        })
    }

    fn secret(&mut self, handle: Resource<ResponseHandle>, name: String) -> wasmtime::Result<Option<Resource<SecretHandle>>> {
        let secret = match self.get(&handle)?.values.get(&name) {
            Some(Extracted::Secret(secret)) => secret.clone(),
            _ => return Ok(None),
        };
        self.hand_out(&name, SecretKind::Exchanged, secret).map(Some)
    }

    fn drop(&mut self, handle: Resource<ResponseHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_https_or_this_machine_and_nothing_more() {
        for text in
            ["https://sts.example.com", "https://a.example:8443/", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost"]
        {
            assert!(parse_origin(text).is_some(), "{text}");
        }
        for text in
            ["http://example.com", "https://a/b", "https://u:p@a", "https://a?x", "https://a#x", "ftp://a", "a", "https://"]
        {
            assert!(parse_origin(text).is_none(), "{text}");
        }
    }
}
