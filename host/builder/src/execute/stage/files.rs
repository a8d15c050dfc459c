//! Instructions that change files.

use std::path::Path;
use std::sync::Arc;

use windlass_core::event::{Outcome, Stage as EventStage, Task};
use windlass_dockerfile::graph::{Origin, Step};
use windlass_dockerfile::instruction::RunInstruction;
use windlass_dockerfile::{Instruction, history};

use super::{Titles, Walk, unplaced, wrong};
use crate::copy::Request;
use crate::execute::error::BuildError;
use crate::execute::files::Files;
use crate::execute::remote::Fetched;
use crate::execute::remote_cache::Whence;
use crate::execute::request::StepOutcome;
use crate::execute::{copying, explain, mounts, run};
use crate::store::{Change, StepKey, StepRecord};

impl Walk<'_> {
    pub(super) async fn files_step(
        &mut self,
        step: &Step,
        instruction: &Instruction,
        title: String,
    ) -> Result<(), Arc<BuildError>> {
        match instruction {
            Instruction::Run(run) => self.run(step, run, title).await,
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

    async fn run(&mut self, step: &Step, run: &RunInstruction, title: String) -> Result<(), Arc<BuildError>> {
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

    /// Copies; `known` is a key that has been looked for already, in vain.
    pub(in crate::execute) async fn copy(
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

fn ended(task: Task, error: Arc<BuildError>) -> Arc<BuildError> {
    let outcome = if error.is_cancelled() { Outcome::Cancelled } else { Outcome::Failed(error.short()) };
    task.finish(outcome);
    error
}
