//! Files from any web server: over the same connections as registries, but never with a credential of theirs.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use reqwest::header::{CONTENT_DISPOSITION, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION};
use reqwest::{Response, StatusCode};
use url::Url;
use windlass_core::Digest;

use crate::checksum::Checksum;
use crate::credential::Action;
use crate::error::Error;
use crate::options::Options;
use crate::text::clean;
use crate::transport::body::Flow;
use crate::transport::clients::Clients;
use crate::transport::fault::Fault;
use crate::transport::host;

const MOST_REDIRECTS: usize = 10;
/// The longest header that is looked at, in bytes.
const LONGEST_HEADER: usize = 1000;

/// What downloads files. Clones share connections.
#[derive(Debug, Clone)]
pub struct Downloads {
    options: Arc<Options>,
    clients: Arc<Clients>,
    largest: u64,
}

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The digest of its bytes, by the algorithm of the digest that was expected, else sha256.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// The `Content-Disposition` header, as it came.
    pub disposition: Option<String>,
    /// The `Last-Modified` header, as it came.
    pub last_modified: Option<String>,
}

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address is none.
    #[error("`{0}` is not a web address")]
    Address(String),
    /// The connection could not be set up.
    #[error(transparent)]
    Setup(#[from] Error),
    /// The server could not be reached, or the connection broke.
    #[error("cannot download from {host}: {reason}")]
    Connection {
        /// Host and port.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// The server answered, but not with the file.
    #[error("{host} answered with the status {status}")]
    Status {
        /// Host and port.
        host: String,
        /// The status.
        status: u16,
    },
    /// Where it sends us is nowhere.
    #[error("{host} redirects to {problem}")]
    Redirect {
        /// Host and port.
        host: String,
        /// What is wrong with that.
        problem: String,
    },
    /// More bytes than are taken.
    #[error("the file at {host} has more than the {limit} bytes that are allowed")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        limit: u64,
    },
    /// The content is another one.
    #[error("the checksum is {found}, not {expected}")]
    Checksum {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The file cannot be written.
    #[error("cannot write what was downloaded")]
    Write(#[source] std::io::Error),
}

impl DownloadError {
    /// Whether another attempt may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Status { status, .. } => matches!(status, 429 | 500 | 502..=504),
            _ => false,
        }
    }
}

impl Downloads {
    /// Takes files of at most `largest` bytes.
    #[must_use]
    pub fn new(largest: u64) -> Self {
        // No setting of a registry, least of all a client certificate, is for whoever a Dockerfile names.
        Self { options: Arc::new(Options::default()), clients: Arc::new(Clients::default()), largest }
    }

    /// Downloads `url` into the new file `path`.
    ///
    /// # Errors
    /// See [`DownloadError`]. A file that is not complete is removed.
    pub async fn get(
        &self,
        url: &str,
        expected: Option<&Digest>,
        path: &Path,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Downloaded, DownloadError> {
        let response = self.follow(url).await?;
        let taken = self.take(response, expected, path, progress).await;
        if taken.is_err() {
            // The error is what counts, and the directory is a temporary one.
            let _ = std::fs::remove_file(path);
        }
        taken
    }

    async fn follow(&self, text: &str) -> Result<Response, DownloadError> {
        let shown = || clean(&without_user(text), 200);
        let mut url = Url::parse(text).ok().filter(is_web).ok_or_else(|| DownloadError::Address(shown()))?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.once(&url).await?;
            let status = response.status();
            if status.is_success() && status != StatusCode::PARTIAL_CONTENT {
                return Ok(response);
            }
            let location = header(response.headers(), &LOCATION).filter(|_| status.is_redirection());
            let at = host::host_and_port(&url);
            let Some(location) = location else { return Err(DownloadError::Status { host: at, status: status.as_u16() }) };
            url = redirected(&url, &location).map_err(|problem| DownloadError::Redirect { host: at, problem })?;
        }
        let problem = format!("another place more than {MOST_REDIRECTS} times");
        Err(DownloadError::Redirect { host: host::host_and_port(&url), problem })
    }

    async fn once(&self, url: &Url) -> Result<Response, DownloadError> {
        let client = self.clients.client(&self.options, url, &host::authority(url), Action::Pull)?;
        let patience = self.options.limits.response;
        let sent = tokio::time::timeout(patience, client.get(url.clone()).send()).await;
        let sent = sent.map_or(Err(Fault::Silent(patience)), |sent| sent.map_err(Fault::Transport));
        sent.map_err(|fault| connection(url, fault))
    }

    async fn take(
        &self,
        mut response: Response,
        expected: Option<&Digest>,
        path: &Path,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Downloaded, DownloadError> {
        let url = response.url().clone();
        let too_large = || DownloadError::TooLarge { host: host::host_and_port(&url), limit: self.largest };
        let total = response.content_length();
        if total.is_some_and(|total| total > self.largest) {
            return Err(too_large());
        }
        let (disposition, last_modified) =
            (header(response.headers(), &CONTENT_DISPOSITION), header(response.headers(), &LAST_MODIFIED));
        let mut file = std::fs::File::create_new(path).map_err(DownloadError::Write)?;
        let mut checksum = expected.map_or_else(Checksum::sha256, Checksum::like);
        let (mut flow, mut size) = (Flow::new(self.options.limits), 0);
        while let Some(bytes) = flow.next(&mut response).await.map_err(|fault| connection(&url, fault))? {
            size += bytes.len() as u64;
            if size > self.largest {
                return Err(too_large());
            }
            checksum.update(&bytes);
            file.write_all(&bytes).map_err(DownloadError::Write)?;
            progress(size, total);
        }
        let digest = checksum.finish();
        match expected {
            Some(expected) if *expected != digest => Err(DownloadError::Checksum { expected: expected.clone(), found: digest }),
            _ => Ok(Downloaded { digest, size, disposition, last_modified }),
        }
    }
}

/// Messages may quote an address, but not a password in it.
fn without_user(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()),
        Err(_) => text.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn redirected(from: &Url, location: &str) -> Result<Url, String> {
    let shown = clean(&without_user(location), 200);
    let mut url = from.join(location.trim()).ok().filter(is_web).ok_or(format!("`{shown}`, which is not a web address"))?;
    // A user and password that the server makes up are for nobody.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(format!("plain HTTP at {}", host::host_and_port(&url)));
    }
    Ok(url)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name).filter(|value| value.len() <= LONGEST_HEADER)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn connection(url: &Url, fault: Fault) -> DownloadError {
    DownloadError::Connection { host: host::host_and_port(url), reason: clean(&fault.reason(), 300) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_web_and_under_tls() {
        let from = Url::parse("https://a.test/x/y").unwrap();
        assert_eq!(redirected(&from, "../z").unwrap().as_str(), "https://a.test/z");
        assert_eq!(redirected(&from, "https://u:p@b.test/").unwrap().as_str(), "https://b.test/");
        for bad in ["http://a.test/", "file:///etc/passwd", "ftp://a.test/"] {
            assert!(redirected(&from, bad).is_err(), "{bad}");
        }
    }
}
