//! Where RUN steps cannot be run: whether the cache has all of them.

use std::sync::Arc;

use tokio::sync::OnceCell;
use windlass_dockerfile::graph::Step;

use super::{Executor, dockerfile};
use crate::execute::error::BuildError;
use crate::execute::isolation;

impl Executor {
    /// Where RUN steps cannot be run: makes sure that the cache has each of them, as far as that can be told without
    /// carrying out what is below it.
    ///
    /// # Errors
    /// The finding against the first RUN that would have to be run.
    pub(crate) async fn rehearse(&mut self) -> Result<(), Arc<BuildError>> {
        if self.session.request.isolation().can_run() {
            return Ok(());
        }
        let silent = Arc::new(self.session.silent());
        let audible = std::mem::replace(&mut self.session, silent);
        self.is_rehearsing = true;
        let result = self.rehearse_stages().await;
        self.is_rehearsing = false;
        self.session = audible;
        self.stages.iter_mut().for_each(|stage| *stage = OnceCell::new());
        result
    }

    /// In their order each stage comes behind those that it needs.
    async fn rehearse_stages(&self) -> Result<(), Arc<BuildError>> {
        for &index in self.graph.needed() {
            match self.walked(index).await {
                Err(error) if !matches!(*error, BuildError::NotCached) => return Err(error),
                // What is not in the cache runs nothing.
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn is_rehearsing(&self) -> bool {
        self.is_rehearsing
    }

    /// Of a step that is not in the cache: the refusal where `steps`, which come behind it, have a RUN.
    pub(crate) fn unless_run_follows(&self, error: Arc<BuildError>, steps: &[Step]) -> Arc<BuildError> {
        match *error {
            BuildError::NotCached => {
                isolation::impossible(steps, &self.session.request.probe).map_or(error, |finding| dockerfile(vec![finding]))
            }
            _ => error,
        }
    }
}
