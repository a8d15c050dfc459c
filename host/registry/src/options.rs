//! How registries are reached. Everything here was parsed; nothing reads the environment but the proxy settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use windlass_core::Repository;

use crate::credential::Action;
use crate::transport::host;

/// The key under which [`Options::certificate_authorities`] holds what counts for every host.
pub const EVERY_HOST: &str = "*";

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is meant for a host goes to a URL instead, whose path is put before `/v2/`. Credentials and repository
    /// names stay those of the host.
    pub registry_map: BTreeMap<String, Url>,
    /// Where a host's images are looked for first, for pulls.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// Whether a pull goes on to the host itself when no mirror has what it wants.
    pub mirror_fallback: bool,
    /// Hosts that are asked by TLS without verification, and then by plain HTTP.
    pub insecure: Hosts,
    /// Hosts whose certificate is not verified.
    pub skip_tls_verify: Hosts,
    /// PEM files with further authorities, by host or for [`EVERY_HOST`].
    pub certificate_authorities: BTreeMap<String, Vec<PathBuf>>,
    /// Client certificates, by host.
    pub client_certificates: BTreeMap<String, ClientCertificate>,
    /// How often a request is repeated after the first failure.
    pub retries: u32,
    /// The pause before the first repetition; it doubles with each, up to 10 s, and is jittered.
    pub backoff: Duration,
    /// The longest `Retry-After` that is obeyed; a longer one is an error at once.
    pub longest_retry_after: Duration,
    /// Time limits.
    pub limits: Limits,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How many blobs are moved at the same time, in each direction.
    pub parallelism: usize,
}

/// Time limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the answer's head, once the request is sent, and for the whole of a small answer.
    pub response: Duration,
    /// For the answer that ends an upload, which a registry gives once it has stored the blob. One second is added for
    /// every 10 MB.
    pub commit: Duration,
    /// A transfer in which fewer than [`Limits::least_bytes`] arrive in this time has stalled.
    pub stall: Duration,
    /// See [`Limits::stall`].
    pub least_bytes: u64,
}

/// A set of hosts, by name or by what they are used for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// These hosts, as `HOST[:PORT]`.
    pub named: BTreeSet<String>,
    /// Every host that is pulled from.
    pub pull: bool,
    /// Every host that is pushed to.
    pub push: bool,
}

/// A mirror of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The host by which credentials and certificates are looked up.
    pub host: String,
    /// Where it is, when the mirror was given as a URL; its path is put before `/v2/`.
    pub url: Option<Url>,
    /// What is put before repository paths; empty for nothing.
    pub prefix: String,
}

/// A client certificate, in PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why a text is no setting of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No `HOST=URL`.
    #[error("`{0}` is not a registry mapping: expected HOST=URL, such as registry.example=http://127.0.0.1:5000")]
    Mapping(String),
    /// No mirror.
    #[error("`{0}` is not a mirror: expected HOST[:PORT][/PATH] or a URL")]
    Mirror(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registry_map: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            mirror_fallback: true,
            insecure: Hosts::default(),
            skip_tls_verify: Hosts::default(),
            certificate_authorities: BTreeMap::new(),
            client_certificates: BTreeMap::new(),
            retries: 4,
            backoff: Duration::from_millis(500),
            longest_retry_after: Duration::from_secs(30),
            limits: Limits::default(),
            user_agent: concat!("windlass/", env!("CARGO_PKG_VERSION")).to_owned(),
            parallelism: 8,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            commit: Duration::from_secs(60),
            stall: Duration::from_secs(20),
            least_bytes: 10 * 1024,
        }
    }
}

impl Options {
    /// Reads one `HOST=URL` and adds it to the registry map. A URL without a scheme is plain HTTP on loopback, else TLS.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn map_registry(&mut self, text: &str) -> Result<(), OptionError> {
        let wrong = || OptionError::Mapping(crate::text::clean(text, 200));
        let (name, url) = text.split_once('=').ok_or_else(wrong)?;
        let name = host::canonical(name.trim());
        // A host is right when it can stand before a path.
        Repository::new(&name, "x").map_err(|_| wrong())?;
        let url = host::base_url(url.trim()).ok_or_else(wrong)?;
        self.registry_map.insert(name, url);
        Ok(())
    }

    /// Adds a mirror for pulls from `host`: a URL, whose path is put before `/v2/`, or `HOST[:PORT][/PATH]`, whose path
    /// is put before repository names.
    ///
    /// # Errors
    /// When it is neither.
    pub fn mirror(&mut self, host: &str, text: &str) -> Result<(), OptionError> {
        let mirror = Mirror::parse(text)?;
        self.mirrors.entry(host::canonical(host)).or_default().push(mirror);
        Ok(())
    }

    /// Where to send what a server says is at `url`: a URL on a mapped host goes where that host goes.
    pub(crate) fn mapped(&self, url: Url) -> Url {
        let Some(base) = self.registry_map.get(&host::authority(&url)) else { return url };
        let mut path = base.clone();
        path.set_path(&format!("{}{}", base.path().trim_end_matches('/'), url.path()));
        path.set_query(url.query());
        path
    }
}

impl Mirror {
    fn parse(text: &str) -> Result<Self, OptionError> {
        let wrong = || OptionError::Mirror(crate::text::clean(text, 200));
        let text = text.trim().trim_end_matches('/');
        if text.contains("://") {
            let url = host::base_url(text).ok_or_else(wrong)?;
            return Ok(Self { host: host::authority(&url), url: Some(url), prefix: String::new() });
        }
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        Repository::new(name, if prefix.is_empty() { "x" } else { prefix }).map_err(|_| wrong())?;
        Ok(Self { host: host::canonical(name), url: None, prefix: prefix.to_owned() })
    }
}

impl Hosts {
    /// Whether `host` belongs to the set when it is used for `action`.
    #[must_use]
    pub fn contains(&self, host: &str, action: Action) -> bool {
        self.named.contains(host)
            || match action {
                Action::Pull => self.pull,
                Action::Push => self.push,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_take_paths_and_guess_schemes() {
        let mut options = Options::default();
        options.map_registry("r.example:443=http://127.0.0.1:5000/up/").unwrap();
        options.map_registry("index.docker.io=127.0.0.1:5001").unwrap();
        assert_eq!(options.registry_map["r.example:443"].as_str(), "http://127.0.0.1:5000/up/");
        assert_eq!(options.registry_map["docker.io"].as_str(), "http://127.0.0.1:5001/");
        for text in ["", "x", "=http://h", "h=", "h=ftp://x", "a b=http://h", "h=http://u:p@h"] {
            assert!(options.map_registry(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_mapped_host_names_is_mapped_too() {
        let mut options = Options::default();
        options.map_registry("r.example=http://127.0.0.1:5000/up").unwrap();
        let mapped = options.mapped(Url::parse("https://r.example/v2/x?state=1").unwrap());
        assert_eq!(mapped.as_str(), "http://127.0.0.1:5000/up/v2/x?state=1");
        let other = Url::parse("https://r.example:8443/v2/x").unwrap();
        assert_eq!(options.mapped(other.clone()), other);
    }

    #[test]
    fn a_mirrors_path_goes_before_names_or_before_the_interface() {
        let mut options = Options::default();
        options.mirror("docker.io", "m.example/hub").unwrap();
        options.mirror("docker.io", "https://m.example/hub").unwrap();
        let mirrors = &options.mirrors["docker.io"];
        assert_eq!((mirrors[0].prefix.as_str(), &mirrors[0].url), ("hub", &None));
        assert_eq!((mirrors[1].prefix.as_str(), mirrors[1].url.as_ref().unwrap().path()), ("", "/hub/"));
        assert!(options.mirror("docker.io", "m.example/Hub").is_err());
    }
}
