//! Debian's `docker-registry` on a free port, with a directory of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How the server is reached.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// User and password, for Basic authentication.
    pub(crate) login: Option<(&'a str, &'a str)>,
    /// The token server's address, and the certificate that its tokens would be signed by.
    pub(crate) realm: Option<(&'a str, &'a Path)>,
    /// Certificate and key in PEM files.
    pub(crate) tls: Option<(&'a Path, &'a Path)>,
}

/// A running registry; it ends with the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = directory.path().join("config.yml");
        std::fs::write(&config, configuration(setup, directory.path(), port)).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .args([Path::new("serve"), &config])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed");
        let server = Self { process, directory, port };
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "docker-registry does not start: {}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn open() -> Self {
        Self::start(&Setup::default())
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(setup: &Setup<'_>, directory: &Path, port: u16) -> String {
    let shown = directory.display();
    let mut text = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {shown}/data}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: s\n"
    );
    if let Some((certificate, key)) = setup.tls {
        text += &format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
    }
    if let Some((user, password)) = setup.login {
        let output = Command::new("htpasswd").args(["-Bbn", "-C", "5", user, password]).output().expect("htpasswd is installed");
        std::fs::write(directory.join("htpasswd"), output.stdout).unwrap();
        text += &format!("auth:\n  htpasswd: {{realm: test, path: {shown}/htpasswd}}\n");
    }
    if let Some((realm, bundle)) = setup.realm {
        text += &format!("auth:\n  token: {{realm: \"{realm}\", service: s, issuer: i, rootcertbundle: {}}}\n", bundle.display());
    }
    text
}
