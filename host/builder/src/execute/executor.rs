//! The walk over the graph: bases first, then every needed stage, side by side where they do not depend on each other.

mod ahead;
mod checks;
mod images;
mod rehearsal;
mod sources;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::OnceCell;
use windlass_core::{Finding, Platform};
use windlass_dockerfile::graph::{self, BuildGraph, Origin, Stage};
use windlass_dockerfile::scope::DEFAULT_PATH;
use windlass_registry::image::ImageConfig;

use super::base::BaseImage;
use super::error::BuildError;
use super::files::Files;
use super::image::{StageImage, set_default};
use super::isolation;
use super::session::Session;
use super::stage::{StageState, Walk};
use crate::context::Context;
use crate::copy::Taken;

/// Stages that are built at the same time. Each takes some kilobytes, and there may be thousands.
const BUILT_AT_ONCE: usize = 64;

/// A build at work.
pub(crate) struct Executor {
    session: Arc<Session>,
    graph: BuildGraph,
    images: BTreeMap<(String, Platform), BaseImage>,
    context: OnceCell<Arc<Context>>,
    /// What is taken of it, once all stages are known.
    taken: OnceLock<Arc<Taken>>,
    named: BTreeMap<String, OnceCell<Arc<Context>>>,
    stages: Vec<OnceCell<Arc<StageState>>>,
    /// Nothing is carried out: what the cache has is all that there is.
    is_rehearsing: bool,
}

impl Executor {
    /// Reads the graph of the Dockerfile and resolves every image that the target needs.
    pub(crate) async fn prepare(session: Arc<Session>) -> Result<Self, Arc<BuildError>> {
        let request = &session.request;
        let asked = graph::Request {
            target: request.target.clone(),
            build_arguments: request.arguments.iter().map(|(name, value)| (name.clone(), value.value().to_owned())).collect(),
            contexts: request.named_contexts.keys().cloned().collect(),
            build_platform: Platform::host(),
            target_platform: session.platform.clone(),
        };
        let graph = graph::build(&request.dockerfile, &asked).map_err(dockerfile)?;
        let named = request.named_contexts.keys().map(|name| (name.clone(), OnceCell::new())).collect();
        let stages = graph.stages().iter().map(|_| OnceCell::new()).collect();
        let mut executor = Self {
            session,
            graph,
            images: BTreeMap::new(),
            context: OnceCell::new(),
            taken: OnceLock::new(),
            named,
            stages,
            is_rehearsing: false,
        };
        executor.refuse_at_once()?;
        executor.resolve_images().await?;
        if let Some(finding) = isolation::told(&executor.graph, &executor.session.request.probe) {
            executor.session.events.notice(finding);
            let unlimited = executor.session.limits.1.iter().map(isolation::unlimited);
            unlimited.for_each(|finding| executor.session.events.notice(finding));
        }
        Ok(executor)
    }

    /// Whether no step of the stage is taken from the cache.
    fn is_fresh(&self, stage: &Stage) -> bool {
        let request = &self.session.request;
        let is_named = |wanted: &String| stage.is_called(wanted);
        request.no_cache || request.no_cache_stages.iter().any(is_named)
    }

    /// The platform that a stage is built for: that of the stage which it is built on, where there is one.
    fn platform(&self, stage: &Stage) -> Platform {
        let stage = self.lowest(stage);
        stage.platform.clone().unwrap_or_else(|| self.session.platform.clone())
    }

    /// Whether the layers of a stage are layers of the image: the target's own, and those of the stages below it; none of
    /// them where they become one in the end.
    pub(crate) fn is_of_the_image(&self, stage: &Stage) -> bool {
        if self.session.request.squash {
            return false;
        }
        let below = |index: &usize| match self.graph.stages()[*index].base {
            Origin::Stage(base) => Some(base),
            _ => None,
        };
        std::iter::successors(Some(self.graph.target()), below).any(|index| index == stage.index)
    }

    /// The stage that this one is built on in the end, which may be itself. There may be thousands in between.
    fn lowest<'s>(&'s self, mut stage: &'s Stage) -> &'s Stage {
        while let Origin::Stage(index) = stage.base {
            stage = &self.graph.stages()[index];
        }
        stage
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Builds the target, and every stage that it needs.
    pub(crate) async fn run(&self) -> Result<Arc<StageState>, Arc<BuildError>> {
        let (target, ()) = tokio::try_join!(self.every_stage(), self.unpack_ahead())?;
        Ok(target)
    }

    async fn every_stage(&self) -> Result<Arc<StageState>, Arc<BuildError>> {
        // In this order each begins behind those that it needs.
        let mut stages = stream::iter(self.graph.needed()).map(|&index| self.stage(index)).buffer_unordered(BUILT_AT_ONCE);
        while let Some(built) = stages.next().await {
            built?;
        }
        self.stage(self.graph.target()).await
    }

    /// Forgets what was built, for another try.
    pub(crate) fn forget_stages(&mut self) {
        self.stages.iter_mut().for_each(|stage| drop(stage.take()));
    }

    /// What is needed of the stages, in the order of the Dockerfile.
    pub(crate) fn finished(&self) -> impl Iterator<Item = &Arc<StageState>> {
        self.stages.iter().filter_map(OnceCell::get)
    }

    /// A stage, built by whoever asks for it first.
    pub(crate) fn stage(&self, index: usize) -> BoxFuture<'_, Result<Arc<StageState>, Arc<BuildError>>> {
        async move {
            if self.is_rehearsing {
                return self.stages[index].get().cloned().ok_or_else(|| Arc::new(BuildError::NotCached));
            }
            self.walked(index).await
        }
        .boxed()
    }

    async fn walked(&self, index: usize) -> Result<Arc<StageState>, Arc<BuildError>> {
        let stage = &self.graph.stages()[index];
        let built = self.stages[index].get_or_try_init(|| async {
            let base = self.begin(stage).await.map_err(|error| self.unless_run_follows(error, &stage.steps))?;
            Ok::<_, Arc<BuildError>>(Arc::new(Walk::through(self, stage, base).await?))
        });
        built.await.cloned()
    }

    /// The state that a stage begins with.
    async fn begin(&self, stage: &Stage) -> Result<StageState, Arc<BuildError>> {
        if let Origin::Stage(index) = stage.base {
            let parent = self.stage(index).await?;
            let mut state =
                StageState { own_command: false, steps: Vec::new(), is_fresh: self.is_fresh(stage), ..(*parent).clone() };
            state.image.config.on_build.clear();
            return Ok(state);
        }
        let Some(text) = self.image_text(&stage.base) else { return Ok(self.begin_empty(stage)) };
        let image = self.image(&text, stage)?;
        let (config, scope) = image.start(&self.graph).clone();
        let created = image.config.created.clone();
        let layers = image.layers.clone();
        Ok(StageState {
            layers,
            key: image.key,
            image: config,
            scope,
            own_command: false,
            created,
            steps: Vec::new(),
            squashing: None,
            is_fresh: self.is_fresh(stage),
            is_new: false,
        })
    }

    fn begin_empty(&self, stage: &Stage) -> StageState {
        let platform = self.platform(stage);
        let mut config = ImageConfig {
            architecture: platform.architecture().to_owned(),
            variant: platform.variant().map(str::to_owned),
            os: platform.os().to_owned(),
            ..ImageConfig::default()
        };
        config.config.working_dir = "/".to_owned();
        set_default(&mut config.config.env, "PATH", DEFAULT_PATH);
        let image = StageImage::on(config);
        let Files::Layers { key, layers } = Files::nothing() else { unreachable!("nothing is no context") };
        let scope = self.graph.scope([]);
        let is_fresh = self.is_fresh(stage);
        let (own_command, created, steps, squashing) = Default::default();
        StageState { layers, key, image, scope, own_command, created, steps, squashing, is_fresh, is_new: false }
    }
}

fn dockerfile(findings: Vec<Finding>) -> Arc<BuildError> {
    Arc::new(BuildError::Dockerfile(findings))
}
