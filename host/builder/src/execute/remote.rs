//! The port to what lies elsewhere: the builder says what it needs, and whoever starts it brings it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::OnceCell;
use windlass_core::event::{Outcome, Stage};
use windlass_dockerfile::remote::RemoteSource;

use super::error::{BuildError, Problem};
use super::session::Session;
use crate::context::{self, Context};
use crate::store::TemporaryDirectory;

/// Brings web files and git repositories. What it brings is data from strangers: the builder trusts none of it.
#[async_trait]
pub trait Remotes: fmt::Debug + Send + Sync {
    /// What stands for the content as long as that is not fetched: the checksum that it must have, or a commit's hash.
    /// `None` when only the content itself can tell.
    ///
    /// # Errors
    /// When the source cannot be reached or has no such ref.
    async fn identify(&self, source: &RemoteSource) -> Result<Option<String>, Problem>;

    /// Fetches into `directory`, which is empty. A file gets the mode 600 and the time that its server told.
    ///
    /// # Errors
    /// When the source cannot be had, is too large, or is not what its checksum says.
    async fn fetch(
        &self,
        source: &RemoteSource,
        identity: Option<&str>,
        directory: &Path,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Brought, Problem>;
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// One file of that name in the directory.
    File(String),
    /// A tree: everything below that path, which is in the directory.
    Tree(std::path::PathBuf),
}

/// Something fetched, which stays as long as the build.
pub(crate) struct Fetched {
    pub(crate) context: Arc<Context>,
    /// The name of the one file that it is.
    pub(crate) file: Option<String>,
    _directory: TemporaryDirectory,
}

/// What was fetched, once it is there; those who ask meanwhile wait.
type Cell = Arc<OnceCell<Arc<Fetched>>>;
/// The same for what stands for a source's content.
type Identity = Arc<OnceCell<Option<String>>>;

/// What has been asked for and fetched in a build, for whatever platform: each source once, whoever asks for it.
#[derive(Default)]
pub(crate) struct Fetches {
    identities: Mutex<BTreeMap<RemoteSource, Identity>>,
    cells: Mutex<BTreeMap<(RemoteSource, bool), Cell>>,
}

impl Fetches {
    /// See [`Remotes::identify`]. All platforms get the same commit of a branch that moves.
    pub(crate) async fn identify(&self, session: &Session, source: &RemoteSource) -> Result<Option<String>, Problem> {
        let cell = {
            let mut cells = self.identities.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(cells.entry(source.clone()).or_default())
        };
        cell.get_or_try_init(|| session.remotes.identify(source)).await.cloned()
    }

    /// The source, fetched when it is first asked for; `unpacked` when an archive is to become what is in it.
    pub(crate) async fn get(
        &self,
        session: &Arc<Session>,
        source: &RemoteSource,
        identity: Option<&str>,
        unpacked: bool,
    ) -> Result<Arc<Fetched>, Arc<BuildError>> {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(cells.entry((source.clone(), unpacked)).or_default())
        };
        let fetched = cell.get_or_try_init(|| fetch(session, source, identity, unpacked)).await?;
        Ok(Arc::clone(fetched))
    }
}

async fn fetch(
    session: &Arc<Session>,
    source: &RemoteSource,
    identity: Option<&str>,
    unpacked: bool,
) -> Result<Arc<Fetched>, Arc<BuildError>> {
    let directory = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
    let content = directory.path().join("content");
    std::fs::create_dir(&content).map_err(|error| unplaced(Problem::from_error(error)))?;
    let task = session.events.start(Stage::Pull, format!("fetch {}", source.shown()));
    let progress = |current: u64, total: Option<u64>| task.progress(current, total);
    let brought = match session.remotes.fetch(source, identity, &content, &progress).await {
        Ok(brought) => brought,
        Err(problem) => {
            task.finish(Outcome::Failed(problem.to_string()));
            return Err(unplaced(problem));
        }
    };
    task.finish(Outcome::Done);
    session
        .blocking(move || {
            let wrong = |error: context::ContextError| unplaced(Problem::from_error(error));
            let (root, file) = match brought {
                Brought::Tree(root) => (root, None),
                Brought::File(name) if unpacked && context::is_archive(&content.join(&name)).unwrap_or(false) => {
                    let tree = directory.path().join("tree");
                    std::fs::create_dir(&tree).map_err(|error| unplaced(Problem::from_error(error)))?;
                    context::unpack_archive(&content.join(&name), &tree).map_err(wrong)?;
                    (tree, None)
                }
                Brought::File(name) => (content, Some(name)),
            };
            let context = Arc::new(Context::open_whole(&root).map_err(wrong)?);
            Ok(Arc::new(Fetched { context, file, _directory: directory }))
        })
        .await
}

fn unplaced(problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem))
}
