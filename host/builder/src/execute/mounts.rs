//! RUN --mount: what each mount shows, and what it means for the key of the step.

mod bind;
mod cache;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::Secret;
use windlass_dockerfile::graph::{Stage, Step};
use windlass_dockerfile::instruction::mount::{Mount as Declared, MountKind, Sharing as DeclaredSharing};
use windlass_dockerfile::instruction::run::SCRIPT_DIRECTORY;
use windlass_dockerfile::instruction::{InlineFile, RunInstruction};
use windlass_sandbox::{Mount, MountKind as SandboxMount, SecretContent, Tree};

use super::agent::Forwarded;
use super::error::{BuildError, Problem};
use super::executor::Executor;
use super::files::Files;
use super::session::Session;
use super::stage::StageState;
use crate::store::{CacheMount, KeyBuilder, TemporaryDirectory};
use bind::{bind, bind_key};
use cache::{cache_id, fill, opened_cache, opened_caches};

/// The mounts of one RUN. Only a step that has to run gets them ready: caches are then locked and temporary directories
/// kept for as long as this lives.
#[derive(Default)]
pub(crate) struct Mounts {
    wanted: Vec<Wanted>,
    mounts: Vec<Ready>,
    variables: Vec<(String, Secret)>,
    /// What each is to a reader, and what stands for it.
    keys: Vec<(String, String)>,
}

/// A mount that nothing has been done for yet.
struct Wanted {
    mount: Declared,
    target: Option<PathBuf>,
    files: Option<Files>,
}

struct Ready {
    target: PathBuf,
    kind: ReadyKind,
}

enum ReadyKind {
    Bind { tree: Tree, source: PathBuf, _work: Option<TemporaryDirectory> },
    Cache { cache: Arc<CacheMount>, is_read_only: bool },
    Tmpfs { size: Option<u64> },
    Secret { content: Secret, attributes: (u32, u32, u32) },
    Agent(Forwarded),
    Script(TemporaryDirectory),
}

/// Finds out what every mount of an expanded RUN shows.
pub(crate) async fn resolve(
    executor: &Executor,
    run: &RunInstruction,
    step: &Step,
    stage: &Stage,
    state: &StageState,
) -> Result<Mounts, Arc<BuildError>> {
    let declared = run.typed_mounts().map_err(|error| unplaced(Problem::from_error(error)))?;
    let mut mounts = Mounts::default();
    for (index, mount) in declared.into_iter().enumerate() {
        let target = mount.target_below(&state.image.config.working_dir).map_err(|error| unplaced(Problem::from_error(error)))?;
        let origin = step.sources.get(index).cloned().flatten();
        let files = match (&mount.kind, origin) {
            (MountKind::Bind { .. } | MountKind::Cache { .. }, Some(origin)) => Some(executor.files(&origin, stage).await?),
            (MountKind::Bind { .. }, None) => Some(Files::Context(executor.context().await?)),
            _ => None,
        };
        mounts.add(executor.session(), mount, target.map(PathBuf::from), files).await?;
    }
    Ok(mounts)
}

impl Mounts {
    /// Notes a mount, and what stands for it in the key of the step.
    async fn add(
        &mut self,
        session: &Arc<Session>,
        mount: Declared,
        target: Option<PathBuf>,
        files: Option<Files>,
    ) -> Result<(), Arc<BuildError>> {
        let place = target.clone().unwrap_or_default();
        let mut key = KeyBuilder::new("mount").field("target", place.as_os_str().as_encoded_bytes());
        key = match &mount.kind {
            MountKind::Bind { source, is_read_only, .. } => {
                let (nothing, source) = (Files::nothing(), source.as_deref().unwrap_or_default());
                let key = bind_key(session, key, files.as_ref().unwrap_or(&nothing), source).await?;
                key.field("source", source).number("read-only", u64::from(*is_read_only))
            }
            MountKind::Cache { id, .. } => key.field("cache", cache_id(id.as_deref(), &mount)),
            MountKind::Tmpfs { .. } => key.field("tmpfs", ""),
            MountKind::Secret { id, variable, .. } => {
                key.field("secret", id).field("variable", variable.as_deref().unwrap_or_default())
            }
            MountKind::Ssh { id, .. } => key.field("ssh", id),
        };
        self.keys.push((format!("what is mounted at {}", place.display()), key.finish().to_string()));
        self.wanted.push(Wanted { mount, target, files });
        Ok(())
    }

    /// Gets the mounts ready for a step that has to run.
    pub(crate) async fn make_ready(&mut self, session: &Arc<Session>) -> Result<(), Arc<BuildError>> {
        let script = std::mem::take(&mut self.mounts);
        let (caches, mut filled) = (opened_caches(session, self.wanted_caches()).await?, BTreeSet::new());
        for Wanted { mount, target, files } in std::mem::take(&mut self.wanted) {
            let kind = match &mount.kind {
                MountKind::Bind { source, is_read_only, .. } => {
                    let files = files.unwrap_or_else(Files::nothing);
                    Some(bind(session, files, source.as_deref().unwrap_or_default(), *is_read_only).await?)
                }
                MountKind::Cache { id, source, sharing, is_read_only, attributes, .. } => {
                    let id = cache_id(id.as_deref(), &mount);
                    let is_private = *sharing == DeclaredSharing::Private;
                    let cache = match caches.get(&id).filter(|_| !is_private) {
                        Some(cache) => Arc::clone(cache),
                        None => opened_cache(session, &id, *sharing).await?,
                    };
                    if cache.is_new() && (is_private || filled.insert(id)) {
                        fill(session, &cache, *attributes, files, source.as_deref()).await?;
                    }
                    Some(ReadyKind::Cache { cache, is_read_only: *is_read_only })
                }
                MountKind::Tmpfs { size, .. } => Some(ReadyKind::Tmpfs { size: *size }),
                MountKind::Secret { id, variable, is_required, attributes } => {
                    self.secret(session, id, variable.as_deref(), *is_required, *attributes)?
                }
                MountKind::Ssh { id, is_required, attributes } => {
                    self.agent(session, id, target.clone(), *is_required, *attributes)?;
                    None
                }
            };
            if let (Some(kind), Some(target)) = (kind, target) {
                self.mounts.push(Ready { target, kind });
            }
        }
        self.mounts.extend(script);
        Ok(())
    }

    /// The caches that are shared with other steps, each once; locked when one of its mounts says so.
    fn wanted_caches(&self) -> BTreeMap<String, DeclaredSharing> {
        let mut wanted = BTreeMap::new();
        for Wanted { mount, .. } in &self.wanted {
            let MountKind::Cache { id, sharing, .. } = &mount.kind else { continue };
            if *sharing != DeclaredSharing::Private {
                let known = wanted.entry(cache_id(id.as_deref(), mount)).or_insert(*sharing);
                *known = if *sharing == DeclaredSharing::Locked { *sharing } else { *known };
            }
        }
        wanted
    }

    /// The file that a heredoc with a `#!` line is run from.
    pub(crate) fn add_script(&mut self, script: &InlineFile, session: &Session) -> Result<(), Problem> {
        let target = Path::new(SCRIPT_DIRECTORY).join(&script.name);
        let key = KeyBuilder::new("script").field("name", &script.name).field("content", &script.content);
        self.keys.push(("the script".to_owned(), key.finish().to_string()));
        let directory = session.store.temporary_directory().map_err(Problem::from_error)?;
        let path = directory.path().join(SCRIPT);
        std::fs::write(&path, &script.content).map_err(Problem::from_error)?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).map_err(Problem::from_error)?;
        self.mounts.push(Ready { target, kind: ReadyKind::Script(directory) });
        Ok(())
    }

    /// What stands for the mounts in the key of the step. Contents of secrets and caches do not count.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(_, key)| key.as_str())
    }

    /// The same, each with what it is to a reader.
    pub(crate) fn named_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys.iter().map(|(name, key)| (name.as_str(), key.as_str()))
    }

    /// Variables that hold secrets.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.variables.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned()))
    }

    /// The mounts as the sandbox wants them.
    pub(crate) fn for_sandbox(&self) -> Vec<Mount> {
        let kind = |ready: &Ready| match &ready.kind {
            ReadyKind::Bind { tree, source, .. } => SandboxMount::Bind { tree: tree.clone(), source: source.clone() },
            ReadyKind::Cache { cache, is_read_only } => {
                SandboxMount::Cache { directory: cache.path().to_owned(), read_only: *is_read_only }
            }
            ReadyKind::Tmpfs { size } => SandboxMount::Tmpfs { size: *size },
            ReadyKind::Secret { content, attributes: (mode, uid, gid) } => {
                let content = SecretContent::from(content.expose().as_bytes().to_vec());
                SandboxMount::Secret { content, mode: *mode, uid: *uid, gid: *gid }
            }
            ReadyKind::Agent(agent) => SandboxMount::Socket { path: agent.path().clone() },
            ReadyKind::Script(directory) => {
                SandboxMount::Bind { tree: Tree::Directory(directory.path().to_owned()), source: Path::new("/").join(SCRIPT) }
            }
        };
        self.mounts.iter().map(|ready| Mount { target: ready.target.clone(), kind: kind(ready) }).collect()
    }
}

/// The name of a script in the directory that is made for it.
const SCRIPT: &str = "script";

fn unplaced(problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem))
}
