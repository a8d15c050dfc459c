//! How requests reach AWS: time limits, proxies and trust, all from an explicit environment.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::AwsError;
use crate::environment::Environment;

/// How long a connection may take to be made.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(15);

/// A connector for the service at `endpoint`, a URL, through the proxy that `environment` asks for.
pub(super) fn to_service(endpoint: &str, environment: &Environment) -> Result<SharedHttpConnector, AwsError> {
    let settings = limits(CONNECT_LIMIT, READ_LIMIT);
    let proxy = proxy(endpoint, environment)?;
    let mut builder = Connector::builder().connector_settings(settings);
    builder.set_proxy_config(Some(proxy.clone()));
    if endpoint.starts_with("http://") {
        return Ok(SharedHttpConnector::new(builder.build_http()));
    }
    let tls = builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trust(environment)?);
    Ok(SharedHttpConnector::new(tls.build()))
}

/// A connector for an endpoint of this machine, never through a proxy.
pub(super) fn to_machine(url: &str, limit: Duration, environment: &Environment) -> Result<SharedHttpConnector, AwsError> {
    let builder = Connector::builder().connector_settings(limits(limit, limit));
    if url.starts_with("http://") {
        return Ok(SharedHttpConnector::new(builder.build_http()));
    }
    let tls = builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trust(environment)?);
    Ok(SharedHttpConnector::new(tls.build()))
}

fn limits(connect: Duration, read: Duration) -> HttpConnectorSettings {
    HttpConnectorSettings::builder().connect_timeout(connect).read_timeout(read).build()
}

/// The proxy for `endpoint`: `HTTPS_PROXY` or `HTTP_PROXY` by its scheme, else `ALL_PROXY`, each also in lower case, unless
/// `NO_PROXY` names the host.
fn proxy(endpoint: &str, environment: &Environment) -> Result<ProxyConfig, AwsError> {
    let names: &[&str] = if endpoint.starts_with("http://") {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let Some((name, url)) = environment.first(names) else { return Ok(ProxyConfig::disabled()) };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    // The URL may hold a password, so neither it nor the parser's words are repeated.
    let invalid = |_| AwsError::Settings(format!("`{name}` is not the URL of a proxy: expected http://HOST:PORT"));
    let config = ProxyConfig::all(url).map_err(invalid)?;
    Ok(match environment.first(&["no_proxy", "NO_PROXY"]) {
        Some((_, hosts)) => config.no_proxy(hosts),
        None => config,
    })
}

/// Whom to trust: the file `AWS_CA_BUNDLE` names, else the machine's authorities, else, as in an image made from scratch, those
/// that are built in.
fn trust(environment: &Environment) -> Result<TlsContext, AwsError> {
    let certificates = match environment.get("AWS_CA_BUNDLE") {
        Some(path) => bundle(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut certificates = usable(certificates);
    if certificates.is_empty() {
        if let Some(path) = environment.get("AWS_CA_BUNDLE") {
            return Err(AwsError::Settings(format!("`AWS_CA_BUNDLE` names `{path}`, which holds no usable certificate")));
        }
        certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
    }
    let store = TrustStore::empty().with_pem_certificate(pem(&certificates));
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| AwsError::Settings(format!("the certificates to trust cannot be used: {error}")))
}

fn bundle(path: &str) -> Result<Vec<CertificateDer<'static>>, AwsError> {
    let invalid = |why: String| AwsError::Settings(format!("`AWS_CA_BUNDLE` names `{path}`, which cannot be used: {why}"));
    let text = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>();
    certificates.map_err(|error| invalid(error.to_string()))
}

/// Those that the TLS library takes; it would end the process over one that it does not.
fn usable(certificates: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let mut store = rustls::RootCertStore::empty();
    certificates.into_iter().filter(|certificate| store.add(certificate.clone()).is_ok()).collect()
}

fn pem(certificates: &[CertificateDer<'static>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        text.push_str(&STANDARD.encode(certificate));
        text.push_str("\n-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_authorities_serve_where_the_machine_has_none() {
        assert!(usable(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()).len() > 50);
        let text = pem(&usable(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()));
        assert!(CertificateDer::pem_slice_iter(text.as_bytes()).all(|certificate| certificate.is_ok()));
        assert!(to_service("https://api.ecr.us-east-1.amazonaws.com", &Environment::default()).is_ok());
    }

    #[test]
    fn a_bundle_that_is_missing_or_junk_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let junk = file.path().display().to_string();
        for path in ["/nowhere/ca.pem", "/etc/passwd", &junk] {
            let environment = Environment::from_iter([("AWS_CA_BUNDLE", path)]);
            let error = to_service("https://x.example", &environment).unwrap_err().to_string();
            assert!(error.contains("AWS_CA_BUNDLE") && error.contains(path), "{error}");
        }
    }

    #[test]
    fn a_proxy_that_is_no_url_is_an_error_without_its_password() {
        let environment = Environment::from_iter([("HTTPS_PROXY", "ftp://u:canary@h x")]);
        let error = to_service("https://x.example", &environment).unwrap_err();
        assert!(error.to_string().contains("HTTPS_PROXY") && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
