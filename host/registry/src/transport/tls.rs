//! TLS: rustls with ring, the system's authorities, and what settings add.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::options::ClientCertificate;

/// How the verifier puts it that a server shows an authority's certificate as its own.
pub(super) const SELF_SIGNED: &str = "CaUsedAsEndEntity";

/// What cannot be set up, and why.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct TlsError {
    pub(crate) what: String,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn unreadable(kind: &str, path: &Path) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError {
    let what = format!("{kind} {} is not a readable PEM file", path.display());
    move |source| TlsError { what, source: Some(Box::new(source)) }
}

/// The authorities that the system trusts; the ones that come with this program where the system has none, as in a
/// container image made from scratch.
pub(crate) fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if !roots.is_empty() {
        return Ok(roots);
    }
    if let Some(name) = named {
        let source = native.errors.into_iter().next().map(|error| Box::new(error) as _);
        return Err(TlsError { what: format!("no certificate authority can be read from what {name} names"), source });
    }
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

/// TLS with the authorities that the system trusts, for services that are no registries.
///
/// # Errors
/// What is wrong with the authorities that the environment names.
pub fn system_tls() -> Result<ClientConfig, String> {
    let trust = |roots| Trust::Signed { roots, authorities: Vec::new() };
    system_roots().and_then(|roots| config(trust(roots), None)).map_err(|error| error.what)
}

/// The certificates of PEM files, which count as authorities.
pub(crate) fn authorities(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for path in files {
        let certificates = certificates(path)?;
        let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
        if usable == 0 {
            return Err(TlsError {
                what: format!("certificate file {} holds no certificate authority", path.display()),
                source: None,
            });
        }
        all.extend(certificates);
    }
    Ok(all)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable("certificate file", path))
}

/// Which certificates of servers are taken.
pub(crate) enum Trust {
    /// All of them.
    Everything,
    /// Those that the system's authorities or these have signed.
    Signed { roots: RootCertStore, authorities: Vec<CertificateDer<'static>> },
}

/// A client configuration.
pub(crate) fn config(trust: Trust, identity: Option<&ClientCertificate>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for every protocol version that is compiled in");
    let builder = match trust {
        Trust::Signed { roots, authorities } if authorities.is_empty() => builder.with_root_certificates(roots),
        Trust::Signed { mut roots, authorities } => {
            roots.add_parsable_certificates(authorities.iter().cloned());
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|source| {
                TlsError { what: "certificate authorities cannot be used".to_owned(), source: Some(Box::new(source)) }
            })?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(SelfSigned { usual, own: authorities }))
        }
        Trust::Everything => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&identity.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(unreadable("private key", &identity.key))?;
    builder.with_client_auth_cert(chain, key).map_err(|source| TlsError {
        what: format!("client certificate {} and key {} do not fit", identity.certificate.display(), identity.key.display()),
        source: Some(Box::new(source)),
    })
}

/// Takes every certificate: for hosts that the user does not want verified.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies as usual, and takes a server's own certificate when the user gave exactly that one as an authority: what
/// `openssl req -x509` makes, as the guides for private registries say, is both at once.
#[derive(Debug)]
struct SelfSigned {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for SelfSigned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.usual.verify_server_cert(certificate, intermediates, name, ocsp, now);
        // The check of dates comes before this error, the check of the name after it.
        let is_authority = matches!(&verified, Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if other.to_string() == SELF_SIGNED);
        if !is_authority || !self.own.iter().any(|own| own.as_ref() == certificate.as_ref()) {
            return verified;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
