//! A look into an image that was built, for policies. Files are unpacked when the first is asked for.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use windlass_builder::store::{Store, TemporaryDirectory};
use windlass_core::{Digest, Platform, chain};
use windlass_layer::{Content, EntryKind as Kind, Layer as LayerTree, Ownership, Snapshot, SnapshotFormat, UnpackOptions, View};
use windlass_registry::BlobSource;
use windlass_registry::image::{Descriptor, Document, ImageConfig, Manifest};
use windlass_runtime::host::image_view::{Entry, EntryKind, ImageError, ImageView, Layer};

use crate::images::{Image, Member};

/// The image.
pub(crate) struct Inside {
    manifest: Manifest,
    config: ImageConfig,
    layers: Vec<Descriptor>,
    source: Arc<dyn BlobSource>,
    store: Arc<Store>,
    files: OnceCell<Unpacked>,
}

struct Unpacked {
    view: View,
    _directory: TemporaryDirectory,
}

impl Inside {
    pub(crate) fn new(image: &Image, member: &Member, store: &Arc<Store>) -> Self {
        let layers = match member.manifest.document() {
            Ok(Document::Image(document)) => document.layers,
            _ => Vec::new(),
        };
        Self {
            manifest: member.manifest.clone(),
            config: member.config.clone(),
            layers,
            source: Arc::clone(&image.source),
            store: Arc::clone(store),
            files: OnceCell::new(),
        }
    }

    /// The image's files. Their contents are here for as long as this lives.
    pub(crate) async fn view(&self) -> Result<View, ImageError> {
        let unpacked = self.files.get_or_try_init(|| self.unpack()).await?;
        Ok(unpacked.view.clone())
    }

    async fn unpack(&self) -> Result<Unpacked, ImageError> {
        let failed = |error: &dyn std::error::Error| ImageError::Other(chain(error));
        let directory = self.store.temporary_directory().map_err(|error| failed(&error))?;
        let mut view = View::empty();
        for (index, layer) in self.layers.iter().enumerate() {
            let file = self.source.open(layer).await.map_err(|error| failed(error.as_ref()))?;
            let root = directory.path().join(index.to_string());
            let below = view.clone();
            let unpacked = tokio::task::spawn_blocking(move || unpack(file, &root, &below)).await;
            let layer = unpacked.map_err(|error| failed(&error))?.map_err(ImageError::Other)?;
            view = view.with(layer);
        }
        Ok(Unpacked { view, _directory: directory })
    }
}

fn unpack(file: std::fs::File, root: &Path, below: &View) -> Result<LayerTree, String> {
    // Nothing runs on these files: owners need not be on disk.
    let format = SnapshotFormat { ownership: Ownership::Recorded, ..SnapshotFormat::default() };
    let snapshot = Snapshot::create(root, format).map_err(|error| chain(&error))?;
    let options = UnpackOptions { lower: Some(below), ..UnpackOptions::default() };
    windlass_layer::unpack(file, &snapshot, &options).map_err(|error| chain(&error))?;
    LayerTree::directory(&snapshot).map_err(|error| chain(&error))
}

fn relative(path: &str) -> &Path {
    Path::new(path.trim_start_matches('/'))
}

#[async_trait]
impl ImageView for Inside {
    fn digest(&self) -> Digest {
        self.manifest.digest().clone()
    }

    fn platform(&self) -> Platform {
        self.config.platform()
    }

    fn manifest(&self) -> String {
        String::from_utf8_lossy(self.manifest.bytes()).into_owned()
    }

    fn config(&self) -> String {
        String::from_utf8_lossy(&self.config.to_json()).into_owned()
    }

    fn layers(&self) -> Vec<Layer> {
        let pairs = self.layers.iter().zip(&self.config.rootfs.diff_ids);
        pairs
            .map(|(layer, diff_id)| Layer {
                digest: layer.digest.clone(),
                diff_id: diff_id.clone(),
                size: layer.size,
                media_type: layer.media_type.clone(),
            })
            .collect()
    }

    async fn stat(&self, path: &str) -> Result<Entry, ImageError> {
        let view = self.view().await?;
        let resolved = view.resolve_parent(relative(path)).map_err(|error| ImageError::Other(chain(&error)))?;
        let entry = resolved.entry.ok_or_else(|| ImageError::NotFound(path.to_owned()))?;
        let (kind, size, link_target) = match &entry.kind {
            Kind::Directory { .. } => (EntryKind::Directory, 0, None),
            Kind::File { size, .. } => (EntryKind::File, *size, None),
            Kind::Symlink { target } => (EntryKind::Link, 0, Some(target.to_string_lossy().into_owned())),
            Kind::Fifo => (EntryKind::Other("pipe".to_owned()), 0, None),
            _ => (EntryKind::Other("device".to_owned()), 0, None),
        };
        Ok(Entry {
            kind,
            mode: entry.mode,
            user: entry.uid,
            group: entry.gid,
            size,
            link_target,
            modified: entry.modified.seconds,
        })
    }

    async fn list(&self, path: &str) -> Result<Vec<String>, ImageError> {
        let names = self.view().await?.read_dir(relative(path)).map_err(|error| ImageError::Other(chain(&error)))?;
        Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    async fn read(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, ImageError> {
        let view = self.view().await?;
        let resolved = view.resolve(relative(path)).map_err(|error| ImageError::Other(chain(&error)))?;
        let entry = resolved.entry.ok_or_else(|| ImageError::NotFound(path.to_owned()))?;
        match entry.kind {
            Kind::File { content: Content::File(file), .. } => {
                let read = tokio::task::spawn_blocking(move || read_part(&file, offset, length)).await;
                read.map_err(|error| ImageError::Other(error.to_string()))?.map_err(|error| ImageError::Other(error.to_string()))
            }
            _ => Err(ImageError::WrongKind(format!("{path} is no regular file"))),
        }
    }
}

fn read_part(path: &Path, offset: u64, length: u32) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
