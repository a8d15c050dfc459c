//! An image with files.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_core::{Digest, Platform};
use windlass_runtime::host::image_view::{Entry, EntryKind, ImageError, ImageView, Layer};

/// An image that is held in memory: files by absolute path, and a configuration.
#[derive(Debug)]
pub struct FakeImage {
    files: BTreeMap<String, Vec<u8>>,
    config: String,
}

impl FakeImage {
    /// An image with these files (mode 0644, owner 0), by absolute path, and this configuration, a JSON text.
    ///
    /// # Panics
    /// When a path is not absolute: policies ask by absolute paths, and would never find it.
    #[must_use]
    pub fn new(config: &str, files: &[(&str, &str)]) -> Arc<Self> {
        files.iter().for_each(|(path, _)| assert!(path.starts_with('/'), "`{path}` is not absolute: write `/{path}`"));
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        Arc::new(Self { files, config: config.to_owned() })
    }

    fn is_directory(&self, path: &str) -> bool {
        let inside = format!("{}/", path.trim_end_matches('/'));
        self.files.keys().any(|file| file.starts_with(&inside))
    }
}

#[async_trait]
impl ImageView for FakeImage {
    fn digest(&self) -> Digest {
        Digest::from_sha256([7; 32])
    }

    fn platform(&self) -> Platform {
        Platform::new("linux", "amd64", None)
    }

    fn manifest(&self) -> String {
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#.to_owned()
    }

    fn config(&self) -> String {
        self.config.clone()
    }

    fn layers(&self) -> Vec<Layer> {
        vec![Layer {
            digest: Digest::from_sha256([1; 32]),
            diff_id: Digest::from_sha256([2; 32]),
            size: self.files.values().map(|file| file.len() as u64).sum(),
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        }]
    }

    async fn stat(&self, path: &str) -> Result<Entry, ImageError> {
        let (kind, mode, size) = match self.files.get(path) {
            Some(file) => (EntryKind::File, 0o644, file.len() as u64),
            None if self.is_directory(path) => (EntryKind::Directory, 0o755, 0),
            None => return Err(ImageError::NotFound(path.to_owned())),
        };
        Ok(Entry { kind, mode, user: 0, group: 0, size, link_target: None, modified: 0 })
    }

    async fn list(&self, path: &str) -> Result<Vec<String>, ImageError> {
        if self.files.contains_key(path) {
            return Err(ImageError::WrongKind(format!("{path} is a file")));
        }
        if !self.is_directory(path) {
            return Err(ImageError::NotFound(path.to_owned()));
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let name = |file: &String| file.strip_prefix(&inside)?.split('/').next().map(str::to_owned);
        let mut names: Vec<String> = self.files.keys().filter_map(name).collect();
        names.dedup();
        Ok(names)
    }

    async fn read(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, ImageError> {
        let file = self.files.get(path).ok_or_else(|| ImageError::NotFound(path.to_owned()))?;
        let from = usize::try_from(offset).map_or(file.len(), |offset| offset.min(file.len()));
        let to = file.len().min(from.saturating_add(length as usize));
        Ok(file[from..to].to_vec())
    }
}
