//! Where blobs are read from when they are pushed or exported.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::File;

use async_trait::async_trait;
use windlass_core::{Digest, Repository};

use crate::image::Descriptor;
use crate::registry::Registry;
use crate::store::Blobs;

/// Opens blobs. Each call gives a file that is read from its beginning, so that an upload can start over.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// The blob's bytes, uncut.
    ///
    /// # Errors
    /// When they cannot be had.
    async fn open(&self, blob: &Descriptor) -> Result<File, Box<dyn StdError + Send + Sync>>;
}

#[async_trait]
impl BlobSource for Blobs {
    async fn open(&self, blob: &Descriptor) -> Result<File, Box<dyn StdError + Send + Sync>> {
        Ok(self.file(&blob.digest)?)
    }
}

/// A content store in front of registries: a blob that is not in the store is fetched when it is first opened.
///
/// Layers of a base image that the destination has or can mount are so never downloaded.
#[derive(Debug, Clone)]
pub struct LazyBlobs {
    /// The store, which what is fetched goes into.
    pub blobs: Blobs,
    /// What fetches.
    pub registry: Registry,
    /// The repository that each blob which may be missing can be fetched from.
    pub origins: BTreeMap<Digest, Repository>,
}

#[async_trait]
impl BlobSource for LazyBlobs {
    async fn open(&self, blob: &Descriptor) -> Result<File, Box<dyn StdError + Send + Sync>> {
        if let Some(origin) = self.origins.get(&blob.digest) {
            self.registry.fetch_blob(origin, blob, &self.blobs, &|_| {}, None).await?;
        }
        Ok(self.blobs.file(&blob.digest)?)
    }
}
