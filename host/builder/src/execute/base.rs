//! Base images: resolved before the first step, unpacked when a step needs their files.

use std::sync::Arc;

use windlass_core::{Digest, Finding, Place, Platform, Reference};
use windlass_registry::image::{Descriptor, ImageConfig};

use super::error::{BuildError, Problem};
use super::layer::BuildLayer;
use super::session::Session;
use crate::store::{KeyBuilder, StepKey, StepLayer};

/// The most layers that a base image may have: the kernel stacks 500, and a build puts some on top.
const MOST_LAYERS: usize = 400;

/// An image that a stage begins with or copies from.
pub(crate) struct BaseImage {
    pub(crate) reference: Reference,
    pub(crate) digest: Digest,
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<Arc<BuildLayer>>,
    pub(crate) key: StepKey,
}

/// Asks the registry for the image. Nothing but manifest and configuration is fetched.
pub(crate) async fn resolve(
    session: &Arc<Session>,
    text: &str,
    platform: &Platform,
    place: &Place,
) -> Result<BaseImage, Arc<BuildError>> {
    let reference = Reference::parse(text).map_err(|error| step(place, Problem::new(error.to_string())))?;
    let resolved = session.registry.resolve_cached(&reference, platform, &session.blobs).await.map_err(|source| {
        Arc::new(BuildError::Base { reference: reference.to_string(), place: place.clone(), source: Box::new(source) })
    })?;
    let found = resolved.config.platform();
    if !platform.accepts(&found) {
        let message = format!("the image {reference} is for {found}, and the build is for {platform}");
        let finding = Finding::warn("build/base-platform", message).about(text).at(place.clone());
        session.events.notice(finding.help("name an image that has this platform, or build with --platform"));
    }
    let (config, descriptors, digest) = (resolved.config, resolved.layers, resolved.manifest.digest().clone());
    if descriptors.len() > MOST_LAYERS {
        let problem = Problem::new(format!("{reference} has {} layers, at most {MOST_LAYERS} are allowed", descriptors.len()));
        return Err(step(place, problem.help("squash the image, or choose another one")));
    }
    let key = key(&config.rootfs.diff_ids);
    let mut layers: Vec<Arc<BuildLayer>> = Vec::new();
    for (index, descriptor) in descriptors.iter().enumerate() {
        let known = known(&config.rootfs.diff_ids[index], descriptor);
        let id = session.snapshot_id(&self::key(&config.rootfs.diff_ids[..=index]));
        layers.push(BuildLayer::known(id, known, Some(reference.repository().clone()), layers.clone()));
    }
    Ok(BaseImage { reference, digest, config, layers, key })
}

/// Layers with the same content are the same base, wherever they come from.
fn key(diff_ids: &[Digest]) -> StepKey {
    KeyBuilder::new("base").list("layers", diff_ids.iter().map(Digest::as_str)).finish()
}

fn known(diff_id: &Digest, blob: &Descriptor) -> StepLayer {
    StepLayer {
        diff_id: diff_id.clone(),
        digest: blob.digest.clone(),
        size: blob.size,
        uncompressed_size: 0,
        media_type: blob.media_type.clone(),
        snapshot: None,
    }
}

fn step(place: &Place, problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::At {
        instruction: "FROM".to_owned(),
        place: place.clone(),
        source: Arc::new(BuildError::Unplaced(problem)),
    })
}
