//! One HTTP client for every set of TLS settings, made when it is first needed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use reqwest::Client;
use rustls::RootCertStore;
use url::Url;

use super::tls::{self, TlsError, Trust};
use super::{fault, host};
use crate::credential::Action;
use crate::error::Error;
use crate::options::{ClientCertificate, EVERY_HOST, Options};

/// The HTTP clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    clients: HashMap<Profile, Client>,
    roots: Option<RootCertStore>,
}

/// What tells one client from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Profile {
    /// Loopback is never reached through a proxy.
    direct: bool,
    /// `None` for plain HTTP without a proxy, which needs no authorities.
    tls: Option<TlsProfile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TlsProfile {
    verify: bool,
    authorities: Vec<PathBuf>,
    identity: Option<ClientCertificate>,
}

impl Clients {
    /// The client for a request to `url` on behalf of `registry`.
    pub(crate) fn client(&self, options: &Options, url: &Url, registry: &str, action: Action) -> Result<Client, Error> {
        let profile = Profile::of(options, url, registry, action);
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = made.clients.get(&profile) {
            return Ok(client.clone());
        }
        let failed = |TlsError { what, source }| Error::Setup { registry: registry.to_owned(), what, source };
        let client = made.build(options, &profile).map_err(failed)?;
        made.clients.insert(profile, client.clone());
        Ok(client)
    }
}

impl Profile {
    fn of(options: &Options, url: &Url, registry: &str, action: Action) -> Self {
        let direct = host::is_loopback(url);
        if direct && url.scheme() == "http" {
            return Self { direct, tls: None };
        }
        // Settings may name a host as references do, or as its URL does.
        let authority = host::authority(url);
        let mut names = vec![authority.as_str()];
        if authority != registry && authority_is_of(options, &authority, registry) {
            names.push(registry);
        }
        let is_in = |hosts: &crate::options::Hosts| names.iter().any(|name| hosts.contains(name, action));
        let verify = !is_in(&options.skip_tls_verify) && !is_in(&options.insecure);
        let authorities = std::iter::once(EVERY_HOST)
            .chain(names.iter().copied())
            .filter_map(|name| options.certificate_authorities.get(name))
            .flatten()
            .cloned()
            .collect();
        let identity = names.iter().find_map(|name| options.client_certificates.get(*name)).cloned();
        Self { direct, tls: Some(TlsProfile { verify, authorities, identity }) }
    }
}

/// Whether `authority` is where `registry` itself is, and not a host that it sends us to.
fn authority_is_of(options: &Options, authority: &str, registry: &str) -> bool {
    match options.registry_map.get(registry) {
        Some(url) => host::authority(url) == authority,
        None => host::canonical(host::address(registry)) == authority,
    }
}

impl Made {
    fn build(&mut self, options: &Options, profile: &Profile) -> Result<Client, TlsError> {
        let (trust, identity) = match &profile.tls {
            None => (Trust::Signed { roots: RootCertStore::empty(), authorities: Vec::new() }, None),
            Some(TlsProfile { verify: false, identity, .. }) => (Trust::Everything, identity.as_ref()),
            Some(TlsProfile { verify: true, authorities, identity }) => {
                let roots = match &self.roots {
                    Some(roots) => roots.clone(),
                    None => self.roots.insert(tls::system_roots()?).clone(),
                };
                (Trust::Signed { roots, authorities: tls::authorities(authorities)? }, identity.as_ref())
            }
        };
        let config = tls::config(trust, identity)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(options.user_agent.as_str())
            .connect_timeout(options.limits.connect)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(options.parallelism.max(1));
        if profile.direct {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| TlsError { what: fault::innermost(&error), source: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_registry_do_not_spread_to_hosts_it_redirects_to() {
        let mut options = Options::default();
        options.skip_tls_verify.named.insert("r.example".to_owned());
        options.certificate_authorities.insert("r.example".to_owned(), vec!["/ca.pem".into()]);
        let profile = |url: &str| Profile::of(&options, &Url::parse(url).unwrap(), "r.example", Action::Pull).tls.unwrap();
        assert!(!profile("https://r.example/v2/").verify);
        assert_eq!(profile("https://r.example/v2/").authorities.len(), 1);
        assert!(profile("https://cdn.example/blob").verify);
        assert!(profile("https://r.example:8443/blob").verify);
        assert!(profile("https://cdn.example/blob").authorities.is_empty());
    }
}
