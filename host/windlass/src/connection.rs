//! The registry client of a run, from what the user said about registries.

use std::collections::BTreeSet;
use std::sync::Arc;

use windlass_core::Finding;
use windlass_registry::{ClientCertificate, CredentialSource, Hosts, Options, Registry};

use crate::step::RegistrySettings;

const DOCKER_HUB: &str = "docker.io";

/// A client that reaches registries as `settings` say.
///
/// # Errors
/// Every mapping or mirror that is none.
pub(crate) fn registry(settings: &RegistrySettings, credentials: Arc<dyn CredentialSource>) -> Result<Registry, Vec<Finding>> {
    let mut options = Options::default();
    let mut problems = Vec::new();
    for (host, url) in &settings.map {
        if let Err(error) = options.map_registry(&format!("{host}={url}")) {
            problems.push(Finding::deny("settings/value", error.to_string()).about("--registry-map"));
        }
    }
    for mirror in &settings.mirrors {
        if let Err(error) = options.mirror(DOCKER_HUB, mirror) {
            problems.push(Finding::deny("settings/value", error.to_string()).about("registry-mirrors"));
        }
    }
    let named: BTreeSet<String> = settings.insecure.iter().cloned().collect();
    options.insecure = Hosts { named, pull: settings.insecure_pull, push: settings.insecure_push };
    options.skip_tls_verify =
        Hosts { named: BTreeSet::new(), pull: settings.skip_tls_verify_pull, push: settings.skip_tls_verify_push };
    for (host, path) in &settings.certificates {
        options.certificate_authorities.entry(host.clone()).or_default().push(path.clone());
    }
    for (host, certificate, key) in &settings.client_certificates {
        options
            .client_certificates
            .insert(host.clone(), ClientCertificate { certificate: certificate.clone(), key: key.clone() });
    }
    if let Some(retries) = settings.push_retries.max(settings.pull_retries).filter(|&retries| retries > 0) {
        options.retries = retries;
    }
    if problems.is_empty() { Ok(Registry::new(options, credentials)) } else { Err(problems) }
}
