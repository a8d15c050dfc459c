//! Mounts of directories that stay from build to build.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_dockerfile::go::clean_path;
use windlass_dockerfile::instruction::mount::{Attributes, Mount as Declared, Sharing as DeclaredSharing};

use super::bind::{COPY, copied};
use super::unplaced;
use crate::copy::Room;
use crate::execute::error::{BuildError, Problem};
use crate::execute::files::Files;
use crate::execute::session::Session;
use crate::store::{CacheMount, Sharing};

/// Opens caches in the order of their names: two steps that lock the same ones never wait for each other.
pub(super) async fn opened_caches(
    session: &Arc<Session>,
    wanted: BTreeMap<String, DeclaredSharing>,
) -> Result<BTreeMap<String, Arc<CacheMount>>, Arc<BuildError>> {
    let mut caches = BTreeMap::new();
    for (id, sharing) in wanted {
        let cache = opened_cache(session, &id, sharing).await?;
        caches.insert(id, cache);
    }
    Ok(caches)
}

pub(super) async fn opened_cache(
    session: &Arc<Session>,
    id: &str,
    sharing: DeclaredSharing,
) -> Result<Arc<CacheMount>, Arc<BuildError>> {
    let sharing = match sharing {
        DeclaredSharing::Shared => Sharing::Shared,
        DeclaredSharing::Private => Sharing::Private,
        DeclaredSharing::Locked => Sharing::Locked,
    };
    let (id, worker) = (id.to_owned(), Arc::clone(session));
    let open = move || worker.store.cache_mount(&id, sharing).map_err(|error| Arc::new(BuildError::Store(error)));
    session.blocking(open).await.map(Arc::new)
}

/// Gives a new cache its first content, owner and mode.
pub(super) async fn fill(
    session: &Arc<Session>,
    cache: &CacheMount,
    attributes: Attributes,
    files: Option<Files>,
    source: Option<&str>,
) -> Result<(), Arc<BuildError>> {
    let opened = match &files {
        Some(files) => Some((files.opened(session).await?, files.memory(&session.store))),
        None => None,
    };
    let room = Room::new(session.store.scratch());
    let work = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
    let (path, source, format) = (cache.path().to_owned(), source.unwrap_or_default().to_owned(), session.format);
    session
        .blocking(move || {
            let io = |error: std::io::Error| unplaced(Problem::from_error(error));
            if let Some((opened, memory)) = opened {
                let directory = copied(&opened, &source, &work.path().join("copy"), format, &memory, &room);
                let directory = directory.map_err(unplaced)?;
                for entry in std::fs::read_dir(directory.join(COPY)).map_err(io)? {
                    let entry = entry.map_err(io)?;
                    std::fs::rename(entry.path(), path.join(entry.file_name())).map_err(io)?;
                }
            }
            let mode = std::os::unix::fs::PermissionsExt::from_mode(attributes.mode.unwrap_or(0o755));
            std::fs::set_permissions(&path, mode).map_err(io)?;
            match (attributes.uid.unwrap_or(0), attributes.gid.unwrap_or(0)) {
                (0, 0) => Ok(()),
                (uid, gid) => std::os::unix::fs::chown(&path, Some(uid), Some(gid)).map_err(io),
            }
        })
        .await
}

/// A cache that is not named is called as its target is written.
pub(super) fn cache_id(id: Option<&str>, mount: &Declared) -> String {
    id.map_or_else(|| clean_path(mount.target.as_deref().unwrap_or_default()), str::to_owned)
}
