//! Base images: resolved before the first step, unpacked when a step needs their files.

use std::sync::{Arc, OnceLock};

use windlass_core::{Digest, Finding, Place, Platform, Reference, chain};
use windlass_dockerfile::scope::DEFAULT_PATH;
use windlass_dockerfile::{BuildGraph, Scope};
use windlass_registry::image::{Descriptor, Document, ImageConfig, Manifest};
use windlass_registry::layout::Imported;

use super::error::{BuildError, Problem};
use super::image::{StageImage, set_default};
use super::layer::BuildLayer;
use super::request::{Layout, LayoutImage};
use super::session::Session;
use crate::store::{KeyBuilder, StepKey, StepLayer};

/// The most layers that a base image may have: the kernel stacks 500, and a build puts some on top.
const MOST_LAYERS: usize = 400;
/// Configurations hold a history and labels; nobody needs more.
const LARGEST_CONFIG: u64 = 8 << 20;

/// An image that a stage begins with or copies from.
pub(crate) struct BaseImage {
    /// What it was asked for by; an image of a layout has none.
    pub(crate) reference: Option<Reference>,
    pub(crate) digest: Digest,
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<Arc<BuildLayer>>,
    pub(crate) key: StepKey,
    start: OnceLock<(StageImage, Scope)>,
}

impl BaseImage {
    /// What every stage that begins with it begins with.
    pub(crate) fn start(&self, graph: &BuildGraph) -> &(StageImage, Scope) {
        self.start.get_or_init(|| {
            let mut config = self.config.clone();
            set_default(&mut config.config.env, "PATH", DEFAULT_PATH);
            let scope = graph.scope(config.config.env.iter().map(String::as_str));
            (StageImage::on(config), scope)
        })
    }
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
    few_enough(&reference.to_string(), &descriptors, place)?;
    Ok(image(session, Some(reference), digest, config, &descriptors))
}

/// Refuses an image that could not be stacked.
fn few_enough(name: &str, layers: &[Descriptor], place: &Place) -> Result<(), Arc<BuildError>> {
    if layers.len() <= MOST_LAYERS {
        return Ok(());
    }
    let problem = Problem::new(format!("{name} has {} layers, at most {MOST_LAYERS} are allowed", layers.len()));
    Err(step(place, problem.help("squash the image, or choose another one")))
}

/// The image with layers that are fetched from its registry, or that the store has.
fn image(
    session: &Session,
    reference: Option<Reference>,
    digest: Digest,
    config: ImageConfig,
    descriptors: &[Descriptor],
) -> BaseImage {
    let origin = reference.as_ref().map(|reference| reference.repository().clone());
    let key = key(&config.rootfs.diff_ids);
    let mut layers: Vec<Arc<BuildLayer>> = Vec::new();
    for (index, descriptor) in descriptors.iter().enumerate() {
        let known = known(&config.rootfs.diff_ids[index], descriptor);
        let id = session.snapshot_id(&self::key(&config.rootfs.diff_ids[..=index]));
        layers.push(BuildLayer::base(id, known, origin.clone(), layers.clone()));
    }
    BaseImage { reference, digest, config, layers, key, start: OnceLock::new() }
}

/// Takes an image out of a layout. All of the layout comes into the store, with its digests checked.
pub(crate) async fn of_layout(
    session: &Session,
    layout: &Layout,
    platform: &Platform,
    place: &Place,
) -> Result<BaseImage, Arc<BuildError>> {
    let failed = |reason: String| step(place, Problem::new(format!("cannot use the image {layout}: {reason}")));
    let images = windlass_registry::layout::read(&layout.path, &session.blobs).await.map_err(|error| failed(chain(&error)))?;
    let is_called = |image: &Imported, tag: &str| {
        image.names.iter().any(|name| name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag))
    };
    let chosen = match &layout.image {
        LayoutImage::Digest(digest) => images.iter().find(|image| image.tree.manifests().iter().any(|m| m.digest() == digest)),
        LayoutImage::Tag(tag) => images.iter().find(|image| is_called(image, tag)),
        LayoutImage::Only if images.len() == 1 => images.first(),
        LayoutImage::Only => images.iter().find(|image| is_called(image, "latest")),
    };
    let chosen = chosen.ok_or_else(|| failed("the layout has no such image".to_owned()))?;
    let wanted = |manifest: &&Manifest| match &layout.image {
        LayoutImage::Digest(digest) if *digest != *chosen.tree.root().digest() => manifest.digest() == digest,
        _ => true,
    };
    let mut found = Vec::new();
    for manifest in chosen.tree.manifests().iter().filter(wanted) {
        let Ok(Document::Image(document)) = manifest.document() else { continue };
        let bytes = session.blobs.read(&document.config.digest, LARGEST_CONFIG).map_err(|error| failed(chain(&error)))?;
        // What is no image, as an attestation, has another kind of configuration.
        let Ok(config) = ImageConfig::parse(&bytes) else { continue };
        if config.rootfs.diff_ids.len() == document.layers.len() {
            found.push((manifest.digest().clone(), config, document.layers));
        }
    }
    let exact = found.iter().position(|(_, config, _)| config.platform() == *platform);
    let accepted = || found.iter().position(|(_, config, _)| platform.accepts(&config.platform()));
    let only = || (found.len() == 1 && chosen.tree.manifests().len() == 1).then_some(0);
    let index = exact.or_else(accepted).or_else(only).ok_or_else(|| failed(format!("it has no image for {platform}")))?;
    let (digest, config, layers) = found.swap_remove(index);
    few_enough(&layout.to_string(), &layers, place)?;
    Ok(image(session, None, digest, config, &layers))
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
