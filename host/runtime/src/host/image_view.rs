//! `image-view`: an image that was built, read lazily.

use async_trait::async_trait;
use wasmtime::component::Resource;
use windlass_core::{Digest, Platform};

use crate::bindings::host::image_view::{EntryKind as WitKind, Host, HostEntry, HostImageView, HostLayer, ImageError as Wit};
use crate::call::HostState;
use crate::host::handle::ImageHandle;

/// An image for one platform.
#[async_trait]
pub trait ImageView: Send + Sync {
    /// The digest of its manifest.
    fn digest(&self) -> Digest;
    /// Its platform.
    fn platform(&self) -> Platform;
    /// Its manifest, a JSON text.
    fn manifest(&self) -> String;
    /// Its configuration, a JSON text.
    fn config(&self) -> String;
    /// Its layers, the base's first.
    fn layers(&self) -> Vec<Layer>;
    /// What stands at an absolute path of the merged file system; a link at its end is not followed.
    async fn stat(&self, path: &str) -> Result<Entry, ImageError>;
    /// The names in a directory, in alphabetical order.
    async fn list(&self, path: &str) -> Result<Vec<String>, ImageError>;
    /// Up to `length` bytes of a file from `offset` on.
    async fn read(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, ImageError>;
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the layer as it is pushed.
    pub digest: Digest,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// Its size as it is pushed, in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
}

/// A file, directory or other entry of an image's file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// The permission bits, setuid, setgid and sticky included.
    pub mode: u32,
    /// The owner's user id.
    pub user: u32,
    /// The owner's group id.
    pub group: u32,
    /// The size of a regular file, in bytes; 0 for anything else.
    pub size: u64,
    /// Where a symbolic link points.
    pub link_target: Option<String>,
    /// When it was changed, in seconds since 1970-01-01T00:00:00Z.
    pub modified: i64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket, by name.
    Other(String),
}

/// Why something of an image cannot be given. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// There is no such file or directory.
    #[error("there is no {0}")]
    NotFound(String),
    /// It is of another kind.
    #[error("{0}")]
    WrongKind(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn told(error: ImageError) -> Wit {
    match error {
        ImageError::NotFound(why) => Wit::NotFound(why),
        ImageError::WrongKind(why) => Wit::WrongKind(why),
        ImageError::Other(why) => Wit::Other(why),
    }
}

fn answered<T>(answer: Option<Result<T, ImageError>>) -> Result<T, Wit> {
    answer.unwrap_or_else(|| Err(ImageError::Other("it could not be read in time".to_owned()))).map_err(told)
}

impl Host for HostState {}

impl HostImageView for HostState {
    fn digest(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.digest().to_string())
    }

    fn platform(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.platform().to_string())
    }

    fn manifest(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.manifest())
    }

    fn config(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.config())
    }

    fn layers(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<Vec<Resource<Layer>>> {
        let layers = self.get(&handle)?.0.layers();
        layers.into_iter().map(|layer| self.push(layer)).collect()
    }

    async fn stat(&mut self, handle: Resource<ImageHandle>, path: String) -> wasmtime::Result<Result<Resource<Entry>, Wit>> {
        let image = self.get(&handle)?.clone();
        match answered(self.timed(async move { image.0.stat(&path).await }).await?) {
            Ok(entry) => Ok(Ok(self.push(entry)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn list(&mut self, handle: Resource<ImageHandle>, path: String) -> wasmtime::Result<Result<Vec<String>, Wit>> {
        let image = self.get(&handle)?.clone();
        Ok(answered(self.timed(async move { image.0.list(&path).await }).await?))
    }

    async fn read(
        &mut self,
        handle: Resource<ImageHandle>,
        path: String,
        offset: u64,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Wit>> {
        let most = self.limits.read_bytes;
        if u64::from(length) > most {
            return Ok(Err(Wit::TooLarge(format!("{length} bytes at once; the limit `read-bytes` allows {most}"))));
        }
        let image = self.get(&handle)?.clone();
        Ok(answered(self.timed(async move { image.0.read(&path, offset, length).await }).await?))
    }

    fn drop(&mut self, handle: Resource<ImageHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostEntry for HostState {
    fn kind(&mut self, handle: Resource<Entry>) -> wasmtime::Result<WitKind> {
        Ok(match &self.get(&handle)?.kind {
            EntryKind::File => WitKind::File,
            EntryKind::Directory => WitKind::Directory,
            EntryKind::Link => WitKind::Link,
            EntryKind::Other(name) => WitKind::Other(name.clone()),
        })
    }

    fn mode(&mut self, handle: Resource<Entry>) -> wasmtime::Result<u32> {
        Ok(self.get(&handle)?.mode)
    }

    fn user(&mut self, handle: Resource<Entry>) -> wasmtime::Result<u32> {
        Ok(self.get(&handle)?.user)
    }

    fn group(&mut self, handle: Resource<Entry>) -> wasmtime::Result<u32> {
        Ok(self.get(&handle)?.group)
    }

    fn size(&mut self, handle: Resource<Entry>) -> wasmtime::Result<u64> {
        Ok(self.get(&handle)?.size)
    }

    fn link_target(&mut self, handle: Resource<Entry>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.link_target.clone())
    }

    fn modified(&mut self, handle: Resource<Entry>) -> wasmtime::Result<i64> {
        Ok(self.get(&handle)?.modified)
    }

    fn drop(&mut self, handle: Resource<Entry>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostLayer for HostState {
    fn digest(&mut self, handle: Resource<Layer>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.digest.to_string())
    }

    fn diff_id(&mut self, handle: Resource<Layer>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.diff_id.to_string())
    }

    fn size(&mut self, handle: Resource<Layer>) -> wasmtime::Result<u64> {
        Ok(self.get(&handle)?.size)
    }

    fn media_type(&mut self, handle: Resource<Layer>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.media_type.clone())
    }

    fn drop(&mut self, handle: Resource<Layer>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
