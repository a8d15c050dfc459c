//! Sending the requests of exchanges over HTTPS, to granted addresses only: no redirects, no private addresses unless they are
//! allowed, and limits on time and size.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use windlass_core::Secret;

use crate::host::exchange::{Request, Response, Transport, TransportError};

/// Sends requests by way of `reqwest`.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Client,
    private: PrivateAddresses,
}

/// Whether a granted name may lead to an address that is not public.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// Names must lead to public addresses; a grant that is a private address itself, such as `http://127.0.0.1:9000`, says what it
    /// means and holds.
    #[default]
    Refused,
    /// Names may lead anywhere, for registries and token services inside an organisation.
    Allowed,
}

impl HttpTransport {
    /// Makes a client that speaks TLS by `tls` and gives up after `timeout`. Proxies of the environment are used, because networks
    /// that have them let nothing else through.
    ///
    /// # Errors
    /// When the TLS configuration does not suit the client.
    pub fn new(tls: rustls::ClientConfig, timeout: Duration, private: PrivateAddresses) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .timeout(timeout)
            .dns_resolver(std::sync::Arc::new(Resolver(private)))
            .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, private })
    }

    fn check(&self, request: &Request) -> Result<(), TransportError> {
        let address = match request.url.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
            Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
            // Names are checked when they have been looked up.
            Some(url::Host::Domain(_)) => return Ok(()),
            None => return Err(TransportError::NotGranted("the address has no host".to_owned())),
        };
        // The cloud's metadata service gives credentials to whoever asks.
        if is_link_local(address) && self.private == PrivateAddresses::Refused {
            return Err(TransportError::NotGranted(format!("{address} is a link-local address")));
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.check(&request)?;
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let method = if request.method == "POST" { reqwest::Method::POST } else { reqwest::Method::GET };
        let mut sending = self.client.request(method, request.url.clone());
        for (name, value) in &request.headers {
            let (name, value) = header(name, value)?;
            sending = sending.header(name, value);
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.expose().to_owned());
        }
        let answer = sending.send().await.map_err(|error| explain(&host, &error))?;
        if answer.status().is_redirection() {
            return Err(TransportError::NotGranted(format!("{host} redirects to another address, which is not granted")));
        }
        let status = answer.status().as_u16();
        let body = read(answer, &host, request.most).await?;
        Ok(Response { status, body })
    }
}

fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), TransportError> {
    let illegal = || TransportError::Unreadable(format!("the header `{name}` cannot be sent"));
    let mut written = HeaderValue::from_str(value.expose()).map_err(|_| illegal())?;
    written.set_sensitive(true);
    Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| illegal())?, written))
}

/// Reads a body piece by piece, so that a claimed or endless size costs no more than what is allowed.
async fn read(answer: reqwest::Response, host: &str, most: u64) -> Result<Secret, TransportError> {
    let mut pieces = answer.bytes_stream();
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| explain(host, &error))?;
        if (body.len() + piece.len()) as u64 > most {
            return Err(TransportError::Unreadable(format!("{host} answers more than {most} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    match String::from_utf8(body) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(TransportError::Unreadable(format!("{host} answers what is no text"))),
    }
}

/// What failed, without the address's path: it may hold what its author did not mean to be shown.
fn explain(host: &str, error: &reqwest::Error) -> TransportError {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(NotPublic(address)) = error.downcast_ref::<NotPublic>() {
            return TransportError::NotGranted(format!("{host} leads to {address}, which is no public address"));
        }
        causes.push(error.to_string());
        cause = error.source();
    }
    if error.is_timeout() {
        return TransportError::TimedOut(format!("{host} did not answer in time"));
    }
    TransportError::Unreachable(format!("{host} cannot be reached: {}", causes.last().map_or("no answer", String::as_str)))
}

/// Looks names up, and refuses the ones that lead to addresses that are not public.
#[derive(Debug)]
struct Resolver(PrivateAddresses);

/// A name leads to an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no public address")]
struct NotPublic(IpAddr);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if private == PrivateAddresses::Refused
                && name.as_str() != "localhost"
                && let Some(address) = found.iter().find(|address| !is_public(address.ip()))
            {
                return Err(NotPublic(address.ip()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.is_link_local(),
            None => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0xec2],
        },
    }
}

/// Whether an address is meant for everyone (the IANA special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || address.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public(IpAddr::V4(address)),
            // Global unicast, without the ranges for documentation and for IPv4 inside IPv6.
            None => {
                let segments = address.segments();
                segments[0] & 0xe000 == 0x2000
                    && segments[0] != 0x2002
                    && segments[..2] != [0x2001, 0xdb8]
                    && segments[..2] != [0x2001, 0]
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_recognised() {
        for text in ["8.8.8.8", "100.63.0.1", "2600:1f18::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:a00:1::",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
