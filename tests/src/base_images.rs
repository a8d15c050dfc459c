//! Base images, made here: no test asks a public registry for one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::servers::docker_registry::DockerRegistry;
use crate::skopeo;

/// A base image of busybox alone.
#[derive(Debug, Clone)]
pub struct Busybox {
    /// The architecture that the image claims.
    pub architecture: String,
    /// What `ENV` of the base holds besides `PATH`.
    pub variables: Vec<String>,
}

impl Default for Busybox {
    fn default() -> Self {
        Self { architecture: architecture().to_owned(), variables: Vec::new() }
    }
}

impl Busybox {
    /// Pushes it as `name`, such as `base:latest`, and gives the reference under which it can be pulled.
    pub fn push(&self, registry: &DockerRegistry, name: &str) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut variables = vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        variables.extend(self.variables.iter().cloned());
        let config = json!({"Env": variables, "Cmd": ["sh"], "WorkingDir": "/"});
        layout(directory.path(), &self.architecture, &config, &busybox_files());
        push(directory.path(), registry, name)
    }
}

/// Pushes a Debian with the packages of `include`, made once by mmdebstrap and kept below `target/`, and gives its reference.
pub fn push_debian(registry: &DockerRegistry, name: &str, include: &[&str]) -> String {
    let archive = fs::read(debian(include)).expect("the archive was made");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let config = json!({"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]});
    layout(directory.path(), architecture(), &config, &archive);
    push(directory.path(), registry, name)
}

/// Debian packages as files, fetched once and kept below `target/`.
#[must_use]
pub fn packages(names: &[&str]) -> Vec<PathBuf> {
    let directory = kept().join(format!("packages-{}", &digest(names.join(",").as_bytes())[7..19]));
    let _lock = locked(&directory);
    if !directory.exists() {
        let partial = directory.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir(&partial).expect("target/ can be written");
        // Lists of our own: this machine may have none.
        let lists = tempfile::tempdir().expect("a temporary directory can be made");
        for words in [&["update"][..], &[&["download"], names].concat()] {
            let mut command = Command::new("apt-get");
            command.arg("-o").arg(format!("Dir::State::Lists={}", lists.path().display())).args(words);
            let output = command.current_dir(&partial).output().expect("this is a Debian");
            assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        fs::rename(&partial, &directory).expect("both lie in one directory");
    }
    let files = fs::read_dir(&directory).expect("the directory is there").flatten().map(|entry| entry.path());
    let files: Vec<_> = files.collect();
    assert_eq!(files.len(), names.len(), "{files:?}");
    files
}

/// This machine's architecture, as images name it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// An architecture that this machine's is not.
#[must_use]
pub fn foreign_architecture() -> &'static str {
    if architecture() == "arm64" { "amd64" } else { "arm64" }
}

fn push(layout: &Path, registry: &DockerRegistry, name: &str) -> String {
    let reference = format!("{}/{name}", registry.host());
    skopeo::copy(
        &format!("oci:{}:latest", layout.display()),
        &format!("docker://{reference}"),
        registry.credentials().as_deref(),
    );
    reference
}

/// The root file system: busybox under every name it knows, and the files that programs expect.
#[must_use]
pub fn busybox_files() -> Vec<u8> {
    let program = ["/bin/busybox", "/usr/bin/busybox"].iter().find_map(|path| fs::read(path).ok());
    let program = program.expect("busybox is installed by `make test` (busybox-static)");
    let names = Command::new("busybox").arg("--list").output().expect("busybox runs").stdout;
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode) in [("bin/", 0o755), ("etc/", 0o755), ("root/", 0o700), ("tmp/", 0o1777), ("var/", 0o755), ("usr/", 0o755)] {
        entry(&mut tar, path, tar::EntryType::Directory, mode, &[], "");
    }
    entry(&mut tar, "bin/busybox", tar::EntryType::Regular, 0o755, &program, "");
    for name in String::from_utf8_lossy(&names).lines().filter(|name| *name != "busybox") {
        entry(&mut tar, &format!("bin/{name}"), tar::EntryType::Symlink, 0o777, &[], "busybox");
    }
    let users = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
    entry(&mut tar, "etc/passwd", tar::EntryType::Regular, 0o644, users, "");
    entry(&mut tar, "etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\nnogroup:x:65534:\n", "");
    tar.into_inner().expect("writing into memory does not fail")
}

/// The files of an image as it is made for the isolation in place, with busybox for what a test does in its container.
#[must_use]
pub fn in_place_files() -> Vec<u8> {
    let program = fs::read("/bin/busybox").expect("busybox is installed by `make test` (busybox-static)");
    let mut tar = tar::Builder::new(Vec::new());
    entry(&mut tar, "windlass/", tar::EntryType::Directory, 0o755, &[], "");
    entry(&mut tar, "windlass/in-place", tar::EntryType::Regular, 0o644, &[], "");
    entry(&mut tar, "windlass/busybox", tar::EntryType::Regular, 0o755, &program, "");
    tar.into_inner().expect("writing into memory does not fail")
}

fn entry(tar: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, mode: u32, content: &[u8], target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    if !target.is_empty() {
        header.set_link_name(target).expect("the target is short");
    }
    tar.append_data(&mut header, path, content).expect("writing into memory does not fail");
}

/// Writes an OCI layout with an image of one layer, under the tag `latest`.
fn layout(directory: &Path, architecture: &str, config: &Value, files: &[u8]) {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(files).expect("writing into memory does not fail");
    let layer = packer.finish().expect("writing into memory does not fail");
    let diff_id = digest(files);
    let image = json!({
        "architecture": architecture, "os": "linux", "created": "2023-11-14T22:13:20Z", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "windlass-e2e"}],
    });
    let image = image.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &blob(directory, &image)),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &blob(directory, &layer))],
    });
    let mut named = descriptor("application/vnd.oci.image.manifest.v1+json", &blob(directory, manifest.to_string().as_bytes()));
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [named]});
    fs::write(directory.join("index.json"), index.to_string()).expect("the directory is ours");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("the directory is ours");
}

struct Blob {
    digest: String,
    size: usize,
}

fn blob(directory: &Path, bytes: &[u8]) -> Blob {
    let digest = digest(bytes);
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("the directory is ours");
    fs::write(blobs.join(&digest["sha256:".len()..]), bytes).expect("the directory is ours");
    Blob { digest, size: bytes.len() }
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size})
}

/// `sha256:` and the sum of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The archive of a Debian with `include`; made on first use, by one process at a time.
fn debian(include: &[&str]) -> PathBuf {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable").to_owned();
    let packages = include.join(",");
    let archive = kept().join(format!("{suite}-{}.tar", &digest(packages.as_bytes())[7..19]));
    let _lock = locked(&archive);
    if archive.exists() {
        return archive;
    }
    let partial = archive.with_extension("partial.tar");
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=essential", "--mode=root", "--format=tar", "--quiet"]);
    // What nobody reads in a test only costs time.
    for path in ["doc", "man", "info", "locale", "zoneinfo"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    if !packages.is_empty() {
        command.arg(format!("--include={packages}"));
    }
    command.arg(&suite).arg(&partial).args(sources()).env("SOURCE_DATE_EPOCH", "1700000000");
    let output = command.output().expect("mmdebstrap is installed by `make test`");
    assert!(output.status.success(), "mmdebstrap failed:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&partial, &archive).expect("both lie in one directory");
    archive
}

/// Where what takes long to make is kept.
fn kept() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e");
    fs::create_dir_all(&directory).expect("target/ can be written");
    directory
}

/// Keeps other processes from making the same meanwhile.
fn locked(path: &Path) -> File {
    let lock = File::create(path.with_extension("lock")).expect("target/ can be written");
    lock.lock().expect("a file can be locked");
    lock
}

/// Where this machine gets its packages from.
fn sources() -> Vec<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let main = PathBuf::from("/etc/apt/sources.list");
    let known = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "list" || extension == "sources");
    std::iter::once(main).chain(parts).filter(|path| known(path) && fs::metadata(path).is_ok_and(|meta| meta.len() > 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::scripted::Response;
    use crate::{Image, Moto, Proxy};

    #[test]
    fn a_base_is_read_back_from_a_registry_with_a_login() {
        let registry = DockerRegistry::with_login("AWS", &Moto::password("12345"));
        let reference = Busybox::default().push(&registry, "base:1");
        let image = Image::read(&format!("docker://{reference}"), registry.credentials().as_deref());
        assert_eq!(image.files["bin/sh"].target, "busybox");
        assert_eq!(image.files["tmp"].mode, 0o1777);
        assert_eq!(registry.tags("base"), ["1"]);
        assert!(registry.blob(&image.layers()[0]).is_file());
        let inspected = skopeo::inspect(&reference, registry.credentials().as_deref());
        assert_eq!(inspected["Digest"], image.digest.as_str());
    }

    #[test]
    fn a_proxy_passes_on_what_it_does_not_answer() {
        let registry = DockerRegistry::open();
        let proxy = Proxy::before(registry.host(), |request| {
            request.target.starts_with("/v2/secret/").then(|| Response::json(404, "{}"))
        });
        let directory = tempfile::tempdir().unwrap();
        let config = json!({"Cmd": ["sh"]});
        layout(directory.path(), architecture(), &config, &busybox_files());
        let from = format!("oci:{}:latest", directory.path().display());
        skopeo::copy(&from, &format!("docker://{}/open:1", proxy.host()), None);
        assert_eq!(registry.tags("open"), ["1"]);
        assert!(proxy.seen().iter().any(|request| request.method == "PUT"));
        let refused = crate::http::request("GET", proxy.host(), "/v2/secret/tags/list", &[], "").unwrap();
        assert_eq!(refused.status, 404);
    }

    #[test]
    fn moto_makes_repositories_of_accounts_and_gives_keys_for_them() {
        let moto = Moto::start();
        moto.create_repository("12345", "us-east-1", "app");
        let key = moto.key_of("222222222222");
        let made = moto.ecr("us-east-1", &key, "CreateRepository", &json!({"repositoryName": "other"}));
        assert!(made["repository"]["repositoryUri"].as_str().unwrap().starts_with("222222222222."), "{made}");
        let token = moto.ecr("us-east-1", "AKIATEST", "GetAuthorizationToken", &json!({"registryIds": ["12345"]}));
        assert!(token["authorizationData"][0]["proxyEndpoint"].as_str().unwrap().contains("12345"), "{token}");
    }
}
