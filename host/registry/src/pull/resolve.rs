//! From a reference to an image: manifest, configuration and layers, for one platform.

use bytes::Bytes;
use windlass_core::{Digest, Platform, Reference, Repository};

use super::manifest::LARGEST_MANIFEST;
use super::platform::choose;
use crate::error::Error;
use crate::image::{Descriptor, Document, ImageConfig, ImageDocument, Manifest};
use crate::registry::Registry;
use crate::store::Blobs;

/// Configurations hold a history and labels; nobody needs more.
const LARGEST_CONFIG: u64 = 8 * 1024 * 1024;
/// An index may list an index; no published one goes deeper.
const DEEPEST_INDEX: usize = 3;

/// An image, found and verified. Its layers are not fetched yet.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What was asked for.
    pub reference: Reference,
    /// The index that the image was chosen from, where there is one.
    pub index: Option<Manifest>,
    /// The image's manifest.
    pub manifest: Manifest,
    /// The configuration's bytes.
    pub config_bytes: Bytes,
    /// The configuration.
    pub config: ImageConfig,
    /// The layers, the lowest first: as many as the configuration has `diff_ids`.
    pub layers: Vec<Descriptor>,
}

impl Resolved {
    /// The reference that always gives the same image: the index's digest where there is one, else the manifest's.
    #[must_use]
    pub fn pinned(&self) -> Reference {
        self.reference.repository().at(self.index.as_ref().unwrap_or(&self.manifest).digest().clone())
    }
}

impl Registry {
    /// Finds the image that `reference` names, for `platform`. An image that comes without an index is taken as it is;
    /// [`ImageConfig::platform`] tells what it is for.
    ///
    /// # Errors
    /// When it cannot be had or verified, or has no such platform.
    pub async fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<Resolved, Error> {
        self.find(reference, platform, None).await
    }

    /// As [`Registry::resolve`], with manifests and configurations kept in a store: a digest that is there needs no
    /// registry, and a tag only the question which digest it has.
    ///
    /// # Errors
    /// As for [`Registry::resolve`], and when the store cannot be written.
    pub async fn resolve_cached(&self, reference: &Reference, platform: &Platform, store: &Blobs) -> Result<Resolved, Error> {
        self.find(reference, platform, Some(store)).await
    }

    async fn find(&self, reference: &Reference, platform: &Platform, store: Option<&Blobs>) -> Result<Resolved, Error> {
        let repository = reference.repository();
        let mut manifest = self.first_manifest(reference, store).await?;
        let mut index = None;
        for _ in 0..=DEEPEST_INDEX {
            match document(&manifest, repository)? {
                Document::Image(image) => return self.resolved(reference, index, manifest, image, store).await,
                Document::Index(listed) => {
                    let chosen = choose(&listed, platform, reference)?.descriptor.digest.clone();
                    let next = self.manifest_by(repository, &chosen, store).await?;
                    index.get_or_insert(std::mem::replace(&mut manifest, next));
                }
            }
        }
        Err(Error::Protocol {
            registry: repository.registry().to_owned(),
            what: format!("the search for {reference}"),
            fault: format!("indexes are nested more than {DEEPEST_INDEX} deep"),
        })
    }

    async fn first_manifest(&self, reference: &Reference, store: Option<&Blobs>) -> Result<Manifest, Error> {
        let repository = reference.repository();
        if store.is_some() {
            match self.resolve_digest(reference).await {
                Ok(digest) => return self.manifest_by(repository, &digest, store).await,
                // An answer to HEAD carries no words; the one to GET says what is the matter.
                Err(Error::NotFound { .. } | Error::Refused { .. } | Error::Denied { .. } | Error::Protocol { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.manifest(reference).await
    }

    async fn manifest_by(&self, repository: &Repository, digest: &Digest, store: Option<&Blobs>) -> Result<Manifest, Error> {
        if let Some(bytes) = store.and_then(|store| store.read(digest, LARGEST_MANIFEST).ok())
            && let Ok(manifest) = Manifest::new(bytes, None)
        {
            return Ok(manifest);
        }
        let manifest = self.manifest_at(repository, digest.to_string()).await?;
        if let Some(store) = store {
            store.put(manifest.bytes())?;
        }
        Ok(manifest)
    }

    async fn resolved(
        &self,
        reference: &Reference,
        index: Option<Manifest>,
        manifest: Manifest,
        image: ImageDocument,
        store: Option<&Blobs>,
    ) -> Result<Resolved, Error> {
        let repository = reference.repository();
        let wanted = &image.config;
        let kept = store.and_then(|store| store.read(&wanted.digest, LARGEST_CONFIG).ok());
        let config_bytes = match kept {
            Some(bytes) => Bytes::from(bytes),
            None => {
                let bytes = self.blob_bytes(repository, wanted, LARGEST_CONFIG).await?;
                if let Some(store) = store {
                    store.put(&bytes)?;
                }
                bytes
            }
        };
        let unusable = |source| Error::Config { repository: repository.clone(), digest: wanted.digest.clone(), source };
        let config = ImageConfig::parse(&config_bytes).map_err(|error| unusable(error.into()))?;
        let (layers, diff_ids) = (image.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(unusable(
                format!("it lists {diff_ids} layers, the manifest {layers}: this is not a container image").into(),
            ));
        }
        Ok(Resolved { reference: reference.clone(), index, manifest, config_bytes, config, layers: image.layers })
    }
}

fn document(manifest: &Manifest, repository: &Repository) -> Result<Document, Error> {
    manifest.document().map_err(|source| Error::Document {
        repository: repository.clone(),
        target: manifest.digest().to_string(),
        source,
    })
}
