//! From a request to an image.

mod adding;
mod agent;
mod base;
mod checked;
mod copying;
mod error;
mod executor;
mod explain;
mod files;
mod foreign;
mod image;
mod isolation;
mod layer;
mod lineage;
mod metadata;
mod mounts;
mod one_id;
mod plain;
mod remote;
mod remote_cache;
mod request;
mod run;
mod session;
mod squash;
mod stage;
mod taken;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use windlass_registry::image::{Compression, Descriptor, Format, ImageConfig};

pub use agent::{AgentSocket, SshAgent};
pub use checked::CheckedBlobs;
pub use error::{BuildError, Problem};
pub use remote::{Brought, Remotes};
pub use remote_cache::{CACHE_FIELD, Found, Origin, RemoteCache, Whence};
pub use request::{Argument, BuildRequest, BuiltImage, Dns, Layout, LayoutImage, NamedContext, StepOutcome};
pub use session::{NewLayer, Workshop, snapshot_format};

use executor::Executor;
use session::Session;
use stage::StageState;
use work::Work;

/// Builds an image for each platform, in their order. Dropping the future stops what runs; [`Workshop::cancel`] does so
/// from elsewhere.
///
/// # Errors
/// See [`BuildError`]. Steps that were finished stay in the cache; nothing of the others is running any more.
pub async fn build(request: BuildRequest, workshop: Workshop) -> Result<Vec<BuiltImage>, Arc<BuildError>> {
    let stop = StopOnDrop(workshop.cancel.clone());
    let work = Work::new(workshop.cancel.clone());
    let built = build_all(request, &workshop, &work).await;
    if built.is_err() {
        work.stop().await;
    }
    std::mem::forget(stop);
    built
}

async fn build_all(request: BuildRequest, workshop: &Workshop, work: &Work) -> Result<Vec<BuiltImage>, Arc<BuildError>> {
    let sessions = Session::for_each_platform(request, workshop, work);
    let mut executors = try_join_all(sessions.iter().map(|session| Executor::prepare(Arc::clone(session)))).await?;
    if let Some(executor) = executors.first() {
        executor.tell_unused_arguments();
        executor.tell_unknown_stages();
        executor.check_permissions()?;
    }
    for executor in &mut executors {
        executor.rehearse().await?;
    }
    foreign::check(&executors).await?;
    let mut images = Vec::new();
    // One after the other: a step that is the same for all platforms is carried out once, and then found in the cache.
    for executor in &mut executors {
        let image = without_bad_entries(executor).await;
        if !workshop.cancel.is_cancelled() {
            // What was finished is worth sharing also when a later step failed.
            executor.session().sharing.finish().await;
        }
        images.push(image?);
    }
    Ok(images)
}

/// Builds, and begins again without an entry of the remote cache that turned out to be unusable. What was finished is found
/// in the store.
async fn without_bad_entries(executor: &mut Executor) -> Result<BuiltImage, Arc<BuildError>> {
    loop {
        let sharing = Arc::clone(&executor.session().sharing);
        let distrusted = sharing.distrusted();
        let built = once(executor).await;
        if built.is_ok() || sharing.distrusted() == distrusted {
            return built;
        }
        executor.forget_stages();
    }
}

async fn once(executor: &Executor) -> Result<BuiltImage, Arc<BuildError>> {
    let session = executor.session();
    let state = squash::squashed(session, executor.run().await?).await?;
    try_join_all(state.layers.iter().map(|layer| layer.settled(session))).await?;
    assemble(session, executor, &state).await
}

/// A step runs on a thread of its own, which would go on when nobody waits for it any more.
struct StopOnDrop(windlass_sandbox::Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Waits for the last blobs, and puts the configuration together.
async fn assemble(session: &Arc<Session>, executor: &Executor, state: &StageState) -> Result<BuiltImage, Arc<BuildError>> {
    let (mut layers, mut origins, mut diff_ids, mut unchecked) = (Vec::new(), BTreeMap::new(), Vec::new(), BTreeMap::new());
    for layer in &state.layers {
        let blob = layer.blob().await?;
        if let Some(origin) = layer.origin() {
            origins.insert(blob.digest.clone(), origin.clone());
        }
        unchecked.extend(layer.unchecked(session, &blob).map(|diff_id| (blob.digest.clone(), diff_id)));
        diff_ids.push(blob.diff_id.clone());
        layers.push(Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size));
    }
    let config = finish(session, state, diff_ids);
    let json = config.to_json();
    let digest = session.blobs.put(&json).map_err(|error| Arc::new(BuildError::Layer(Problem::from_error(error))))?;
    let format = Format::Oci;
    let config_descriptor = Descriptor::new(format.config(), digest, json.len() as u64);
    let layers: Vec<Descriptor> = layers.into_iter().map(|layer| in_format(layer, format)).collect();
    let bases = executor.images().filter_map(|image| Some((image.reference.clone()?, image.digest.clone()))).collect();
    let steps = executor.finished().flat_map(|state| state.steps.iter().cloned()).chain(state.squashing.clone()).collect();
    let platform = session.platform.clone();
    Ok(BuiltImage { platform, config, config_descriptor, layers, origins, unchecked, bases, steps })
}

fn finish(session: &Session, state: &StageState, diff_ids: Vec<windlass_core::Digest>) -> ImageConfig {
    let mut config = state.image.finish();
    config.config.labels.extend(session.request.labels.iter().cloned());
    config.rootfs.diff_ids = diff_ids;
    config.created = state.created.clone().or_else(|| Some(session.now()));
    // What a daemon wrote about the container that a base image was committed from is not true of this image, nor is a cache.
    for stale in ["container", "container_config", "docker_version", CACHE_FIELD, "moby.buildkit.cache.v0"] {
        config.other.remove(stale);
    }
    if let Some(latest) = session.request.source_date_epoch {
        clamp(&mut config, latest);
    }
    config
}

/// Layers of a docker image keep their bytes, and get the OCI name for what they are.
fn in_format(layer: Descriptor, format: Format) -> Descriptor {
    match Compression::of_layer(&layer.media_type) {
        Some(compression) => Descriptor { media_type: format.layer(compression).to_owned(), ..layer },
        None => layer,
    }
}

/// No time of a step of ours is later than `SOURCE_DATE_EPOCH`; those of the base stay as they are.
fn clamp(config: &mut ImageConfig, latest: i64) {
    let Ok(latest) = jiff::Timestamp::from_second(latest) else { return };
    let later = |text: &String| text.parse::<jiff::Timestamp>().is_ok_and(|time| time > latest);
    let times = config.history.iter_mut().map(|step| &mut step.created).chain(std::iter::once(&mut config.created));
    for time in times.flatten().filter(|time| later(time)) {
        *time = latest.to_string();
    }
}
