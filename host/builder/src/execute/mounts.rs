//! RUN --mount: what each mount shows, and what it means for the key of the step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::Secret;
use windlass_dockerfile::go::clean_path;
use windlass_dockerfile::graph::{Stage, Step};
use windlass_dockerfile::instruction::mount::{Attributes, Mount as Declared, MountKind, Sharing as DeclaredSharing};
use windlass_dockerfile::instruction::run::SCRIPT_DIRECTORY;
use windlass_dockerfile::instruction::{InlineFile, RunInstruction};
use windlass_layer::{Snapshot, SnapshotFormat, Timestamp};
use windlass_sandbox::{Mount, MountKind as SandboxMount, SecretContent, Tree, Upper};

use super::agent::{Forwarded, Owner};
use super::error::{BuildError, Problem};
use super::executor::Executor;
use super::files::{Files, Opened};
use super::layer::{directories, view_of};
use super::session::Session;
use super::stage::StageState;
use crate::copy::{self, CopiedLayer, CopyError, Request, Room, Stage as CopyStage};
use crate::store::{CacheMount, DigestMemory, KeyBuilder, Sharing, TemporaryDirectory};

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

    /// The first agent is the one that programs ask by themselves.
    fn agent(
        &mut self,
        session: &Session,
        id: &str,
        target: Option<PathBuf>,
        is_required: bool,
        attributes: Attributes,
    ) -> Result<(), Arc<BuildError>> {
        let Some(agent) = session.request.agents.get(id) else {
            return if is_required { Err(missing("ssh agent", id, "--ssh")) } else { Ok(()) };
        };
        let owner =
            Owner { uid: attributes.uid.unwrap_or(0), gid: attributes.gid.unwrap_or(0), mode: attributes.mode.unwrap_or(0o600) };
        let directory = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
        let forwarded = Forwarded::new(agent, directory, owner, session.request.isolation());
        let forwarded =
            forwarded.map_err(|error| unplaced(Problem::new(format!("cannot offer the ssh agent `{id}`: {error}"))))?;
        let number = self.mounts.iter().filter(|ready| matches!(ready.kind, ReadyKind::Agent(_))).count();
        let target = target.unwrap_or_else(|| PathBuf::from(format!("/run/buildkit/ssh_agent.{number}")));
        if number == 0 {
            self.variables.push(("SSH_AUTH_SOCK".to_owned(), Secret::new(target.to_string_lossy())));
        }
        self.mounts.push(Ready { target, kind: ReadyKind::Agent(forwarded) });
        Ok(())
    }

    fn secret(
        &mut self,
        session: &Session,
        id: &str,
        variable: Option<&str>,
        is_required: bool,
        attributes: Attributes,
    ) -> Result<Option<ReadyKind>, Arc<BuildError>> {
        let Some(content) = session.request.secrets.get(id) else {
            return if is_required { Err(missing("secret", id, "--secret id=…")) } else { Ok(None) };
        };
        if let Some(name) = variable {
            self.variables.push((name.to_owned(), content.clone()));
        }
        let attributes = (attributes.mode.unwrap_or(0o400), attributes.uid.unwrap_or(0), attributes.gid.unwrap_or(0));
        Ok(Some(ReadyKind::Secret { content: content.clone(), attributes }))
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

/// A bind mount of layers is their overlay; one of a context is a copy of what `.dockerignore` leaves, so that nothing
/// else of the machine can be seen and nothing can be written back.
async fn bind(session: &Arc<Session>, files: Files, source: &str, is_read_only: bool) -> Result<ReadyKind, Arc<BuildError>> {
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

fn made(path: PathBuf) -> Result<PathBuf, Arc<BuildError>> {
    std::fs::create_dir(&path).map_err(|error| unplaced(Problem::from_error(error)))?;
    Ok(path)
}

/// The name of a script in the directory that is made for it.
const SCRIPT: &str = "script";

/// The name under which [`copied`] leaves what it has copied.
const COPY: &str = "copy";

/// Copies `source`, a directory or a file, as COPY would, to [`COPY`] in the directory that is returned.
fn copied(
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

async fn bind_key(session: &Arc<Session>, key: KeyBuilder, files: &Files, source: &str) -> Result<KeyBuilder, Arc<BuildError>> {
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

/// Opens caches in the order of their names: two steps that lock the same ones never wait for each other.
async fn opened_caches(
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

async fn opened_cache(session: &Arc<Session>, id: &str, sharing: DeclaredSharing) -> Result<Arc<CacheMount>, Arc<BuildError>> {
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
async fn fill(
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
fn cache_id(id: Option<&str>, mount: &Declared) -> String {
    id.map_or_else(|| clean_path(mount.target.as_deref().unwrap_or_default()), str::to_owned)
}

fn missing(what: &str, id: &str, option: &str) -> Arc<BuildError> {
    unplaced(Problem::new(format!("the {what} `{id}` is required and was not given")).help(format!("give it with {option}")))
}

fn unplaced(problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem))
}
