//! What goes wrong below HTTP, and what can be said about it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use url::Url;

use super::host;
use super::tls::SELF_SIGNED;
use crate::error::Error;

/// Why one exchange gave no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No connection, or a broken one.
    Transport(reqwest::Error),
    /// Nothing came within the time.
    Silent(Duration),
    /// Bytes trickled.
    Stalled(Duration),
    /// The body that was to be sent could not be read.
    Source(Box<dyn StdError + Send + Sync>),
}

/// Why one attempt failed: so that another one may help, or for good.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another attempt may help.
    Fault(Box<Url>, Fault),
    /// No attempt will help.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Fault {
    /// Whether time ran out, which is worth fewer attempts.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Stalled(_))
    }

    /// Whether nothing was listening, or what did does not speak the expected protocol.
    pub(crate) fn is_before_any_answer(&self) -> bool {
        matches!(self, Self::Transport(_))
    }

    /// Whether the other side speaks TLS with a certificate that is not trusted; no attempt mends that.
    pub(crate) fn is_certificate_refusal(&self) -> bool {
        matches!(self, Self::Transport(error) if tls_error(error).is_some_and(|e| matches!(e, rustls::Error::InvalidCertificate(_))))
    }

    /// What went wrong, in words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Transport(error) if error.is_connect() => connect_reason(error).0,
            Self::Transport(error) => innermost(error),
            Self::Silent(limit) => format!("no answer within {}", seconds(*limit)),
            Self::Stalled(limit) => format!("next to nothing was transferred within {}", seconds(*limit)),
            Self::Source(source) => source.to_string(),
        }
    }

    /// The error to report for this fault in a request to `url`.
    pub(crate) fn into_error(self, registry: &str, repository: &windlass_core::Repository, what: &str, url: &Url) -> Error {
        let (registry, what) = (registry.to_owned(), what.to_owned());
        match self {
            Self::Transport(error) if error.is_connect() => {
                let (reason, help) = connect_reason(&error);
                Error::Unreachable { registry, address: host::host_and_port(url), reason, help }
            }
            Self::Transport(error) => Error::Broken { registry, what, source: error.without_url() },
            Self::Silent(limit) => Error::TimedOut { registry, what, waited: format!("no answer within {}", seconds(limit)) },
            Self::Stalled(limit) => {
                Error::TimedOut { registry, what, waited: format!("next to nothing was transferred within {}", seconds(limit)) }
            }
            Self::Source(source) => Error::Source { what, repository: repository.clone(), source },
        }
    }
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 { format!("{} s", duration.as_secs()) } else { format!("{:.1} s", duration.as_secs_f64()) }
}

/// The last cause in a chain, which says most.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    crate::text::clean(&chain(error).last().map(ToString::to_string).unwrap_or_default(), 200)
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error that wraps another one hides it from `source`.
        let wrapped = error.downcast_ref::<io::Error>().and_then(|e| e.get_ref());
        wrapped.map(|e| e as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn connect_reason(error: &reqwest::Error) -> (String, Option<&'static str>) {
    if let Some(error) = tls_error(error) {
        return tls_reason(error);
    }
    if error.is_timeout() {
        return ("no connection within the time limit".to_owned(), Some("check the address, firewalls and proxies"));
    }
    let kind = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            ("the connection was refused".to_owned(), Some("check that the registry runs and that the port is right"))
        }
        _ if error.is_dns() => (
            format!("the name cannot be resolved ({})", innermost(error)),
            Some("check the registry's name, the network and the DNS settings"),
        ),
        _ => (innermost(error), Some("check the address, the network, firewalls and proxies")),
    }
}

fn tls_reason(error: &rustls::Error) -> (String, Option<&'static str>) {
    use rustls::CertificateError as Certificate;
    const PRIVATE: &str = "give the registry's certificate authority as a PEM file, or skip the verification for this registry";
    if matches!(error, rustls::Error::InvalidCertificate(Certificate::Other(other)) if other.to_string() == SELF_SIGNED) {
        return ("TLS failed: the registry's certificate is its own authority, which is not trusted".to_owned(), Some(PRIVATE));
    }
    let help = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => PRIVATE,
        rustls::Error::InvalidCertificate(Certificate::NotValidForName | Certificate::NotValidForNameContext { .. }) => {
            "use the name that the certificate is made for"
        }
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "renew the registry's certificate, or check this machine's clock"
        }
        rustls::Error::InvalidCertificate(_) => "check the registry's certificate",
        rustls::Error::InvalidMessage(_) => "the registry may speak plain HTTP: declare it as insecure if that is meant",
        _ => "check the registry's TLS settings",
    };
    (crate::text::clean(&format!("TLS failed: {error}"), 300), Some(help))
}
