//! The walk over the graph: bases first, then every needed stage, side by side where they do not depend on each other.

mod ahead;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::OnceCell;
use windlass_core::{Finding, Place, Platform};
use windlass_dockerfile::Instruction;
use windlass_dockerfile::graph::{self, BuildGraph, Origin, Stage, Step};
use windlass_dockerfile::instruction::run::Security;
use windlass_dockerfile::remote::RemoteSource;
use windlass_dockerfile::scope::DEFAULT_PATH;
use windlass_registry::image::ImageConfig;

use super::base::{self, BaseImage};
use super::error::{BuildError, Problem};
use super::files::Files;
use super::image::{StageImage, set_default};
use super::isolation;
use super::remote::Fetched;
use super::request::NamedContext;
use super::session::Session;
use super::stage::{StageState, Walk};
use super::taken;
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

    /// Where RUN steps cannot be run and the cache cannot have any, nothing is asked for.
    fn refuse_at_once(&self) -> Result<(), Arc<BuildError>> {
        let request = &self.session.request;
        if request.isolation().can_run() || (self.session.store.has_steps() && !request.no_cache) {
            return Ok(());
        }
        let stages = self.graph.needed().iter().map(|&index| &self.graph.stages()[index]);
        let found = stages.into_iter().find_map(|stage| isolation::impossible(&stage.steps, &request.probe));
        found.map_or(Ok(()), |finding| Err(dockerfile(vec![finding])))
    }

    /// Resolves images until no trigger of one asks for another.
    async fn resolve_images(&mut self) -> Result<(), Arc<BuildError>> {
        loop {
            let missing: Vec<_> = self.wanted_images().into_iter().filter(|(key, _)| !self.images.contains_key(key)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let found = try_join_all(missing.iter().map(|((text, platform), place)| self.resolve(text, platform, place))).await?;
            let keys: Vec<_> = missing.into_iter().map(|(key, _)| key).collect();
            for (key, image) in keys.iter().cloned().zip(found) {
                self.images.insert(key, image);
            }
            self.add_triggers(&keys)?;
        }
    }

    /// An image of a registry, or of a layout that the user named. What a Dockerfile names is never a layout.
    async fn resolve(&self, text: &str, platform: &Platform, place: &Place) -> Result<BaseImage, Arc<BuildError>> {
        let layout = self.session.request.named_contexts.values().find_map(|context| match context {
            NamedContext::Layout(layout) if layout.to_string() == text => Some(layout),
            _ => None,
        });
        match layout {
            Some(layout) => base::of_layout(&self.session, layout, platform, place).await,
            None => base::resolve(&self.session, text, platform, place).await,
        }
    }

    /// Every image that a needed stage begins with or takes files from, with the place that names it.
    fn wanted_images(&self) -> BTreeMap<(String, Platform), Place> {
        let mut wanted = BTreeMap::new();
        for &index in self.graph.needed() {
            let stage = &self.graph.stages()[index];
            let sources =
                stage.steps.iter().flat_map(|step| step.sources.iter().flatten().map(|origin| (origin, &step.statement.place)));
            for (origin, place) in std::iter::once((&stage.base, &stage.statement.place)).chain(sources) {
                if let Some(text) = self.image_text(origin) {
                    wanted.entry((text, self.platform(stage))).or_insert_with(|| place.clone());
                }
            }
        }
        wanted
    }

    fn add_triggers(&mut self, new: &[(String, Platform)]) -> Result<(), Arc<BuildError>> {
        let based: Vec<(usize, Vec<String>)> = (self.graph.needed().iter())
            .map(|&index| &self.graph.stages()[index])
            .filter_map(|stage| {
                let key = (self.image_text(&stage.base)?, self.platform(stage));
                let triggers = &self.images.get(&key)?.config.config.on_build;
                (new.contains(&key) && !triggers.is_empty()).then(|| (stage.index, triggers.clone()))
            })
            .collect();
        for (stage, triggers) in based {
            self.graph.add_image_triggers(stage, &triggers).map_err(dockerfile)?;
        }
        Ok(())
    }

    fn image_text(&self, origin: &Origin) -> Option<String> {
        match origin {
            Origin::Image(text) => Some(text.clone()),
            Origin::Context(name) => match self.session.request.named_contexts.get(name)? {
                NamedContext::Image(reference) => Some(reference.to_string()),
                NamedContext::Layout(layout) => Some(layout.to_string()),
                NamedContext::Directory(_) | NamedContext::Remote(_) | NamedContext::Nothing => None,
            },
            Origin::Stage(_) | Origin::Scratch => None,
        }
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

    /// The stage that this one is built on in the end, which may be itself. There may be thousands in between.
    fn lowest<'s>(&'s self, mut stage: &'s Stage) -> &'s Stage {
        while let Origin::Stage(index) = stage.base {
            stage = &self.graph.stages()[index];
        }
        stage
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

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The images that were resolved.
    pub(crate) fn images(&self) -> impl Iterator<Item = &BaseImage> {
        self.images.values()
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

    /// Whether it is a named context whose files become a stage's first layer.
    pub(crate) fn is_directory(&self, origin: &Origin) -> bool {
        let Origin::Context(name) = origin else { return false };
        let context = self.session.request.named_contexts.get(name);
        matches!(context, Some(NamedContext::Directory(_) | NamedContext::Remote(_)))
    }

    fn image(&self, text: &str, stage: &Stage) -> Result<&BaseImage, Arc<BuildError>> {
        let key = (text.to_owned(), self.platform(stage));
        self.images.get(&key).ok_or_else(|| Arc::new(BuildError::Internal(format!("image {text} was not resolved"))))
    }

    /// The files that a `--from` of `stage` means.
    pub(crate) async fn files(&self, origin: &Origin, stage: &Stage) -> Result<Files, Arc<BuildError>> {
        if let Some(text) = self.image_text(origin) {
            let image = self.image(&text, stage)?;
            return Ok(Files::Layers { layers: image.layers.clone(), key: image.key });
        }
        match origin {
            Origin::Stage(index) => {
                let state = self.stage(*index).await?;
                Ok(Files::Layers { layers: state.layers.clone(), key: state.key })
            }
            Origin::Context(name) => self.named_context(name).await,
            Origin::Image(_) | Origin::Scratch => Ok(Files::nothing()),
        }
    }

    /// The build context, opened when it is first needed.
    pub(crate) async fn context(&self) -> Result<Arc<Context>, Arc<BuildError>> {
        let request = &self.session.request;
        let opened = self.context.get_or_try_init(|| async {
            let (directory, dockerfile) = (request.context.clone(), request.dockerfile_path.clone());
            self.session.blocking(move || Context::open(&directory, Some(&dockerfile)).map(Arc::new).map_err(unreadable)).await
        });
        opened.await.cloned()
    }

    /// What the build takes of the build context.
    pub(crate) fn taken(&self) -> Arc<Taken> {
        Arc::clone(self.taken.get_or_init(|| Arc::new(taken::taken(&self.graph))))
    }

    /// A source of ADD that lies elsewhere.
    pub(crate) async fn fetch(&self, source: &RemoteSource, identity: Option<&str>) -> Result<Arc<Fetched>, Arc<BuildError>> {
        self.session.fetches.get(&self.session, source, identity, false).await
    }

    async fn named_context(&self, name: &str) -> Result<Files, Arc<BuildError>> {
        if let Some(NamedContext::Remote(source)) = self.session.request.named_contexts.get(name) {
            let identity = self.session.fetches.identify(&self.session, source).await;
            let identity = identity.map_err(|problem| unreachable_context(name, problem))?;
            let fetched = self.session.fetches.get(&self.session, source, identity.as_deref(), true).await?;
            return Ok(Files::Context(Arc::clone(&fetched.context)));
        }
        let known = self.named.get(name).zip(self.session.request.named_contexts.get(name));
        let Some((cell, NamedContext::Directory(directory))) = known else { return Ok(Files::nothing()) };
        let opened = cell.get_or_try_init(|| async {
            let directory = directory.clone();
            self.session.blocking(move || Context::open(&directory, None).map(Arc::new).map_err(unreadable)).await
        });
        Ok(Files::Context(opened.await?.clone()))
    }
}

fn dockerfile(findings: Vec<Finding>) -> Arc<BuildError> {
    Arc::new(BuildError::Dockerfile(findings))
}

fn unreachable_context(name: &str, problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem.about(&format!("the named context `{name}`"))))
}

fn unreadable(error: crate::context::ContextError) -> Arc<BuildError> {
    Arc::new(BuildError::Context(Problem::from_error(error)))
}
