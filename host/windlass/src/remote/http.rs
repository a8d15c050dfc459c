//! One file from the web.

use std::path::Path;
use std::time::Duration;

use windlass_builder::context::finish_download;
use windlass_builder::execute::{Brought, Problem};
use windlass_core::{Digest, chain};
use windlass_dockerfile::remote::{HttpSource, RemoteSource};
use windlass_registry::{DownloadError, Downloaded, Downloads};

/// The name of a file whose address has none.
const UNNAMED: &str = "__unnamed__";
const LONGEST_NAME: usize = 255;
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn fetch(
    downloads: &Downloads,
    source: &HttpSource,
    directory: &Path,
    progress: &(dyn Fn(u64, Option<u64>) + Sync),
) -> Result<Brought, Problem> {
    let shown = RemoteSource::Http(source.clone()).shown();
    let failed = |reason: String| Problem::new(format!("cannot fetch {shown}: {reason}"));
    let expected = source.checksum.as_deref().map(Digest::parse).transpose().map_err(|error| failed(error.to_string()))?;
    let unfinished = directory.join(".download");
    let mut attempt = 1;
    let downloaded = loop {
        match downloads.get(&source.url, expected.as_ref(), &unfinished, progress).await {
            Ok(downloaded) => break downloaded,
            Err(error) if attempt < ATTEMPTS && error.is_temporary() => {
                tokio::time::sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(advised(failed(chain(&error)), &error)),
        }
    };
    let name = name(&source.url, &downloaded);
    let path = directory.join(&name);
    std::fs::rename(&unfinished, &path)
        .and_then(|()| finish_download(&path, downloaded.last_modified.as_deref().and_then(seconds)))
        .map_err(|error| failed(error.to_string()))?;
    Ok(Brought::File(name))
}

fn advised(problem: Problem, error: &DownloadError) -> Problem {
    match error {
        DownloadError::Checksum { found, .. } => {
            problem.help(format!("if the file was meant to change, write --checksum={found}"))
        }
        DownloadError::TooLarge { .. } => problem.help("raise the limit with the variable WINDLASS_DOWNLOAD_LIMIT, in bytes"),
        DownloadError::Connection { .. } => problem.help("check the address, the network and the proxy settings"),
        DownloadError::Redirect { .. } => problem.help("name the place that it leads to"),
        _ => problem,
    }
}

/// The last part of the address's path, else the name that the server gives it.
fn name(url: &str, downloaded: &Downloaded) -> String {
    let path = url::Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
    let of_path = base_name(&decoded(path.trim_end_matches('/')));
    let of_server = || downloaded.disposition.as_deref().and_then(disposition);
    of_path.or_else(of_server).unwrap_or_else(|| UNNAMED.to_owned())
}

/// The `filename` of a `Content-Disposition` (RFC 6266).
fn disposition(text: &str) -> Option<String> {
    let mut names: Vec<(bool, String)> = text
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .filter_map(|(name, value)| match name.trim().to_ascii_lowercase().as_str() {
            "filename" => Some((false, value.trim().trim_matches('"').to_owned())),
            "filename*" => Some((true, decoded(value.trim().rsplit('\'').next()?))),
            _ => None,
        })
        .collect();
    names.sort_by_key(|(is_extended, _)| !is_extended);
    names.into_iter().find_map(|(_, name)| base_name(&name))
}

/// One part of a path that names a file and nothing else.
fn base_name(text: &str) -> Option<String> {
    let name = text.rsplit('/').next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    is_name.then(|| name.to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An HTTP date in seconds since 1970.
fn seconds(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, disposition: Option<&str>) -> String {
        let disposition = disposition.map(str::to_owned);
        name(url, &Downloaded { digest: Digest::from_sha256([0; 32]), size: 0, disposition, last_modified: None })
    }

    #[test]
    fn files_are_named_by_the_path_then_by_the_server() {
        assert_eq!(named("https://x.test/a/b%20c.tar?d=e", Some("attachment; filename=z")), "b c.tar");
        assert_eq!(named("https://x.test/a/b/", None), "b");
        assert_eq!(named("https://x.test/", Some("attachment; filename=\"z.tar\"")), "z.tar");
        assert_eq!(named("https://x.test", Some("attachment; filename=a; filename*=UTF-8''%e2%82%ac")), "€");
        assert_eq!(named("https://x.test/", None), UNNAMED);
    }

    #[test]
    fn no_name_leaves_the_directory() {
        assert_eq!(named("https://x.test/%2e%2e%2fpasswd", None), "passwd");
        assert_eq!(named("https://x.test/", Some("attachment; filename=\"../../etc/passwd\"")), "passwd");
        assert_eq!(named("https://x.test/", Some("attachment; filename=\"..\"")), UNNAMED);
    }

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }
}
