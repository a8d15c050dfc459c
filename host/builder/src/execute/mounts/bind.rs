//! Mounts that show files: of layers, or copied of a context.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Snapshot, SnapshotFormat, Timestamp};
use windlass_sandbox::{Tree, Upper};

use super::{ReadyKind, unplaced};
use crate::copy::{self, CopiedLayer, CopyError, Request, Room, Stage as CopyStage};
use crate::execute::error::{BuildError, Problem};
use crate::execute::files::{Files, Opened};
use crate::execute::layer::{directories, view_of};
use crate::execute::session::Session;
use crate::store::{DigestMemory, KeyBuilder};

/// The name under which [`copied`] leaves what it has copied.
pub(super) const COPY: &str = "copy";

/// A bind mount of layers is their overlay; one of a context is a copy of what `.dockerignore` leaves, so that nothing
/// else of the machine can be seen and nothing can be written back.
pub(super) async fn bind(
    session: &Arc<Session>,
    files: Files,
    source: &str,
    is_read_only: bool,
) -> Result<ReadyKind, Arc<BuildError>> {
    let work = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
    let is_copy = session.request.isolation().is_plain();
    let (mut lower, source) = match &files {
        Files::Layers { layers, .. } if is_copy => {
            let (view, root, format) = (view_of(layers, session).await?, work.path().join("copy"), session.format);
            let flattened = session.blocking(move || {
                windlass_layer::flatten(&view, &root, format).map_err(|error| unplaced(Problem::from_error(error)))
            });
            (vec![flattened.await?.files()], Path::new("/").join(source))
        }
        Files::Layers { layers, .. } => (directories(layers, session).await?, Path::new("/").join(source)),
        Files::Context(_) => {
            let opened = files.opened(session).await?;
            let (root, from, format) = (work.path().join("copy"), source.to_owned(), session.format);
            let (memory, room) = (files.memory(&session.store), Room::new(session.store.scratch()));
            let copied = move || copied(&opened, &from, &root, format, &memory, &room).map_err(unplaced);
            let directory = session.blocking(copied).await?;
            (vec![directory], Path::new("/").join(COPY))
        }
    };
    if lower.is_empty() {
        lower.push(made(work.path().join("empty"))?);
    }
    if let [tree] = &lower[..]
        && is_copy
    {
        return Ok(ReadyKind::Bind { tree: Tree::Directory(tree.clone()), source, _work: Some(work) });
    }
    let upper = if is_read_only {
        None
    } else {
        Some(Upper { directory: made(work.path().join("upper"))?, work: made(work.path().join("work"))? })
    };
    Ok(ReadyKind::Bind { tree: Tree::Layers { lower, upper }, source, _work: Some(work) })
}

pub(super) async fn bind_key(
    session: &Arc<Session>,
    key: KeyBuilder,
    files: &Files,
    source: &str,
) -> Result<KeyBuilder, Arc<BuildError>> {
    if let Some(stage) = files.stage_key() {
        return Ok(key.field("layers", stage.as_bytes()));
    }
    let opened = files.opened(session).await?;
    let memory = files.memory(&session.store);
    let (request, worker) = (Arc::new(whole(source)), Arc::clone(session));
    let digest = session
        .blocking(move || {
            let room = Room::new(worker.store.scratch());
            let selection = copy::select(request, opened.source(), &[], &memory, &room)
                .map_err(|error| unplaced(Problem::from_error(error)))?;
            // What was found out about files is worth keeping, but no build fails for it.
            let _ = worker.store.save_digests(&memory);
            Ok(selection.digest())
        })
        .await?;
    Ok(key.field("context", digest))
}

/// Copies `source`, a directory or a file, as COPY would, to [`COPY`] in the directory that is returned.
pub(super) fn copied(
    opened: &Opened,
    source: &str,
    root: &Path,
    format: SnapshotFormat,
    memory: &DigestMemory,
    room: &Room,
) -> Result<PathBuf, Problem> {
    let request = Arc::new(whole(source));
    let selection = copy::select(request, opened.source(), &[], memory, room).map_err(Problem::from_error)?;
    let stage = CopyStage { view: None, workdir: "/", created: Timestamp::default() };
    let copied = selection.apply(&stage, root, format).map_err(Problem::from_error)?;
    let snapshot = match copied.layer {
        CopiedLayer::Unpacked(snapshot) => snapshot,
        CopiedLayer::Listed(entries) => {
            let snapshot = Snapshot::create(root, format).map_err(Problem::from_error)?;
            windlass_layer::materialise(&entries, &snapshot, None).map_err(Problem::from_error)?;
            snapshot
        }
        CopiedLayer::Streamed(entries) => {
            let snapshot = Snapshot::create(root, format).map_err(Problem::from_error)?;
            windlass_layer::materialise_each::<CopyError>(entries, &snapshot).map_err(Problem::from_error)?;
            snapshot
        }
    };
    Ok(snapshot.files())
}

fn whole(source: &str) -> Request {
    Request::plain(if source.is_empty() { "." } else { source }, &format!("/{COPY}"))
}

fn made(path: PathBuf) -> Result<PathBuf, Arc<BuildError>> {
    std::fs::create_dir(&path).map_err(|error| unplaced(Problem::from_error(error)))?;
    Ok(path)
}
