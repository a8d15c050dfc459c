//! COPY, ADD and WORKDIR.

use std::sync::Arc;

use windlass_core::Finding;
use windlass_layer::View;

use super::error::{BuildError, Problem};
use super::files::Files;
use super::layer::{BuildLayer, view_of};
use super::lineage::Continues;
use super::remote::Fetched;
use super::session::{Made, Session};
use super::stage::{Effect, StageState};
use crate::copy::{self, Part, Request, Selection, Stage};
use crate::store::{KeyBuilder, StepKey, StepRecord, TemporaryDirectory};

/// What a copy depends on, found out as far as it takes to look into the cache.
pub(crate) struct Prepared {
    pub(super) selection: Arc<Selection>,
    files: Files,
    /// The key by content, which the steps above build on.
    pub(crate) key: StepKey,
    /// The key by the stage that is copied from: cheaper, because nothing has to be read.
    pub(crate) shortcut: Option<StepKey>,
}

/// The key of a copy from another stage, as far as it is known without a look into the files.
pub(crate) fn shortcut(request: &Request, files: &Files, state: &StageState) -> Option<StepKey> {
    let from = files.stage_key()?;
    let builder = KeyBuilder::new("copy-stage").field("below", state.key.as_bytes()).field("from", from.as_bytes());
    Some(request.key(builder, &state.image.config.working_dir).finish())
}

/// Selects and digests the sources.
pub(crate) async fn prepare(
    session: &Arc<Session>,
    request: Request,
    files: Files,
    fetched: Vec<Arc<Fetched>>,
    state: &StageState,
    shortcut: Option<StepKey>,
) -> Result<Prepared, Arc<BuildError>> {
    let source = files.opened(session).await?;
    let builder = KeyBuilder::new("copy").field("below", state.key.as_bytes());
    let workdir = state.image.config.working_dir.clone();
    let worker = Arc::clone(session);
    session
        .blocking(move || {
            let memory = files.memory(&worker.store);
            let request = Arc::new(request);
            let parts: Vec<Part<'_>> =
                fetched.iter().map(|fetched| Part { context: &fetched.context, file: fetched.file.as_deref() }).collect();
            let selection = copy::select(request, source.source(), &parts, &memory).map_err(unplaced)?;
            // What was found out about files is worth keeping, but no build fails for it.
            let _ = worker.store.save_digests(&memory);
            let key = selection.key(builder, &workdir).finish();
            Ok(Prepared { selection: Arc::new(selection), files, key, shortcut })
        })
        .await
}

/// Makes the layer.
pub(crate) async fn apply(session: &Arc<Session>, state: &StageState, prepared: Prepared) -> Result<Effect, Arc<BuildError>> {
    let below = state.layers.clone();
    let view = if prepared.selection.stands_alone() { View::empty() } else { view_of(&below, session).await? };
    let workdir = state.image.config.working_dir.clone();
    let staging = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
    let created = session.now();
    let time = session.timestamp();
    let Prepared { selection, files, key, shortcut } = prepared;
    let (chosen, worker) = (Arc::clone(&selection), Arc::clone(session));
    let (copied, staging) = session
        .blocking(move || {
            let stage = Stage { view: Some(&view), workdir: &workdir, created: time };
            let copied = chosen.apply(&stage, staging.path()).map_err(unplaced)?;
            Ok((copied, staging))
        })
        .await?;
    let staging = Arc::new(staging);
    let kept = Arc::clone(&staging);
    let verify = move || {
        // Archives were unpacked into the staging directory: it stays until the blob is written.
        drop::<Arc<TemporaryDirectory>>(kept);
        files.verify(&selection).map_err(Problem::from_error)
    };
    let keys = std::iter::once(key).chain(shortcut).collect();
    let made = Made {
        entries: Arc::new(copied.listing),
        keys,
        continues: Continues::Itself,
        snapshot: None,
        created,
        verify: Box::new(verify),
    };
    finish(&worker, below, copied.warnings, key, made, Some(staging))
}

/// The key of a WORKDIR. Directories that it makes belong to the user.
pub(crate) fn workdir_key(state: &StageState, path: &str) -> StepKey {
    let builder = KeyBuilder::new("workdir").field("below", state.key.as_bytes()).field("user", &state.image.config.user);
    builder.field("path", path).finish()
}

/// The layer that a WORKDIR makes, if any.
pub(crate) async fn workdir(
    session: &Arc<Session>,
    state: &StageState,
    path: &str,
    key: StepKey,
) -> Result<Effect, Arc<BuildError>> {
    let below = state.layers.clone();
    let view = view_of(&below, session).await?;
    let (created, time) = (session.now(), session.timestamp());
    let copied = copy::workdir(&Stage { view: Some(&view), workdir: "/", created: time }, path, Some(&state.image.config.user))
        .map_err(unplaced)?;
    let made = Made {
        entries: Arc::new(copied.listing),
        keys: vec![key],
        continues: Continues::Itself,
        snapshot: None,
        created,
        verify: Box::new(|| Ok(())),
    };
    finish(session, below, copied.warnings, key, made, None)
}

fn finish(
    session: &Arc<Session>,
    below: Vec<Arc<BuildLayer>>,
    warnings: Vec<Finding>,
    key: StepKey,
    made: Made,
    staging: Option<Arc<TemporaryDirectory>>,
) -> Result<Effect, Arc<BuildError>> {
    warnings.into_iter().for_each(|warning| session.events.notice(warning));
    let created = made.created.clone();
    if made.entries.is_empty() {
        session.record(&made.keys, &StepRecord { layer: None, created: created.clone(), continues: None })?;
        return Ok(Effect { layer: None, key, created });
    }
    let id = session.snapshot_id(&key);
    let entries = Arc::clone(&made.entries);
    let layer = BuildLayer::listed(id, session.write_layer(made), entries, staging, below);
    Ok(Effect { layer: Some(layer), key, created })
}

fn unplaced(error: copy::CopyError) -> Arc<BuildError> {
    let help = match &error {
        copy::CopyError::NotFound { place, .. } if *place == copy::CONTEXT => {
            "paths are relative to the context, and files that its .dockerignore names are not in it"
        }
        _ => return Arc::new(BuildError::Unplaced(Problem::from_error(error))),
    };
    Arc::new(BuildError::Unplaced(Problem::from_error(error).help(help)))
}
