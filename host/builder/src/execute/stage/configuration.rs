//! Instructions that change the image's configuration, and the lines of its history.

use std::sync::Arc;

use windlass_dockerfile::scope::Declared;
use windlass_dockerfile::{Instruction, history, port};
use windlass_registry::image::History;

use super::Walk;
use crate::execute::error::BuildError;

impl Walk<'_> {
    pub(super) fn metadata_step(&mut self, instruction: &Instruction) -> Result<(), Arc<BuildError>> {
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

    /// Adds a line to the history; `layer` is when the step's layer was made, if it made one.
    pub(super) fn note(&mut self, created_by: String, layer: Option<String>) {
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
    pub(super) fn shown_arguments(&self) -> Vec<(String, String)> {
        let arguments = self.state.scope.run_arguments().into_iter().map(|(name, value)| (name, Some(value))).collect();
        self.without_secrets(arguments).into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
    }

    /// Arguments as the history may show them: the values of secret ones do not stand there.
    pub(super) fn without_secrets(&self, arguments: Vec<Declared>) -> Vec<Declared> {
        let secret = |name: &str| self.executor.session().is_secret_argument(name);
        arguments.into_iter().map(|(name, value)| if secret(&name) { (name, None) } else { (name, value) }).collect()
    }
}
