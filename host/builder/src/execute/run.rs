//! RUN.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::event::{Stage as EventStage, Stream, Task};
use windlass_core::{Finding, Redactor};
use windlass_dockerfile::instruction::RunInstruction;
use windlass_dockerfile::instruction::run::{Network as RunNetwork, Security as RunSecurity};
use windlass_layer::{Entry, Snapshot, Timestamp, View};
use windlass_sandbox::{Cancel, Dns, ExitStatus, Host, Isolation, Network, RunSpec, Security, Tree, Upper, User};

use super::error::{BuildError, FULL, Problem};
use super::layer::{BuildLayer, directories, view_of};
use super::lineage::{self, Continues};
use super::mounts::Mounts;
use super::one_id::OneId;
use super::plain;
use super::session::{EntrySource, Made, Session};
use super::stage::{Effect, StageState};
use crate::copy;
use crate::store::{KeyBuilder, SnapshotId, StepKey, StepRecord};

/// How many of the last lines an error repeats.
const LAST_LINES: usize = 25;

/// Everything that decides what a RUN does, but for the files below it.
pub(crate) struct Command {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) user: String,
    pub(crate) network: Network,
    pub(crate) security: Security,
    pub(crate) mounts: Mounts,
}

/// Reads an expanded RUN in the state of its stage.
pub(crate) fn command(run: &RunInstruction, session: &Session, state: &StageState, mounts: Mounts) -> Result<Command, Problem> {
    for device in &run.devices {
        let message = format!("RUN goes on without the device `{}`: there are none in the sandbox", device.name);
        session.events.notice(Finding::warn("build/device", message));
    }
    let config = &state.image.config;
    let execution = run.execution(config.shell.as_deref().unwrap_or_default());
    if execution.arguments.is_empty() {
        return Err(Problem::new("RUN without a command: an empty list has no program"));
    }
    let mut mounts = mounts;
    if let Some(script) = execution.script {
        mounts.add_script(&script, session)?;
    }
    Ok(Command {
        arguments: execution.arguments,
        environment: state.scope.run_environment(),
        directory: PathBuf::from(windlass_dockerfile::go::clean_path(&format!("/{}", config.working_dir))),
        user: config.user.clone(),
        network: network(run.network, session.request.has_network),
        security: if run.security == RunSecurity::Insecure { Security::Insecure } else { Security::Sandbox },
        mounts,
    })
}

fn network(wanted: RunNetwork, is_usual: bool) -> Network {
    match wanted {
        RunNetwork::Host => Network::Host,
        RunNetwork::Default if is_usual => Network::Host,
        RunNetwork::Default | RunNetwork::None => Network::None,
    }
}

impl Command {
    /// The key of the step: whatever may change its outcome. Proxies, secrets' contents and caches' contents do not count.
    pub(crate) fn key(&self, session: &Session, state: &StageState) -> StepKey {
        let proxies: Vec<String> = state.scope.proxies().into_iter().map(|(name, _)| name).collect();
        let environment =
            self.environment.iter().filter(|(name, _)| !proxies.contains(name)).map(|(name, value)| format!("{name}={value}"));
        let hosts = session.request.hosts.iter().map(|(name, address)| format!("{name}={address}"));
        KeyBuilder::new("run")
            .field("below", state.key.as_bytes())
            .list("arguments", &self.arguments)
            .list("environment", environment)
            .field("directory", self.directory.as_os_str().as_encoded_bytes())
            .field("user", &self.user)
            .list("mounts", self.mounts.keys())
            .list("hosts", hosts)
            .list("ulimits", session.request.ulimits.iter().map(ToString::to_string))
            .number("shared-memory", session.request.shm_size.unwrap_or(0))
            .number("network", u64::from(self.network == Network::None))
            .number("security", u64::from(self.security == Security::Insecure))
            .number("one-id", u64::from(has_one_id(session)))
            .number("epoch", session.request.source_date_epoch.map_or(0, i64::cast_unsigned))
            .finish()
    }
}

/// Whether steps run with one id only. Some files get other owners then, which is no result for a machine with more.
pub(super) fn has_one_id(session: &Session) -> bool {
    session.request.isolation() == Isolation::SingleId
}

/// Runs the command, and gives the layer that it leaves.
pub(crate) async fn execute(
    session: &Arc<Session>,
    state: &StageState,
    command: Command,
    key: StepKey,
    task: Task,
) -> Result<(Effect, Task), (Arc<BuildError>, Task)> {
    let below = state.layers.clone();
    let prepared = async {
        // A copy is made of what can be looked into; only an overlay takes directories.
        let is_copy = session.request.isolation().is_plain();
        let lower = if is_copy { Vec::new() } else { directories(&below, session).await? };
        Ok::<_, Arc<BuildError>>((lower, view_of(&below, session).await?))
    };
    let (lower, view) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => return Err((error, task)),
    };
    let fresh = state.is_fresh.then(|| session.fresh_snapshot_id(&key));
    let id = fresh.clone().unwrap_or_else(|| session.snapshot_id(&key));
    let worker = Arc::clone(session);
    let (id2, view2) = (id.clone(), view.clone());
    let (ran, task) = {
        let joined = session.work.start(move || {
            let ran = run_in_snapshot(&worker, &command, lower, &view2, &id2, &key, &task);
            (ran, task)
        });
        match joined.await {
            Ok(pair) => pair,
            Err(error) => {
                return Err((Arc::new(BuildError::Internal(error.to_string())), session.events.start(EventStage::Build, "RUN")));
            }
        }
    };
    let outcome = match ran {
        Ok(snapshot) => effect(session, below, view, Left { snapshot, id, fresh }, key).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(effect) => Ok((effect, task)),
        Err(error) => Err((error, task)),
    }
}

/// Where a finished command has left its files.
struct Left {
    snapshot: Snapshot,
    id: SnapshotId,
    /// The same, when it is not the directory that the key names.
    fresh: Option<SnapshotId>,
}

/// The layer that a finished command has left in its snapshot.
async fn effect(
    session: &Arc<Session>,
    below: Vec<Arc<BuildLayer>>,
    view: View,
    left: Left,
    key: StepKey,
) -> Result<Effect, Arc<BuildError>> {
    let Left { snapshot, id, fresh } = left;
    let upper = snapshot.clone();
    let failed = |error| Arc::new(BuildError::Layer(Problem::from_error(error)));
    let (changes, is_empty) = session
        .blocking(move || {
            let mut changes = windlass_layer::diff(&upper, &view, &[]).map_err(failed)?;
            let is_empty = changes.is_empty().map_err(failed)?;
            Ok((changes, is_empty))
        })
        .await?;
    let created = session.now();
    if is_empty {
        session.record(std::slice::from_ref(&key), &StepRecord { layer: None, created: created.clone(), continues: None })?;
        return Ok(Effect { layer: None, key, created });
    }
    let continues = Continues::of_run(session, &key, snapshot.root());
    let made = Made {
        entries: EntrySource::Read(Box::new(changes)),
        keys: vec![key],
        continues,
        snapshot: fresh,
        created: created.clone(),
        verify: Box::new(|| Ok(())),
    };
    let writing = session.write_layer(made);
    let next = match continues {
        Continues::With(next) => next,
        _ => continues.key(&key, &writing.blob.clone().await?.diff_id).unwrap_or(key),
    };
    let layer = BuildLayer::left(id, writing, snapshot, below).map_err(Arc::new)?;
    Ok(Effect { layer: Some(layer), key: next, created })
}

fn run_in_snapshot(
    session: &Session,
    command: &Command,
    lower: Vec<PathBuf>,
    view: &View,
    id: &SnapshotId,
    key: &StepKey,
    task: &Task,
) -> Result<Snapshot, Arc<BuildError>> {
    // One that an earlier build left without a record, as when it was killed.
    if let Some(snapshot) = session.snapshot(id) {
        return Ok(snapshot);
    }
    let made = session.store.create_snapshot(id, |root| {
        let snapshot = Snapshot::create(root, session.format).map_err(Problem::from_error)?;
        prepare_upper(&snapshot, view, &command.directory, session.timestamp())?;
        lineage::note(session, key, root).map_err(Problem::from_error)?;
        if session.request.isolation().is_plain() {
            return plain::run_in_copy(session, &snapshot, view, |tree| {
                let spec = specification(session, command, tree, view)?;
                supervise(&spec, &session.cancel, task, &Redactor::new(session.secrets()))
            });
        }
        let work = root.join("work");
        std::fs::create_dir(&work).map_err(Problem::from_error)?;
        let upper = Upper { directory: snapshot.files(), work: work.clone() };
        let mut spec = specification(session, command, Tree::Layers { lower, upper: Some(upper) }, view)?;
        let one_id = OneId::prepare(session, root, view, &mut spec)?;
        let outcome = supervise(&spec, &session.cancel, task, &Redactor::new(session.secrets()));
        // Asked before anything is removed: what the program said of it is seldom clear.
        let outcome = outcome.map_err(|problem| if is_full(root) { problem.help(FULL) } else { problem });
        std::fs::remove_dir_all(&work).map_err(Problem::from_error)?;
        outcome?;
        one_id.map_or(Ok(()), |one_id| one_id.settle(&snapshot, view))
    });
    match made {
        Ok(made) => Ok(Snapshot::open(made, session.format)),
        Err(crate::store::SnapshotError::Fill(problem)) => Err(Arc::new(BuildError::Unplaced(problem))),
        Err(crate::store::SnapshotError::Store(error)) => Err(Arc::new(BuildError::Store(error))),
    }
}

/// The upper directory becomes the root: it takes over the attributes of the root below, and the working directory is made.
fn prepare_upper(upper: &Snapshot, view: &View, directory: &Path, time: Timestamp) -> Result<(), Problem> {
    let mut entries: Vec<_> = view.lookup(Path::new("")).map_err(Problem::from_error)?.into_iter().collect();
    // What every process needs stays in the image when it was not there, as other builders leave it.
    for name in ["dev", "proc", "sys"] {
        if view.lookup(Path::new(name)).map_err(Problem::from_error)?.is_none() {
            entries.push(Entry::directory(name, time));
        }
    }
    let stage = copy::Stage { view: Some(view), workdir: "/", created: time };
    entries.extend(copy::workdir(&stage, &directory.to_string_lossy(), None).map_err(Problem::from_error)?.0);
    windlass_layer::materialise(&entries, upper, Some(view)).map_err(Problem::from_error)
}

fn specification(session: &Session, command: &Command, root: Tree, view: &View) -> Result<RunSpec, Problem> {
    let request = &session.request;
    let account = copy::account(view, &command.user).map_err(Problem::from_error)?;
    let mut environment = command.environment.clone();
    if !environment.iter().any(|(name, _)| name == "HOME") {
        environment.push(("HOME".to_owned(), account.home.clone().unwrap_or_else(|| "/".to_owned())));
    }
    environment.extend(command.mounts.variables());
    let mut spec = RunSpec::new(request.isolation(), root, command.arguments.clone());
    spec.environment = environment;
    spec.directory = command.directory.clone();
    spec.user = User { uid: account.uid, gid: account.gid, groups: account.groups };
    spec.mounts = command.mounts.for_sandbox();
    spec.network = command.network;
    spec.security = command.security;
    spec.hosts = request.hosts.iter().map(|(name, address)| Host { name: name.clone(), address: *address }).collect();
    let dns = &request.dns;
    if !dns.servers.is_empty() || !dns.search.is_empty() {
        spec.dns = Some(Dns { servers: dns.servers.clone(), search: dns.search.clone(), options: Vec::new() });
    }
    spec.limits = Some(Arc::clone(&session.limits.0));
    spec.shm_size = request.shm_size;
    spec.ulimits.clone_from(&request.ulimits);
    Ok(spec)
}

/// Runs the process, passes its output on, and says what went wrong.
fn supervise(spec: &RunSpec, cancel: &Cancel, task: &Task, redactor: &Redactor) -> Result<(), Problem> {
    let mut last: VecDeque<String> = VecDeque::with_capacity(LAST_LINES);
    let status = windlass_sandbox::run(spec, cancel, |stream: Stream, line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let line = redactor.redact(&line).into_owned();
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line.clone());
        task.log(stream, line);
    });
    if cancel.is_cancelled() {
        return Err(Problem::cancelled());
    }
    let shown = shown(&redactor.redact(&spec.arguments.join(" ")));
    match status {
        Ok(ExitStatus::Code(0)) => Ok(()),
        Ok(status) => {
            let what = match status {
                ExitStatus::Code(code) => format!("exit code {code}"),
                ExitStatus::Signal(signal) => format!("signal {signal}"),
            };
            let hint = match status {
                ExitStatus::Code(127) => {
                    "127 is what a shell answers when a program is not there: is it installed in this stage?"
                }
                ExitStatus::Code(126) => "126 is what a shell answers when a file cannot be executed",
                ExitStatus::Code(137) => {
                    "137 is 128 and signal 9: a process of the step was killed, as happens when memory runs out"
                }
                ExitStatus::Signal(9) => "signal 9 is what a process gets when memory runs out",
                _ => "the lines above are the last that it printed",
            };
            Err(Problem::new(format!("process `{shown}` did not complete successfully: {what}")).help(hint).output(last.into()))
        }
        Err(error) => Err(Problem::from_error(error).output(last.into())),
    }
}

/// Whether the disk that holds a directory has no space left for anything of use.
fn is_full(directory: &Path) -> bool {
    const LEAST: u64 = 256 << 10;
    // File systems without a fixed number of files give none at all.
    rustix::fs::statvfs(directory)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST || (disk.f_files > 0 && disk.f_ffree == 0))
}

fn shown(command: &str) -> String {
    let text = command.replace('\n', "\\n");
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
