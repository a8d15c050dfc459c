//! Where a registry is: its URL, found out where it is not certain, and what was agreed with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use url::Url;

use super::host;
use super::redirect::Wire;
use crate::auth::Grants;
use crate::credential::Action;
use crate::error::Error;
use crate::options::{Mirror, Options};

/// A place where a registry's interface is.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The host as references name it, by which credentials and certificates are looked up.
    pub(crate) registry: String,
    /// What stands before repository paths there; empty for nothing.
    pub(crate) prefix: String,
    /// What the registry was told about who asks.
    pub(crate) grants: Grants,
    /// Whether it stands in for another registry.
    pub(crate) is_mirror: bool,
    /// Whether it is not worth asking again, because it could not be reached.
    pub(crate) is_down: AtomicBool,
    /// The URL, or two to be tried in turn.
    bases: Vec<Url>,
    chosen: AtomicUsize,
    settled: AtomicBool,
    finding: tokio::sync::Mutex<()>,
}

impl Endpoint {
    /// Where `registry` itself is.
    pub(crate) fn of(options: &Options, registry: &str, action: Action) -> Result<Self, Error> {
        let bases = match options.registry_map.get(registry) {
            Some(url) => vec![url.clone()],
            None => candidates(options, registry, action)?,
        };
        Ok(Self::new(registry, bases, String::new(), false))
    }

    /// Where a mirror is.
    pub(crate) fn mirror(options: &Options, mirror: &Mirror) -> Result<Self, Error> {
        let bases = match mirror.url.as_ref().or_else(|| options.registry_map.get(&mirror.host)) {
            Some(url) => vec![url.clone()],
            None => candidates(options, &mirror.host, Action::Pull)?,
        };
        Ok(Self::new(&mirror.host, bases, mirror.prefix.clone(), true))
    }

    fn new(registry: &str, bases: Vec<Url>, prefix: String, is_mirror: bool) -> Self {
        let settled = AtomicBool::new(bases.len() == 1);
        Self {
            registry: registry.to_owned(),
            prefix,
            grants: Grants::default(),
            is_mirror,
            is_down: AtomicBool::new(false),
            bases,
            chosen: AtomicUsize::new(0),
            settled,
            finding: tokio::sync::Mutex::new(()),
        }
    }

    /// The URL that paths are put behind; it ends with `/`.
    pub(crate) fn base(&self) -> &Url {
        &self.bases[self.chosen.load(Ordering::Relaxed)]
    }

    /// The URL of `path`, which is relative to the interface's root.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base().clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}v2/{path}", self.base().path()));
        url.set_query(query);
        url
    }

    /// Whether `url` belongs to this registry, so that its credentials may go there.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        host::same_origin(self.base(), url)
    }

    /// Keeps the URL: something answered there.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// After a request to `used` failed in a way that may mean the wrong scheme: goes over to the other URL when
    /// something answers there. Nothing that is secret was sent before.
    pub(crate) async fn try_other(&self, used: &Url, wire: Wire<'_>) -> bool {
        if self.bases.len() < 2 || !self.bases.iter().any(|base| host::same_origin(base, used)) {
            return false;
        }
        let _one_at_a_time = self.finding.lock().await;
        if self.settled.swap(true, Ordering::Relaxed) {
            return !self.is_origin_of(used);
        }
        let other = 1 - self.chosen.load(Ordering::Relaxed);
        let mut url = self.bases[other].clone();
        url.set_path(&format!("{}v2/", url.path()));
        let answers = wire.answers(&url).await;
        if answers {
            self.chosen.store(other, Ordering::Relaxed);
        }
        answers
    }
}

/// The URLs to try for a host that is not mapped.
fn candidates(options: &Options, registry: &str, action: Action) -> Result<Vec<Url>, Error> {
    let address = host::address(registry);
    let url = |scheme: &str| {
        Url::parse(&format!("{scheme}://{address}/")).map_err(|source| Error::Setup {
            registry: registry.to_owned(),
            what: format!("`{}` is not a host and port", crate::text::clean(address, 100)),
            source: Some(Box::new(source)),
        })
    };
    let (plain, secure) = (url("http")?, url("https")?);
    // Loopback registries are plain HTTP, as everywhere in the field. A host that was declared insecure is asked by TLS
    // first, which keeps its credentials from the wire where that is possible.
    Ok(if host::is_loopback(&plain) {
        vec![plain, secure]
    } else if options.insecure.contains(registry, action) {
        vec![secure, plain]
    } else {
        vec![secure]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(registry: &str) -> Vec<String> {
        let mut options = Options::default();
        options.insecure.named.insert("in.example:5000".to_owned());
        options.map_registry("mapped.example=http://127.0.0.1:5000/up").unwrap();
        let endpoint = Endpoint::of(&options, registry, Action::Pull).unwrap();
        endpoint.bases.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn schemes_follow_the_host() {
        assert_eq!(bases("docker.io"), ["https://registry-1.docker.io/"]);
        assert_eq!(bases("r.example:8443"), ["https://r.example:8443/"]);
        assert_eq!(bases("in.example:5000"), ["https://in.example:5000/", "http://in.example:5000/"]);
        assert_eq!(bases("127.0.0.1:5000"), ["http://127.0.0.1:5000/", "https://127.0.0.1:5000/"]);
        assert_eq!(bases("mapped.example"), ["http://127.0.0.1:5000/up/"]);
        assert!(Endpoint::of(&Options::default(), "h.example:99999", Action::Pull).is_err());
    }

    #[test]
    fn paths_go_behind_the_prefix() {
        let mut options = Options::default();
        options.map_registry("mapped.example=http://127.0.0.1:5000/up").unwrap();
        let endpoint = Endpoint::of(&options, "mapped.example", Action::Pull).unwrap();
        assert_eq!(endpoint.url("a/b/blobs/uploads/?mount=x").as_str(), "http://127.0.0.1:5000/up/v2/a/b/blobs/uploads/?mount=x");
    }
}
