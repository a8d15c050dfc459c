//! A stage, from its base to its last instruction.

mod configuration;
mod files;
mod results;

use std::sync::Arc;

use windlass_core::Place;
use windlass_dockerfile::graph::{Stage, Step};
use windlass_dockerfile::{Instruction, Scope, Statement, history};

use super::error::{BuildError, Problem};
use super::executor::Executor;
use super::explain;
use super::image::StageImage;
use super::layer::{BuildLayer, keep_outlines};
use super::request::StepOutcome;
use crate::copy::Request;
use crate::store::{Ledger, StepKey};

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
}

fn touches_files(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_))
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

/// The error with the instruction it belongs to, unless it names one already.
pub(super) fn placed(error: &Arc<BuildError>, statement: &Statement) -> Arc<BuildError> {
    if matches!(**error, BuildError::Dockerfile(_) | BuildError::NotCached) {
        return Arc::clone(error);
    }
    let place: Place = statement.place.clone();
    Arc::new(BuildError::At { instruction: shorten(&statement.text), place, source: Arc::clone(error) })
}
