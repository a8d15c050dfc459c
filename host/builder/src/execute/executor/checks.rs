//! What is refused, and told of, before anything is built.

use std::sync::Arc;

use windlass_core::{Finding, Place, Platform};
use windlass_dockerfile::Instruction;
use windlass_dockerfile::graph::{Stage, Step};
use windlass_dockerfile::instruction::run::Security;

use super::{Executor, dockerfile};
use crate::execute::error::BuildError;
use crate::execute::isolation;

impl Executor {
    /// Where RUN steps cannot be run and the cache cannot have any, nothing is asked for.
    pub(super) fn refuse_at_once(&self) -> Result<(), Arc<BuildError>> {
        let request = &self.session.request;
        if request.isolation().can_run() || (self.session.store.has_steps() && !request.no_cache) {
            return Ok(());
        }
        let stages = self.graph.needed().iter().map(|&index| &self.graph.stages()[index]);
        let found = stages.into_iter().find_map(|stage| isolation::impossible(&stage.steps, &request.probe));
        found.map_or(Ok(()), |finding| Err(dockerfile(vec![finding])))
    }

    /// The RUN steps on top of a base image, which run programs of the stage's platform: each with that platform. What a
    /// stage from scratch runs is anyone's guess.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (Platform, &Place)> {
        let stages = self.graph.needed().iter().map(|&index| &self.graph.stages()[index]);
        stages.filter(|stage| self.begins_with_image(stage)).flat_map(|stage| {
            let runs = stage.steps.iter().filter(|step| matches!(step.statement.instruction, Instruction::Run(_)));
            runs.map(|step| (self.platform(stage), &step.statement.place))
        })
    }

    fn begins_with_image(&self, stage: &Stage) -> bool {
        self.image_text(&self.lowest(stage).base).is_some()
    }

    /// Refuses what takes a permission that was not given.
    pub(crate) fn check_permissions(&self) -> Result<(), Arc<BuildError>> {
        if self.session.request.allows_insecure {
            return Ok(());
        }
        let stages = self.graph.needed().iter().map(|&index| &self.graph.stages()[index]);
        let insecure = |step: &&Step| match &step.statement.instruction {
            Instruction::Run(run) => run.security == Security::Insecure,
            _ => false,
        };
        let Some(step) = stages.flat_map(|stage| &stage.steps).find(insecure) else { return Ok(()) };
        let finding =
            Finding::deny("build/permission", "RUN --security=insecure is not allowed").at(step.statement.place.clone());
        let help = "allow it with --allow security.insecure, when you trust everything that the step runs";
        Err(dockerfile(vec![finding.help(help)]))
    }

    /// Tells of stages that are to be built without the cache and do not exist.
    pub(crate) fn tell_unknown_stages(&self) {
        let stages = self.graph.stages();
        for name in self.session.request.no_cache_stages.iter().filter(|name| !stages.iter().any(|stage| stage.is_called(name))) {
            let finding = Finding::warn("build/unknown-stage", format!("there is no stage `{name}` to build without the cache"));
            self.session.events.notice(finding.about("--no-cache-filter"));
        }
    }

    /// Tells of build arguments that nothing takes.
    pub(crate) fn tell_unused_arguments(&self) {
        for name in self.graph.unused_build_arguments() {
            let finding =
                Finding::warn("build/unused-argument", format!("build argument `{name}` was given, but no ARG takes it"));
            self.session
                .events
                .notice(finding.about(name).help("declare it with ARG in the stage that uses it, or leave it out"));
        }
    }
}
