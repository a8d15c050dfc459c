//! COPY, ADD and WORKDIR.

use std::path::Path;
use std::sync::Arc;

use windlass_layer::{Changes, DiffError, Listing, Snapshot, View};

use super::error::{BuildError, Problem};
use super::files::Files;
use super::layer::{BuildLayer, LayersBelow, view_of};
use super::lineage::Continues;
use super::remote::Fetched;
use super::session::{EntrySource, Made, Session};
use super::stage::{Effect, StageState};
use crate::copy::{self, CopiedLayer, Part, Request, Room, Selection, Stage};
use crate::store::{KeyBuilder, SnapshotId, StepKey, StepRecord};

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
            let room = Room::new(worker.store.scratch());
            let selection = copy::select(request, source.source(), &parts, &memory, &room).map_err(unplaced)?;
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
    let layers = layers_below(session, state, &prepared.selection).await?;
    let workdir = state.image.config.working_dir.clone();
    let staging = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
    let created = session.now();
    let (time, format) = (session.timestamp(), session.format);
    let Prepared { selection, files, key, shortcut } = prepared;
    let (chosen, snapshot) = (Arc::clone(&selection), staging.path().join("snapshot"));
    let apply = move |view: &View| {
        let stage = Stage { view: Some(view), workdir: &workdir, created: time };
        chosen.apply(&stage, &snapshot, format)
    };
    let (copied, view) = layers.used(session, apply).await?;
    copied.warnings.into_iter().for_each(|warning| session.events.notice(warning));
    let keys = std::iter::once(key).chain(shortcut).collect();
    let verify = Box::new({
        let (files, selection) = (files.clone(), Arc::clone(&selection));
        move || files.verify(&selection).map_err(Problem::from_error)
    });
    match copied.layer {
        CopiedLayer::Listed(entries) => {
            let entries = Arc::new(entries);
            let made = made(EntrySource::Listed(Arc::clone(&entries)), keys, created, verify);
            finish(session, below, key, (made, entries))
        }
        CopiedLayer::Streamed(entries) => {
            let entries = entries.map(|entry| entry.map_err(|error| DiffError::Made(Box::new(error))));
            let made = made(EntrySource::Read(Box::new(entries)), keys, created.clone(), verify);
            let layer = BuildLayer::streamed(session.snapshot_id(&key), session.write_layer(made), below);
            Ok(Effect { layer: Some(layer), key, created })
        }
        CopiedLayer::Unpacked(snapshot) => {
            let root = if selection.stands_alone() { view_of(&below, session).await?.lookup(Path::new("")) } else { Ok(None) };
            let root = root.map_err(failed)?;
            let (worker, id) = (Arc::clone(session), session.snapshot_id(&key));
            let left = session.blocking(move || {
                // Once it is in the store, the directory counts: nothing of it may be something else than its key says.
                files.verify(&selection).map_err(failed)?;
                windlass_layer::materialise(root.as_slice(), &snapshot, None).map_err(failed)?;
                left(&worker, &id, &snapshot, &view)
            });
            let left = left.await?;
            drop(staging);
            let Some((snapshot, changes)) = left else { return unchanged(session, &keys, key, created) };
            let made = made(EntrySource::Read(Box::new(changes)), keys, created.clone(), Box::new(|| Ok(())));
            let id = session.snapshot_id(&key);
            let layer = BuildLayer::left(id, session.write_layer(made), snapshot, below).map_err(Arc::new)?;
            Ok(Effect { layer: Some(layer), key, created })
        }
    }
}

/// Moves a snapshot into the store, and tells what of it is in the layer; nothing when nothing is.
fn left(
    session: &Session,
    id: &SnapshotId,
    snapshot: &Snapshot,
    below: &View,
) -> Result<Option<(Snapshot, Changes)>, Arc<BuildError>> {
    let changes = |snapshot| windlass_layer::diff(snapshot, below, &[]).map_err(failed);
    if changes(snapshot)?.is_empty().map_err(failed)? {
        return Ok(None);
    }
    let snapshot = kept(session, id, snapshot)?;
    let changes = changes(&snapshot)?;
    Ok(Some((snapshot, changes)))
}

/// What a copy looks at of the layers below it.
async fn layers_below(
    session: &Arc<Session>,
    state: &StageState,
    selection: &Arc<Selection>,
) -> Result<LayersBelow, Arc<BuildError>> {
    if selection.stands_alone() {
        return Ok(LayersBelow::empty());
    }
    let selection = Arc::clone(selection);
    let is_unpacked = session.blocking(move || selection.is_unpacked().map_err(unplaced)).await?;
    if is_unpacked { LayersBelow::whole(state.layers.clone(), session).await } else { LayersBelow::of(state, session).await }
}

/// Moves a snapshot into the store, unless it has it already.
fn kept(session: &Session, id: &SnapshotId, snapshot: &Snapshot) -> Result<Snapshot, Arc<BuildError>> {
    if let Some(known) = session.snapshot(id) {
        return Ok(known);
    }
    let kept = session.store.create_snapshot(id, |root| std::fs::rename(snapshot.root(), root));
    Ok(Snapshot::open(kept.map_err(failed)?, session.format))
}

fn made(
    entries: EntrySource,
    keys: Vec<StepKey>,
    created: String,
    verify: Box<dyn FnOnce() -> Result<(), Problem> + Send>,
) -> Made {
    Made { entries, keys, continues: Continues::Itself, snapshot: None, created, verify }
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
    let layers = LayersBelow::of(state, session).await?;
    let (created, time) = (session.now(), session.timestamp());
    let (path, user) = (path.to_owned(), state.image.config.user.clone());
    let make = move |view: &View| copy::workdir(&Stage { view: Some(view), workdir: "/", created: time }, &path, Some(&user));
    let ((entries, warnings), _) = layers.used(session, make).await?;
    warnings.into_iter().for_each(|warning| session.events.notice(warning));
    let entries = Arc::new(entries);
    let made = made(EntrySource::Listed(Arc::clone(&entries)), vec![key], created, Box::new(|| Ok(())));
    finish(session, below, key, (made, entries))
}

fn finish(
    session: &Arc<Session>,
    below: Vec<Arc<BuildLayer>>,
    key: StepKey,
    (made, entries): (Made, Arc<Listing>),
) -> Result<Effect, Arc<BuildError>> {
    let created = made.created.clone();
    if entries.is_empty() {
        return unchanged(session, &made.keys, key, created);
    }
    let id = session.snapshot_id(&key);
    let layer = BuildLayer::listed(id, session.write_layer(made), entries, below);
    Ok(Effect { layer: Some(layer), key, created })
}

/// The effect of a step that leaves everything as it was.
fn unchanged(session: &Session, keys: &[StepKey], key: StepKey, created: String) -> Result<Effect, Arc<BuildError>> {
    session.record(keys, &StepRecord { layer: None, created: created.clone(), continues: None })?;
    Ok(Effect { layer: None, key, created })
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Arc<BuildError> {
    Arc::new(BuildError::Layer(Problem::from_error(error)))
}

pub(super) fn unplaced(error: copy::CopyError) -> Arc<BuildError> {
    let help = match &error {
        copy::CopyError::NotFound { place, .. } if *place == copy::CONTEXT => {
            "paths are relative to the context, and files that its .dockerignore names are not in it"
        }
        copy::CopyError::NothingMatches { .. } => {
            "a pattern may match nothing directly in the context, or in a directory that something else is copied from; `[`, `*` \
             and `?` that stand in a name need a `\\` before them"
        }
        _ => return Arc::new(BuildError::Unplaced(Problem::from_error(error))),
    };
    Arc::new(BuildError::Unplaced(Problem::from_error(error).help(help)))
}
