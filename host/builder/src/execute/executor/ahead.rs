//! Base images that are certain to be needed, fetched and unpacked while other stages are still at work.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use windlass_dockerfile::Instruction;
use windlass_dockerfile::graph::Stage;

use super::{BUILT_AT_ONCE, Executor};
use crate::execute::error::BuildError;
use crate::execute::layer::directories;
use crate::execute::stage::placed;

impl Executor {
    /// Makes directories of the bases of all stages whose RUN steps are going to be carried out. A stage that waits for
    /// another one would ask for its base only after that.
    pub(super) async fn unpack_ahead(&self) -> Result<(), Arc<BuildError>> {
        let may_be_cached = self.session.may_have_results();
        let stages = self.graph.needed().iter().map(|&index| &self.graph.stages()[index]);
        let certain = stages.filter(|stage| runs(stage) && (self.is_fresh(stage) || !may_be_cached));
        let unpacked = stream::iter(certain).map(|stage| self.unpack_base(stage)).buffer_unordered(BUILT_AT_ONCE);
        unpacked.try_collect().await
    }

    async fn unpack_base(&self, stage: &Stage) -> Result<(), Arc<BuildError>> {
        let Some(text) = self.image_text(&stage.base) else { return Ok(()) };
        let layers = &self.image(&text, stage)?.layers;
        directories(layers, &self.session).await.map_err(|error| placed(&error, &stage.statement))?;
        Ok(())
    }
}

fn runs(stage: &Stage) -> bool {
    stage.steps.iter().any(|step| matches!(step.statement.instruction, Instruction::Run(_)))
}
