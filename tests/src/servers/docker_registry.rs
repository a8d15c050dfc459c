//! Debian's `docker-registry`: open, or with one user.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Server, bound_to_us, on_a_free_port};
use crate::http;

/// A registry on loopback, over plain HTTP.
#[derive(Debug)]
pub struct DockerRegistry {
    host: String,
    login: Option<(String, String)>,
    directory: TempDir,
    _server: Server,
}

impl DockerRegistry {
    /// A registry that anyone may read and write.
    #[must_use]
    pub fn open() -> Self {
        Self::start(None)
    }

    /// A registry for one user with a password.
    #[must_use]
    pub fn with_login(user: &str, password: &str) -> Self {
        Self::start(Some((user.to_owned(), password.to_owned())))
    }

    fn start(login: Option<(String, String)>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let passwords = login.as_ref().map(|(user, password)| htpasswd(directory.path(), user, password));
        let (host, server) = on_a_free_port(|port| {
            let host = format!("127.0.0.1:{port}");
            let configuration = directory.path().join("registry.yml");
            std::fs::write(&configuration, configure(&host, directory.path(), passwords.as_deref()))
                .expect("the directory is ours");
            let ready = || http::request("GET", &host, "/v2/", &[], "").is_ok_and(|answer| matches!(answer.status, 200 | 401));
            let mut command = bound_to_us("docker-registry");
            command.arg("serve").arg(&configuration).env("OTEL_TRACES_EXPORTER", "none");
            let server = Server::start(&mut command, &directory.path().join("log"), ready)?;
            Some((host, server))
        });
        Self { host, login, directory, _server: server }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `http://127.0.0.1:PORT`, for `--registry-map`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// `user:password`, where it has one.
    #[must_use]
    pub fn credentials(&self) -> Option<String> {
        self.login.as_ref().map(|(user, password)| format!("{user}:{password}"))
    }

    /// The tags of a repository, sorted; none for a repository that is not there.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let tags = self.directory.path().join("data/docker/registry/v2/repositories").join(repository).join("_manifests/tags");
        let entries = std::fs::read_dir(tags).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where a blob's bytes lie, for tests that spoil them.
    #[must_use]
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("digests are sha256 here");
        self.directory.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

fn configure(host: &str, directory: &Path, passwords: Option<&Path>) -> String {
    let data = directory.join("data");
    let mut text = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: {host}\n",
        data.display()
    );
    if let Some(path) = passwords {
        text.push_str(&format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display()));
    }
    text
}

fn htpasswd(directory: &Path, user: &str, password: &str) -> PathBuf {
    let path = directory.join("htpasswd");
    // The registry reads bcrypt only. The cheapest form will do: nobody attacks it.
    let mut command = Command::new("htpasswd");
    command.args(["-i", "-n", "-B", "-C", "4", user]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("htpasswd is installed by `make test` (apache2-utils)");
    child.stdin.take().expect("stdin is piped").write_all(password.as_bytes()).expect("htpasswd reads its input");
    let output = child.wait_with_output().expect("htpasswd ends");
    assert!(output.status.success(), "htpasswd failed: {output:?}");
    std::fs::write(&path, output.stdout).expect("the directory is ours");
    path
}
