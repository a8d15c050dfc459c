//! All that a build adds to its base in one layer.

use std::sync::Arc;

use windlass_core::event::{Outcome, Stage as EventStage};
use windlass_layer::{Layer, Listing, has_removals, merge, settle_removals};
use windlass_registry::image::History;

use super::error::{BuildError, Problem};
use super::layer::{BuildLayer, view_of};
use super::lineage::Continues;
use super::request::StepOutcome;
use super::session::{EntrySource, Made, Session};
use super::stage::{Effect, StageState};
use crate::store::{KeyBuilder, StepKey, StepRecord};

/// The state with one layer in place of all that have come to those of the base, where the build asks for that.
///
/// The steps keep their layers for the cache; the one that is made of them has a record of its own, under a key that
/// follows from theirs.
pub(crate) async fn squashed(session: &Arc<Session>, state: Arc<StageState>) -> Result<Arc<StageState>, Arc<BuildError>> {
    let base = state.layers.iter().take_while(|layer| layer.is_of_a_base()).count();
    let own = state.layers.len() - base;
    if !session.request.squash || own == 0 {
        return Ok(state);
    }
    let session = Arc::new(session.for_the_image());
    let title = format!("{} merge {own} layers to one", session.title("[squash]"));
    let key = KeyBuilder::new("squash").field("of", state.key.as_bytes()).finish();
    let cached = if state.is_fresh { None } else { session.cached(&key, state.is_new).await };
    let (layer, outcome) = match cached {
        Some(cached) => {
            session.events.start(EventStage::Build, &title).finish(Outcome::Cached);
            cached.layer(&session, &key, state.layers[..base].to_vec())
        }
        None => {
            let task = session.events.start(EventStage::Build, &title);
            match merged(&session, &state, base, key).await {
                Ok(effect) => {
                    task.finish(Outcome::Done);
                    (effect.layer, StepOutcome::Run("the cache has no layer of these steps together".to_owned()))
                }
                Err(error) => {
                    task.finish(Outcome::Failed(error.short()));
                    return Err(error);
                }
            }
        }
    };
    let mut squashed = (*state).clone();
    squashed.layers.truncate(base);
    squashed.image.squash(layer.as_ref().map(|_| History {
        created: state.created.clone(),
        created_by: Some("squash".to_owned()),
        comment: Some(format!("merge {own} layers to one")),
        ..History::default()
    }));
    squashed.layers.extend(layer);
    squashed.squashing = Some((title, outcome));
    Ok(Arc::new(squashed))
}

/// Writes the layer that is in place of those above the lowest `base` ones.
async fn merged(session: &Arc<Session>, state: &StageState, base: usize, key: StepKey) -> Result<Effect, Arc<BuildError>> {
    let (below, own) = state.layers.split_at(base);
    // The steps' files have to stay until the layer is written.
    let (mut layers, mut unpacked) = (Vec::new(), Vec::new());
    for layer in own {
        let entries = layer.entries(session).await?;
        layers.push(Layer::listing(Arc::new(entries.listing)));
        unpacked.extend(entries.unpacked);
    }
    let listing = session.blocking(move || merge(layers).map_err(failed)).await?;
    let entries = Arc::new(settled(session, listing, below).await?);
    let created = state.created.clone().unwrap_or_else(|| session.now());
    if entries.is_empty() {
        session.record(std::slice::from_ref(&key), &StepRecord { layer: None, created: created.clone(), continues: None })?;
        return Ok(Effect { layer: None, key, created });
    }
    let writing = session.write_layer(Made {
        entries: EntrySource::Listed(entries),
        keys: vec![key],
        continues: Continues::Itself,
        snapshot: None,
        created: created.clone(),
        verify: Box::new(|| Ok(())),
    });
    let blob = writing.blob.await?;
    drop(unpacked);
    let layer = BuildLayer::cached(session.snapshot_id(&key), (*blob).clone(), below.to_vec());
    Ok(Effect { layer: Some(layer), key, created })
}

/// The listing without removals of what the base does not have. A base that nothing is removed of is not asked for.
async fn settled(session: &Arc<Session>, listing: Listing, base: &[Arc<BuildLayer>]) -> Result<Listing, Arc<BuildError>> {
    if !has_removals(&listing) {
        return Ok(listing);
    }
    let view = view_of(base, session).await?;
    session.blocking(move || settle_removals(listing, &view).map_err(failed)).await
}

fn failed(error: windlass_layer::ViewError) -> Arc<BuildError> {
    Arc::new(BuildError::Layer(Problem::from_error(error).about("the layers cannot be merged")))
}
