//! Layers of a base image that pass through a build unopened: before they are written or sent, they are compared too.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use async_trait::async_trait;
use windlass_core::Digest;
use windlass_layer::Limits;
use windlass_registry::BlobSource;
use windlass_registry::image::Descriptor;

use super::error::Problem;
use super::layer::check_diff_id;

/// A source of blobs that gives a layer only when it unpacks to what the image's configuration says.
#[derive(Debug, Clone)]
pub struct CheckedBlobs<S> {
    /// Where the blobs are.
    pub source: S,
    /// What layers have to unpack to.
    pub unchecked: BTreeMap<Digest, Digest>,
}

#[async_trait]
impl<S: BlobSource> BlobSource for CheckedBlobs<S> {
    async fn open(&self, blob: &Descriptor) -> Result<File, Box<dyn StdError + Send + Sync>> {
        let file = self.source.open(blob).await?;
        let Some(expected) = self.unchecked.get(&blob.digest).cloned() else { return Ok(file) };
        let digest = blob.digest.clone();
        let checked = tokio::task::spawn_blocking(move || check(file, &digest, &expected));
        Ok(checked.await??)
    }
}

fn check(mut file: File, digest: &Digest, expected: &Digest) -> Result<File, Problem> {
    let found = windlass_layer::diff_id(&file, Limits::default()).map_err(Problem::from_error)?;
    check_diff_id(&found, digest, expected)?;
    file.seek(SeekFrom::Start(0)).map_err(Problem::from_error)?;
    Ok(file)
}
