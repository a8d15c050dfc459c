//! Images and clients for the tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use windlass_core::{Platform, Reference, Repository, Secret};
use windlass_registry::image::{Compression, Descriptor, Format, ImageConfig, Manifest, Tree};
use windlass_registry::{
    Action, Anonymous, Blobs, Credential, CredentialError, CredentialSource, Limits, Options, Registry, sha256,
};

/// An image of two layers in a store of its own.
pub(crate) struct Image {
    pub(crate) store: Blobs,
    pub(crate) tree: Tree,
    pub(crate) layers: Vec<Descriptor>,
    _directory: TempDir,
}

/// A tar archive with one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

impl Image {
    pub(crate) fn new(format: Format, platform: &str, salt: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Blobs::open(directory.path()).unwrap();
        let contents = [layer("one", salt.as_bytes()), layer("two", &vec![b'x'; 300_000])];
        let layers: Vec<Descriptor> = contents
            .iter()
            .map(|bytes| Descriptor::new(format.layer(Compression::None), store.put(bytes).unwrap(), bytes.len() as u64))
            .collect();
        let platform = Platform::parse(platform).unwrap();
        let mut config = ImageConfig {
            architecture: platform.architecture().to_owned(),
            variant: platform.variant().map(str::to_owned),
            os: platform.os().to_owned(),
            ..ImageConfig::default()
        };
        config.rootfs.diff_ids = contents.iter().map(|bytes| sha256(bytes)).collect();
        config.config.env = vec![format!("SALT={salt}")];
        let bytes = config.to_json();
        let config = Descriptor::new(format.config(), store.put(&bytes).unwrap(), bytes.len() as u64);
        let manifest = Manifest::image(format, &config, &layers, BTreeMap::new());
        store.put(manifest.bytes()).unwrap();
        Self { store, tree: Tree::image(manifest).unwrap(), layers, _directory: directory }
    }
}

pub(crate) fn repository(host: &str, path: &str) -> Repository {
    Repository::parse(&format!("{host}/{path}")).unwrap()
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

/// Settings under which faults show quickly.
pub(crate) fn quick() -> Options {
    Options {
        retries: 2,
        backoff: Duration::from_millis(10),
        longest_retry_after: Duration::from_secs(1),
        limits: Limits {
            connect: Duration::from_secs(2),
            response: Duration::from_millis(700),
            commit: Duration::from_millis(700),
            stall: Duration::from_millis(500),
            least_bytes: 1000,
        },
        ..Options::default()
    }
}

pub(crate) fn client(options: Options) -> Registry {
    Registry::new(options, Arc::new(Anonymous))
}

pub(crate) fn client_as(options: Options, source: &Arc<Login>) -> Registry {
    let source: Arc<dyn CredentialSource> = Arc::clone(source) as _;
    Registry::new(options, source)
}

/// A source with one credential after the other; a refusal brings the next.
pub(crate) struct Login {
    credentials: Vec<Credential>,
    at: AtomicUsize,
    pub(crate) refusals: AtomicUsize,
    pub(crate) asked: Mutex<Vec<(String, Action)>>,
}

impl Login {
    pub(crate) fn basic(passwords: &[&str]) -> Arc<Self> {
        let basic = |password: &&str| Credential::Basic { user: "AWS".to_owned(), password: Secret::new(*password) };
        Self::with(passwords.iter().map(basic).collect())
    }

    pub(crate) fn with(credentials: Vec<Credential>) -> Arc<Self> {
        Arc::new(Self { credentials, at: AtomicUsize::new(0), refusals: AtomicUsize::new(0), asked: Mutex::default() })
    }
}

#[async_trait]
impl CredentialSource for Login {
    async fn credential(&self, repository: &Repository, action: Action) -> Result<Credential, CredentialError> {
        self.asked.lock().unwrap().push((repository.to_string(), action));
        let at = self.at.load(Ordering::SeqCst).min(self.credentials.len() - 1);
        Ok(self.credentials[at].clone())
    }

    async fn rejected(&self, _: &Repository, _: Action) {
        self.refusals.fetch_add(1, Ordering::SeqCst);
        self.at.fetch_add(1, Ordering::SeqCst);
    }
}

/// Everything that an error says, causes and advice included.
pub(crate) fn told(error: &windlass_registry::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut text: Vec<String> = causes.map(ToString::to_string).collect();
    text.extend(error.help());
    text.join(": ")
}
