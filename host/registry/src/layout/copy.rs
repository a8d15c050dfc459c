//! Copying blobs, with their digests checked on the way.

use std::fs::File;
use std::io::{self, Read};

use crate::checksum::Checksum;
use crate::image::{Descriptor, ImageConfig, Tree};
use crate::layout::LayoutError;
use crate::source::BlobSource;

/// A reader of exactly one blob: it gives as many bytes as the blob has, and knows at its end whether they were right.
pub(super) struct Checked<R> {
    inner: io::Take<R>,
    blob: Descriptor,
    sum: Checksum,
}

impl<R: Read> Checked<R> {
    pub(super) fn new(inner: R, blob: &Descriptor) -> Self {
        Self { inner: inner.take(blob.size), blob: blob.clone(), sum: Checksum::like(&blob.digest) }
    }

    /// After the last byte: whether they were the blob's. `what` says where they came from.
    pub(super) fn finish(self, what: &str) -> Result<(), LayoutError> {
        let mismatch = |found| LayoutError::Mismatch { what: what.to_owned(), expected: self.blob.digest.clone(), found };
        let missing = self.inner.limit();
        if missing > 0 {
            return Err(mismatch(format!("it ends {missing} bytes early")));
        }
        let mut inner = self.inner.into_inner();
        if inner.read(&mut [0]).unwrap_or(0) > 0 {
            return Err(mismatch(format!("it goes on after {} bytes", self.blob.size)));
        }
        let found = self.sum.finish();
        if found == self.blob.digest { Ok(()) } else { Err(mismatch(found.to_string())) }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}

/// Opens a blob of `source`.
pub(super) async fn open(source: &dyn BlobSource, blob: &Descriptor) -> Result<File, LayoutError> {
    source.open(blob).await.map_err(|source| LayoutError::Source { digest: blob.digest.clone(), source })
}

/// Reads the configuration of a tree that is one image; `None` for an index, and for what is no container image.
pub(super) async fn config(tree: &Tree, source: &dyn BlobSource) -> Result<Option<(Descriptor, ImageConfig)>, LayoutError> {
    const LARGEST: u64 = 8 * 1024 * 1024;
    let crate::image::Document::Image(image) = tree.root().document()? else { return Ok(None) };
    if image.config.size > LARGEST {
        return Ok(None);
    }
    let file = open(source, &image.config).await?;
    let mut reader = Checked::new(file, &image.config);
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| LayoutError::Source { digest: image.config.digest.clone(), source: error.into() })?;
    reader.finish("the configuration")?;
    Ok(ImageConfig::parse(&bytes).ok().map(|config| (image.config, config)))
}

/// Runs what blocks, away from the threads that must not.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LayoutError> + Send + 'static,
) -> Result<T, LayoutError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(LayoutError::Io { verb: "go on with", path: "the image".into(), source: io::Error::other(error) }),
        },
    }
}
