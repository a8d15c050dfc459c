//! Where an image goes: layouts and archives on this machine, then registries. Tags move last.

use std::path::PathBuf;

use windlass_core::event::{Outcome, Stage};
use windlass_core::{EventSink, Repository, Tag};
use windlass_registry::layout::{self, Archive};
use windlass_registry::{Mounts, Registry};

use crate::images::Image;
use crate::step::Outputs;

/// Why an image did not get where it should.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A layout or archive could not be written.
    #[error("cannot write {kind} {}", path.display())]
    Export {
        /// What was to be written.
        kind: &'static str,
        /// Where.
        path: PathBuf,
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

/// Writes every layout and archive.
pub(crate) async fn export(image: &Image, outputs: &Outputs, targets: &[Target], events: &EventSink) -> Result<(), PublishError> {
    let names: Vec<windlass_core::Reference> =
        targets.iter().flat_map(|target| target.tags.iter().map(|tag| target.repository.tagged(tag.clone()))).collect();
    for path in &outputs.oci_layouts {
        let written = layout::write_directory(path, &image.tree, &names, image.source.as_ref());
        exported("the OCI layout", path, written, events).await?;
    }
    for path in &outputs.oci_archives {
        let written = layout::write_archive(path, Archive::Oci, &image.tree, &names, image.source.as_ref());
        exported("the OCI archive", path, written, events).await?;
    }
    for path in &outputs.docker_archives {
        let written = layout::write_archive(path, Archive::Docker, &image.tree, &names, image.source.as_ref());
        exported("the docker archive", path, written, events).await?;
    }
    Ok(())
}

async fn exported<E: std::error::Error + Send + Sync + 'static>(
    kind: &'static str,
    path: &std::path::Path,
    written: impl Future<Output = Result<(), E>>,
    events: &EventSink,
) -> Result<(), PublishError> {
    let task = events.start(Stage::Export, format!("write {kind} {}", path.display()));
    match written.await {
        Ok(()) => {
            task.finish(Outcome::Done);
            Ok(())
        }
        Err(error) => {
            task.finish(Outcome::Failed(error.to_string()));
            Err(PublishError::Export { kind, path: path.to_owned(), source: Box::new(error) })
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
    let refused = |target: &Target| {
        let repository = target.repository.clone();
        move |error| PublishError::Push { repository, source: Box::new(error) }
    };
    for target in targets {
        let pushed = registry.push_content(&target.repository, &image.tree, image.source.as_ref(), &mounts, events);
        pushed.await.map_err(refused(target))?;
    }
    let mut references = Vec::new();
    for target in targets {
        registry.push_tags(&target.repository, image.tree.root(), &target.tags, events).await.map_err(refused(target))?;
        references.extend(target.tags.iter().map(|tag| format!("{}:{tag}", target.repository)));
    }
    Ok(references)
}
