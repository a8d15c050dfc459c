//! Host names and the URLs made of them.

use std::net::IpAddr;

use url::{Host, Url};
use windlass_core::reference::DEFAULT_REGISTRY;

/// Where Docker Hub's interface is.
const DEFAULT_REGISTRY_ADDRESS: &str = "registry-1.docker.io";

/// The one name of a host that has several.
pub(crate) fn canonical(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | DEFAULT_REGISTRY_ADDRESS => DEFAULT_REGISTRY.to_owned(),
        other => other.to_owned(),
    }
}

/// The host and port to connect to for what references call `host`.
pub(crate) fn address(host: &str) -> &str {
    if host == DEFAULT_REGISTRY { DEFAULT_REGISTRY_ADDRESS } else { host }
}

/// `HOST`, or `HOST:PORT` where the port is not the scheme's own, canonical: how settings name a URL's host.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    canonical(&url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// `HOST:PORT`, for errors.
pub(crate) fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a registry, given as `HOST[:PORT]`, is on this machine, where plain HTTP is the rule.
#[must_use]
pub fn is_on_this_machine(registry: &str) -> bool {
    Url::parse(&format!("http://{registry}/")).is_ok_and(|url| is_loopback(&url))
}

/// Whether two URLs have the same scheme, host and port.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// A URL that paths can be put behind, from `http(s)://HOST[/PATH]` or `HOST[/PATH]`; `None` for everything else.
pub(crate) fn base_url(text: &str) -> Option<Url> {
    let mut url = if text.contains("://") {
        Url::parse(text).ok()?
    } else {
        let url = Url::parse(&format!("http://{text}")).ok()?;
        if is_loopback(&url) { url } else { Url::parse(&format!("https://{text}")).ok()? }
    };
    let plain = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|h| !h.is_empty());
    if !plain || !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_in_every_form() {
        for (text, expected) in [
            ("http://127.0.0.1:5000", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:5000", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost:1", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text| Url::parse(text).unwrap();
        assert!(same_origin(&url("https://h/a"), &url("https://h:443/b?c")));
        for other in ["http://h/a", "https://h:444/a", "https://i/a", "https://h.example/a"] {
            assert!(!same_origin(&url("https://h/a"), &url(other)), "{other}");
        }
    }
}
