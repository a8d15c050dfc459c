//! A stage, from its base to its last instruction.

use std::path::Path;
use std::sync::Arc;

use windlass_core::Place;
use windlass_core::event::{Outcome, Stage as EventStage};
use windlass_dockerfile::graph::{Origin, Stage, Step};
use windlass_dockerfile::scope::Declared;
use windlass_dockerfile::{Instruction, Scope, Statement, history, port};
use windlass_registry::image::History;

use super::error::{BuildError, Problem};
use super::executor::Executor;
use super::files::Files;
use super::image::StageImage;
use super::layer::{BuildLayer, keep_outlines};
use super::remote::Fetched;
use super::remote_cache::Whence;
use super::request::StepOutcome;
use super::session::Cached;
use super::{copying, explain, mounts, run};
use crate::copy::Request;
use crate::store::{Change, Ledger, StepKey, StepRecord};

/// The most layers of an image. No runtime stacks as many.
const MOST_LAYERS: usize = 1000;

/// What a stage has come to.
#[derive(Clone)]
pub(crate) struct StageState {
    pub(crate) layers: Vec<Arc<BuildLayer>>,
    /// Stands for the files of all layers.
    pub(crate) key: StepKey,
    pub(crate) image: StageImage,
    pub(crate) scope: Scope,
    pub(crate) own_command: bool,
    /// When the last layer was made.
    pub(crate) created: Option<String>,
    pub(crate) steps: Vec<(String, StepOutcome)>,
    /// What became of merging the layers, where that is asked for.
    pub(crate) squashing: Option<(String, StepOutcome)>,
    /// Whether no step is taken from the cache.
    pub(crate) is_fresh: bool,
    /// Whether it stands on what a RUN of this build has left, so that nobody else knows of later steps.
    pub(crate) is_new: bool,
}

/// What a step has made of the files.
pub(crate) struct Effect {
    /// The layer, unless nothing has changed.
    pub(crate) layer: Option<Arc<BuildLayer>>,
    /// Stands for the files from here on.
    pub(crate) key: StepKey,
    /// When it was made.
    pub(crate) created: String,
}

/// How a copy is called.
pub(super) struct Titles<'a> {
    /// The instruction as it is written.
    pub(super) text: &'a str,
    /// In progress.
    pub(super) title: String,
    /// In the image's history.
    pub(super) told: String,
}

/// A stage at work.
pub(crate) struct Walk<'a> {
    pub(crate) executor: &'a Executor,
    pub(crate) stage: &'a Stage,
    pub(crate) state: StageState,
    /// What its steps depended on when they were built last.
    pub(super) ledger: Ledger,
    pub(super) position: usize,
    total: usize,
}

impl<'a> Walk<'a> {
    /// Carries out every instruction of `stage` on top of `state`, which is that of its base.
    pub(crate) async fn through(
        executor: &'a Executor,
        stage: &'a Stage,
        state: StageState,
    ) -> Result<StageState, Arc<BuildError>> {
        let total = stage.steps.iter().filter(|step| touches_files(&step.statement.instruction)).count();
        let ledger = explain::ledger(executor.session(), stage);
        let mut walk = Self { executor, stage, state, ledger, position: 0, total };
        let result = walk.every_step().await;
        if !executor.is_rehearsing() {
            // What can be said of the next build is worth keeping, but no build fails for it.
            let _ = executor.session().store.save_ledger(&walk.ledger);
            keep_outlines(&walk.state.layers, executor.session());
        }
        result.map(|()| walk.state)
    }

    async fn every_step(&mut self) -> Result<(), Arc<BuildError>> {
        let stage = self.stage;
        if self.executor.is_directory(&stage.base) {
            self.begin_with_directory().await.map_err(|error| self.executor.unless_run_follows(error, &stage.steps))?;
        }
        for (index, step) in stage.steps.iter().enumerate() {
            let done = self.step(step).await.map_err(|error| self.executor.unless_run_follows(error, &stage.steps[index..]));
            done.map_err(|error| placed(&error, &step.statement))?;
        }
        self.ledger.end();
        Ok(())
    }

    /// A named context that is no image is the stage's first layer.
    async fn begin_with_directory(&mut self) -> Result<(), Arc<BuildError>> {
        let statement = &self.stage.statement;
        let title = format!("[{}] {}", self.executor.session().title(&self.stage.title()), shorten(&statement.text));
        let titles = Titles { text: &statement.text, title, told: shorten(&statement.text) };
        let whole = Request::plain(".", "/");
        let copied = self.copy(whole, Some(self.stage.base.clone()), Vec::new(), None, titles).await;
        copied.map_err(|error| placed(&error, statement))
    }

    /// In a rehearsal nothing is carried out.
    pub(super) fn must_carry_out(&self) -> Result<(), Arc<BuildError>> {
        if self.executor.is_rehearsing() { Err(Arc::new(BuildError::NotCached)) } else { Ok(()) }
    }

    async fn step(&mut self, step: &'a Step) -> Result<(), Arc<BuildError>> {
        let statement = &step.statement;
        if let Instruction::Arg(arg) = &statement.instruction {
            let declared = self.state.scope.declare(arg, statement.escape).map_err(|error| wrong(&error))?;
            self.note(history::arg(&self.without_secrets(declared)), None);
            return Ok(());
        }
        let instruction = self.state.scope.expand(statement).map_err(|error| wrong(&error))?;
        match &instruction {
            Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_) => {
                if self.state.layers.len() >= MOST_LAYERS {
                    let problem = Problem::new(format!("the image would have more than {MOST_LAYERS} layers"));
                    return Err(unplaced(
                        problem.help("copy and run more in one instruction, or copy the files of a stage into a new one"),
                    ));
                }
                self.position += 1;
                let stage = self.executor.session().title(&self.stage.title());
                let title = format!("[{stage} {}/{}] {}", self.position, self.total, shorten(&statement.text));
                self.files_step(step, &instruction, title).await
            }
            _ => self.metadata_step(&instruction),
        }
    }

    fn metadata_step(&mut self, instruction: &Instruction) -> Result<(), Arc<BuildError>> {
        (self.state.image.apply(&mut self.state.own_command, instruction))
            .map_err(|problem| Arc::new(BuildError::Unplaced(problem)))?;
        let config = &self.state.image.config;
        let told = match instruction {
            Instruction::Env(env) => {
                env.pairs.iter().for_each(|pair| self.state.scope.set(&pair.name, &pair.value));
                history::env(&env.pairs)
            }
            Instruction::Label(label) => history::label(&label.pairs),
            Instruction::User(user) => history::user(user),
            Instruction::Expose(expose) => history::expose(&port::exposed(&expose.ports).unwrap_or_default()),
            Instruction::Volume(paths) => history::volume(paths),
            Instruction::Cmd(_) => history::cmd(config.cmd.as_deref().unwrap_or_default()),
            Instruction::Entrypoint(_) => history::entrypoint(config.entrypoint.as_deref().unwrap_or_default()),
            Instruction::Shell(shell) => history::shell(shell),
            Instruction::StopSignal(signal) => history::stop_signal(signal),
            Instruction::Healthcheck(check) => history::healthcheck(check),
            Instruction::Maintainer(name) => {
                self.state.image.author = Some(name.clone());
                history::maintainer(name)
            }
            // A trigger is stored, and is no step of this image.
            _ => return Ok(()),
        };
        self.note(told, None);
        Ok(())
    }

    async fn files_step(&mut self, step: &Step, instruction: &Instruction, title: String) -> Result<(), Arc<BuildError>> {
        match instruction {
            Instruction::Run(run) => {
                let mounts = mounts::resolve(self.executor, run, step, self.stage, &self.state).await?;
                let mut command = run::command(run, self.executor.session(), &self.state, mounts).map_err(unplaced)?;
                let told = history::run(&command.arguments, &self.shown_arguments());
                let session = self.executor.session();
                let key = command.key(session, &self.state);
                let text = &step.statement.text;
                let change = self.note_inputs(&key, text, |session, state| explain::of_run(session, state, &command));
                if let Some(cached) = self.cached(&key).await {
                    return self.take_cached(title, told, key, cached);
                }
                self.must_carry_out()?;
                command.mounts.make_ready(session).await?;
                let task = session.events.start(EventStage::Build, &title);
                let reason = self.reason(&change);
                task.explain(&reason);
                match run::execute(session, &self.state, command, key, task).await {
                    Ok((effect, task)) => {
                        task.finish(Outcome::Done);
                        self.state.is_new |= effect.layer.is_some();
                        self.take(title, told, effect, StepOutcome::Run(reason));
                        Ok(())
                    }
                    Err((error, task)) => Err(ended(task, error)),
                }
            }
            Instruction::Copy(copy) => {
                let request = Request::copy(copy).map_err(|error| wrong(&error))?;
                let origin = step.sources.first().cloned().flatten();
                let titles = Titles { text: &step.statement.text, title, told: history::copy(copy) };
                self.copy(request, origin, Vec::new(), None, titles).await
            }
            Instruction::Add(add) => self.add(add, &step.statement.text, title).await,
            Instruction::Workdir(path) => self.workdir(path, &step.statement.text, title).await,
            _ => Ok(()),
        }
    }

    /// Copies; `known` is a key that has been looked for already, in vain.
    pub(super) async fn copy(
        &mut self,
        request: Request,
        origin: Option<Origin>,
        fetched: Vec<Arc<Fetched>>,
        known: Option<(StepKey, Change)>,
        titles: Titles<'_>,
    ) -> Result<(), Arc<BuildError>> {
        let Titles { text, title, told } = titles;
        let session = self.executor.session();
        let (request, files) = match origin {
            Some(origin) => (request, self.executor.files(&origin, self.stage).await?),
            None if request.needs_context() => {
                (request.among(self.executor.taken()), Files::Context(self.executor.context().await?))
            }
            None => (request, Files::nothing()),
        };
        let known = known.or_else(|| {
            let key = copying::shortcut(&request, &files, &self.state).filter(|_| fetched.is_empty())?;
            let inputs = |session: &_, state: &_| explain::of_stage_copy(session, state, text, &request, &files);
            Some((key, self.note_inputs(&key, text, inputs)))
        });
        let (shortcut, change) = known.unzip();
        if let Some(key) = &shortcut
            && let Some(cached) = self.cached_by_shortcut(key).await
        {
            let key = cached.record.continues.unwrap_or(*key);
            return self.take_cached(title, told, key, cached);
        }
        if files.stage_key().is_some() || !fetched.is_empty() {
            self.must_carry_out()?;
        }
        let task = session.events.start(EventStage::Build, &title);
        let prepared = match copying::prepare(session, request, files, fetched, &self.state, shortcut).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(ended(task, error)),
        };
        let change = change.unwrap_or_else(|| {
            let inputs = |session: &_, state: &_| {
                explain::of_files(session, state, text, prepared.selection.request(), &prepared.selection)
            };
            self.note_inputs(&prepared.key, text, inputs)
        });
        if let Some(cached) = self.cached(&prepared.key).await {
            task.finish(Outcome::Cached);
            if let Some(shortcut) = &prepared.shortcut {
                let alias = StepRecord { continues: Some(prepared.key), ..cached.record.clone() };
                match cached.whence() {
                    whence @ Whence::Found(_) => session.tell_of_shortcut(shortcut, &alias, whence),
                    _ => session.record(std::slice::from_ref(shortcut), &alias)?,
                }
            }
            return self.adopt_cached(title, told, prepared.key, cached);
        }
        self.must_carry_out()?;
        let reason = self.reason(&change);
        task.explain(&reason);
        match copying::apply(session, &self.state, prepared).await {
            Ok(effect) => {
                task.finish(Outcome::Done);
                self.take(title, told, effect, StepOutcome::Run(reason));
                Ok(())
            }
            Err(error) => Err(ended(task, error)),
        }
    }

    async fn workdir(&mut self, path: &str, text: &str, title: String) -> Result<(), Arc<BuildError>> {
        let session = self.executor.session();
        let absolute = working_directory(&self.state.image.config.working_dir, path);
        let told = history::workdir(&absolute);
        self.state.image.config.working_dir.clone_from(&absolute);
        let key = copying::workdir_key(&self.state, &absolute);
        let inputs = |session: &_, state: &_| explain::of_workdir(session, state, text, &absolute);
        let change = self.note_inputs(&key, text, inputs);
        if let Some(cached) = self.cached(&key).await {
            return self.take_cached(title, told, key, cached);
        }
        self.must_carry_out()?;
        let task = session.events.start(EventStage::Build, &title);
        let reason = self.reason(&change);
        task.explain(&reason);
        match copying::workdir(session, &self.state, &absolute, key).await {
            Ok(effect) => {
                task.finish(Outcome::Done);
                self.take(title, told, effect, StepOutcome::Run(reason));
                Ok(())
            }
            Err(error) => Err(ended(task, error)),
        }
    }

    /// What the cache knows of a step, where it may be asked.
    pub(super) async fn cached(&self, key: &StepKey) -> Option<Cached> {
        if self.state.is_fresh { None } else { self.executor.session().cached(key, self.state.is_new).await }
    }

    /// The same for a shortcut to what the step makes.
    pub(super) async fn cached_by_shortcut(&self, key: &StepKey) -> Option<Cached> {
        if self.state.is_fresh { None } else { self.executor.session().cached_by_shortcut(key, self.state.is_new).await }
    }

    /// Takes over what the cache has, and says so; `key` names the layer.
    pub(super) fn take_cached(
        &mut self,
        title: String,
        told: String,
        key: StepKey,
        cached: Cached,
    ) -> Result<(), Arc<BuildError>> {
        self.executor.session().events.start(EventStage::Build, &title).finish(Outcome::Cached);
        self.adopt_cached(title, told, key, cached)
    }

    fn adopt_cached(&mut self, title: String, told: String, key: StepKey, cached: Cached) -> Result<(), Arc<BuildError>> {
        let (created, continues) = (cached.record.created.clone(), cached.record.continues.unwrap_or(key));
        let (layer, outcome) = cached.layer(self.executor.session(), &key, self.state.layers.clone());
        self.take(title, told, Effect { layer, key: continues, created }, outcome);
        Ok(())
    }

    fn take(&mut self, title: String, told: String, effect: Effect, outcome: StepOutcome) {
        self.state.key = effect.key;
        let ran = matches!(outcome, StepOutcome::Run(_));
        self.state.steps.push((title, outcome));
        match effect.layer {
            Some(layer) => {
                if ran && self.executor.is_of_the_image(self.stage) {
                    self.executor.session().tell_when_finished(&layer);
                }
                self.state.layers.push(layer);
                self.state.created = Some(effect.created.clone());
                self.note(told, Some(effect.created));
            }
            None => self.note(told, None),
        }
    }

    /// Adds a line to the history; `layer` is when the step's layer was made, if it made one.
    fn note(&mut self, created_by: String, layer: Option<String>) {
        let empty_layer = layer.is_none().then_some(true);
        self.state.image.note(History {
            created: layer.or_else(|| self.state.created.clone()),
            created_by: Some(created_by),
            comment: Some("buildkit.dockerfile.v0".to_owned()),
            empty_layer,
            ..History::default()
        });
    }

    /// The arguments in scope, for the history.
    fn shown_arguments(&self) -> Vec<(String, String)> {
        let arguments = self.state.scope.run_arguments().into_iter().map(|(name, value)| (name, Some(value))).collect();
        self.without_secrets(arguments).into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
    }

    /// Arguments as the history may show them: the values of secret ones do not stand there.
    fn without_secrets(&self, arguments: Vec<Declared>) -> Vec<Declared> {
        let secret = |name: &str| self.executor.session().is_secret_argument(name);
        arguments.into_iter().map(|(name, value)| if secret(&name) { (name, None) } else { (name, value) }).collect()
    }
}

fn touches_files(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_))
}

/// The working directory after `WORKDIR path`. As in BuildKit, an absolute path stays as it is written, and an empty one is the
/// directory so far.
fn working_directory(before: &str, path: &str) -> String {
    match path {
        "" => Path::new("/").join(before).to_string_lossy().into_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => windlass_dockerfile::go::clean_path(&format!("/{before}/{path}")),
    }
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

pub(super) fn wrong(error: &dyn std::error::Error) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(Problem::new(windlass_core::chain(error))))
}

fn unplaced(problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem))
}

fn ended(task: windlass_core::event::Task, error: Arc<BuildError>) -> Arc<BuildError> {
    let outcome = if error.is_cancelled() { Outcome::Cancelled } else { Outcome::Failed(error.short()) };
    task.finish(outcome);
    error
}

/// The error with the instruction it belongs to, unless it names one already.
pub(super) fn placed(error: &Arc<BuildError>, statement: &Statement) -> Arc<BuildError> {
    if matches!(**error, BuildError::Dockerfile(_) | BuildError::NotCached) {
        return Arc::clone(error);
    }
    let place: Place = statement.place.clone();
    Arc::new(BuildError::At { instruction: shorten(&statement.text), place, source: Arc::clone(error) })
}
