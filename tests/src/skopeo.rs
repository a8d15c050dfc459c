//! Images as skopeo, which is not ours, reads them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tar::EntryType;

/// Copies an image, with `user:password` for the registry where it needs them.
pub fn copy(from: &str, to: &str, credentials: Option<&str>) {
    let output = try_copy(from, to, credentials);
    assert!(output.status.success(), "skopeo cannot copy {from} to {to}: {}", String::from_utf8_lossy(&output.stderr));
}

fn try_copy(from: &str, to: &str, credentials: Option<&str>) -> Output {
    copy_command(&[], from, to, credentials).output().expect("skopeo is installed by `make test`")
}

fn copy_command(options: &[&str], from: &str, to: &str, credentials: Option<&str>) -> Command {
    let mut command = Command::new("skopeo");
    command.args(options).args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    if let Some(credentials) = credentials {
        let option = if to.starts_with("docker://") { "--dest-creds" } else { "--src-creds" };
        command.args([option, credentials]);
    }
    command.args([from, to]);
    command
}

/// The manifest or index of an image, as it stands, from anywhere skopeo can read.
#[must_use]
pub fn raw(from: &str) -> Value {
    let output = Command::new("skopeo").args(["inspect", "--tls-verify=false", "--raw", from]).output();
    let output = output.expect("skopeo is installed by `make test`");
    assert!(output.status.success(), "skopeo cannot inspect {from}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("skopeo prints JSON")
}

/// What the registry says about a reference, as `skopeo inspect` prints it.
#[must_use]
pub fn inspect(reference: &str, credentials: Option<&str>) -> Value {
    let mut command = Command::new("skopeo");
    command.args(["inspect", "--tls-verify=false"]);
    if let Some(credentials) = credentials {
        command.args(["--creds", credentials]);
    }
    let output = command.arg(format!("docker://{reference}")).output().expect("skopeo is installed by `make test`");
    assert!(output.status.success(), "skopeo cannot inspect {reference}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("skopeo prints JSON")
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `file`, `directory`, `link`, `character device`, …
    pub kind: &'static str,
    /// The permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// What a file holds.
    pub content: Vec<u8>,
    /// Where a symbolic link points.
    pub target: String,
}

/// An image, taken apart.
#[derive(Debug)]
pub struct Image {
    /// The manifest's digest.
    pub digest: String,
    /// The manifest.
    pub manifest: Value,
    /// The configuration: `config`, `rootfs`, `history`.
    pub config: Value,
    /// Every file of all layers together, by path without a leading slash.
    pub files: BTreeMap<String, Entry>,
}

impl Image {
    /// Reads an image from anywhere skopeo can: `docker://…`, `oci:…`, `docker-archive:…`. Layers must be packed by gzip, zstd, or not.
    #[must_use]
    pub fn read(from: &str, credentials: Option<&str>) -> Self {
        Self::read_with(&[], from, credentials)
    }

    /// The image that an index has for Linux on `architecture`.
    #[must_use]
    pub fn read_for(architecture: &str, from: &str) -> Self {
        Self::read_with(&["--override-os", "linux", "--override-arch", architecture], from, None)
    }

    fn read_with(options: &[&str], from: &str, credentials: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let to = format!("oci:{}:image", directory.path().display());
        let output = copy_command(options, from, &to, credentials).output().expect("skopeo is installed by `make test`");
        assert!(output.status.success(), "skopeo cannot copy {from} to {to}: {}", String::from_utf8_lossy(&output.stderr));
        let index: Value = parse(&fs::read(directory.path().join("index.json")).expect("skopeo wrote an index"));
        let digest = index["manifests"][0]["digest"].as_str().expect("the index names a manifest").to_owned();
        let manifest = parse(&blob(directory.path(), &digest));
        let config = parse(&blob(directory.path(), text(&manifest["config"]["digest"])));
        let mut files = BTreeMap::new();
        for layer in manifest["layers"].as_array().expect("a manifest has layers") {
            apply(&mut files, &unpacked(blob(directory.path(), text(&layer["digest"]))));
        }
        Self { digest, manifest, config, files }
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let entry = self.files.get(path).unwrap_or_else(|| panic!("the image has no {path}: {:?}", self.files.keys()));
        String::from_utf8_lossy(&entry.content).into_owned()
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config["config"]["Labels"][name].as_str()
    }

    /// The layers' digests, the lowest first.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        let layers = self.manifest["layers"].as_array().expect("a manifest has layers");
        layers.iter().map(|layer| text(&layer["digest"]).to_owned()).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("the blob is JSON")
}

fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    let hex = digest.strip_prefix("sha256:").expect("digests are sha256 here");
    fs::read(layout.join("blobs/sha256").join(hex)).expect("skopeo copied every blob")
}

fn unpacked(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return piped("zstd", bytes);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut out).expect("the layer is whole");
    out
}

/// What a program that decompresses makes of the bytes.
fn piped(program: &str, bytes: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is installed by `make test`: {error}"));
    let mut input = child.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("the child is ours");
    writer.join().expect("writing does not panic").expect("the program reads everything");
    assert!(output.status.success(), "{program} cannot read the layer");
    output.stdout
}

/// Puts a layer on top of what is there, whiteouts as the OCI image specification has them (`layer.md`, "Whiteouts").
fn apply(files: &mut BTreeMap<String, Entry>, layer: &[u8]) {
    let mut archive = tar::Archive::new(layer);
    for entry in archive.entries().expect("the layer is a tar") {
        let mut entry = entry.expect("the layer is whole");
        let path = entry.path().expect("paths are UTF-8 here").to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let below =
            |prefix: &str, path: &str| path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.starts_with('/'));
        if name == ".wh..wh..opq" {
            files.retain(|known, _| !below(parent, known));
            continue;
        }
        if let Some(hidden) = name.strip_prefix(".wh.") {
            let hidden = if parent.is_empty() { hidden.to_owned() } else { format!("{parent}/{hidden}") };
            files.retain(|known, _| *known != hidden && !below(&hidden, known));
            continue;
        }
        let header = entry.header().clone();
        let link = entry.link_name().ok().flatten().map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
        if header.entry_type() == EntryType::Link {
            let same = files.get(link.trim_start_matches("./").trim_matches('/')).cloned();
            files.insert(path, same.expect("a hard link names a file before it"));
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the layer is whole");
        let owner = (header.uid().expect("owners are numbers"), header.gid().expect("owners are numbers"));
        let mode = header.mode().expect("modes are numbers") & 0o7777;
        files.insert(path, Entry { kind: kind(header.entry_type()), mode, owner, content, target: link });
    }
}

fn kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Directory => "directory",
        EntryType::Symlink => "link",
        EntryType::Char => "character device",
        EntryType::Block => "block device",
        EntryType::Fifo => "pipe",
        _ => "file",
    }
}
