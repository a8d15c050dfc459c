//! Where an image goes: layouts and archives on this machine, then registries. Tags move last.

use std::io::Write;
use std::path::{Path, PathBuf};

use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Finding, Reference, Repository, Tag};
use windlass_registry::layout::{self, Archive};
use windlass_registry::{Mounts, Registry};

use crate::encoding::Encoder;
use crate::failure::Failure;
use crate::images::Image;
use crate::rootfs;
use crate::step::{Export, ExportKind, Place};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Why an image did not get where it should.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A layout or archive could not be written.
    #[error("cannot write {kind} {place}")]
    Export {
        /// What was to be written.
        kind: &'static str,
        /// Where.
        place: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A registry refused.
    #[error("cannot push to {repository}")]
    Push {
        /// The repository.
        repository: Repository,
        /// Why not.
        source: Box<windlass_registry::Error>,
    },
}

/// A repository and the tags that are to point at the image.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) repository: Repository,
    pub(crate) tags: Vec<Tag>,
}

impl Target {
    /// Every name that the image gets there.
    pub(crate) fn references(&self) -> impl Iterator<Item = Reference> + '_ {
        self.tags.iter().map(|tag| self.repository.tagged(tag.clone()))
    }
}

/// Writes the image, or its files, in every way that is asked for.
pub(crate) async fn export(image: &Image, exports: &[Export], names: &[Reference], encoder: &Encoder<'_>) -> Result<(), Failure> {
    for export in exports {
        let image = match export.kind {
            ExportKind::OciLayout | ExportKind::OciArchive => encoder.attested(image, export.encoding).await?,
            ExportKind::DockerArchive | ExportKind::Directory | ExportKind::Tar => {
                encoder.encoded(image, export.encoding).await?
            }
        };
        let written = write(&image, export, names, encoder);
        exported(export, written, encoder.events).await?;
    }
    Ok(())
}

async fn write(image: &Image, export: &Export, names: &[Reference], encoder: &Encoder<'_>) -> Result<(), Problem> {
    let (tree, source) = (&image.tree, image.source.as_ref());
    let archive = |form, path: PathBuf| async move { layout::write_archive(&path, form, tree, names, source).await };
    let form = if export.kind == ExportKind::DockerArchive { Archive::Docker } else { Archive::Oci };
    match (export.kind, &export.place) {
        (ExportKind::Directory | ExportKind::Tar, place) => {
            let left_out = rootfs::write(image, export.kind, place, encoder.store).await?;
            left_out.iter().for_each(|path| encoder.events.notice(without(path)));
        }
        (ExportKind::OciLayout, Place::Path(path)) => layout::write_directory(path, tree, names, source).await?,
        (_, Place::Path(path)) => archive(form, path.clone()).await?,
        (_, Place::StandardOutput) => {
            let scratch = encoder.store.temporary_directory()?;
            let path = scratch.path().join("archive.tar");
            archive(form, path.clone()).await?;
            let copied = tokio::task::spawn_blocking(move || {
                let mut out = std::io::stdout().lock();
                std::io::copy(&mut std::fs::File::open(path)?, &mut out)?;
                out.flush()
            });
            copied.await??;
        }
    }
    Ok(())
}

fn without(path: &Path) -> Finding {
    let message = format!("the device /{} is not written to the directory: that takes privileges", path.display());
    Finding::warn("output/device", message).about("--output").help("write a tar archive, which keeps it")
}

async fn exported(
    export: &Export,
    written: impl Future<Output = Result<(), Problem>>,
    events: &EventSink,
) -> Result<(), PublishError> {
    let (kind, place) = (export.kind.title(), export.place.to_string());
    let task = events.start(Stage::Export, format!("write {kind} {place}"));
    match written.await {
        Ok(()) => {
            task.finish(Outcome::Done);
            Ok(())
        }
        Err(source) => {
            task.finish(Outcome::Failed(source.to_string()));
            Err(PublishError::Export { kind, place, source })
        }
    }
}

/// Pushes the content to every target, and only then moves tags: a failure leaves none moved.
pub(crate) async fn push(
    image: &Image,
    targets: &[Target],
    registry: &Registry,
    events: &EventSink,
) -> Result<Vec<String>, PublishError> {
    let mounts: Mounts = image.origins.iter().map(|(digest, repository)| (digest.clone(), vec![repository.clone()])).collect();
    let mut contents = Vec::new();
    for target in targets {
        let pushed = registry.push_content(&target.repository, &image.tree, image.source.as_ref(), &mounts, events);
        contents.push(pushed.await.map_err(|error| refused(target, error))?);
    }
    let mut references = Vec::new();
    for (target, pushed) in targets.iter().zip(&contents) {
        let tag = |pushed| registry.push_tags(&target.repository, image.tree.root(), pushed, &target.tags, events);
        match tag(pushed).await {
            Err(error) if pushed.existed && error.is_about_missing_content() => {
                // The manifest was there, and something that it points to was not.
                let whole = registry.push_whole_content(&target.repository, &image.tree, image.source.as_ref(), &mounts, events);
                let pushed = whole.await.map_err(|error| refused(target, error))?;
                tag(&pushed).await
            }
            settled => settled,
        }
        .map_err(|error| refused(target, error))?;
        references.extend(target.references().map(|reference| reference.to_string()));
    }
    Ok(references)
}

fn refused(target: &Target, error: windlass_registry::Error) -> PublishError {
    PublishError::Push { repository: target.repository.clone(), source: Box::new(error) }
}
