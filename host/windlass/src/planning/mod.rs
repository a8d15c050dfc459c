//! From what the user handed over to a plan: dialect, adapter, tag policies, engine mapper. Nothing outside changes.

mod admission;
mod command_line;
mod description;
mod overrides;
mod paths;
mod shared_cache;
mod tags;
mod translated;

use std::path::PathBuf;
use std::sync::Arc;

use windlass_core::plan::Plan;
use windlass_core::setting::Settings;
use windlass_core::{EventSink, ExitCode, Finding, Tag};
use windlass_runtime::dialect::Translation;
use windlass_runtime::host::source::SourceFacts;
use windlass_runtime::{Context, Plugin, registry_adapter};

use crate::configuration::Configuration;
use crate::engine::{self, Recipe};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::outside::Outside;
use crate::plugins::Plugins;
use crate::ports::WorkingDirectory;
use crate::remote::contexts::{self, Supply};
use crate::step::{CacheSource, CacheTarget, SharedCache, Step};
use crate::{bases, source};

/// The adapter of references that no other one claims.
const DEFAULT_ADAPTER: &str = "docker-registry";
/// The embedded engine's name.
pub(crate) const EMBEDDED: &str = "windlass";

/// What is to be run, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the step comes from.
    pub input: Input,
    /// `windlass`, or the name of an engine mapper.
    pub engine: String,
    /// Tag policies, asked after those of the step and of the configuration.
    pub tag_policies: Vec<String>,
    /// Policies that must agree, besides those of the configuration.
    pub policies: Vec<String>,
    /// `OWNER.SETTING=VALUE`, over what the step says.
    pub overrides: Vec<String>,
    /// Registries that are reached somewhere else: `HOST=URL`.
    pub registry_map: Vec<String>,
    /// The cache of steps' results, whatever the step says.
    pub shared_cache: Option<SharedCache>,
    /// Caches to read, in place of those of the step.
    pub cache_from: Vec<CacheSource>,
    /// Caches to write, in place of those of the step.
    pub cache_to: Vec<CacheTarget>,
    /// Whether nothing is pushed, whatever the step says.
    pub no_push: bool,
    /// The JSON report.
    pub report: Option<PathBuf>,
}

impl Request {
    /// A run of `input` by the embedded builder, as the step says.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self {
            input,
            engine: EMBEDDED.to_owned(),
            tag_policies: Vec::new(),
            policies: Vec::new(),
            overrides: Vec::new(),
            registry_map: Vec::new(),
            shared_cache: None,
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            no_push: false,
            report: None,
        }
    }
}

/// Where a step comes from.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file, and the step in it.
    File {
        /// The file.
        path: PathBuf,
        /// The step's identifier or name.
        step: Option<String>,
    },
    /// Variables of the environment, for the plugin variant (`ecr`, `docker`) that they were written for.
    Variables {
        /// The variant.
        variant: String,
    },
    /// A command line: the step is there already, and the references that it goes to.
    CommandLine {
        /// The step.
        step: Box<Step>,
        /// The references.
        references: Vec<windlass_core::Reference>,
    },
}

/// What every run on a machine shares.
#[derive(Debug)]
pub struct Surroundings {
    /// The environment.
    pub environment: Environment,
    /// The configuration file's content.
    pub configuration: Configuration,
    /// The plugins there are.
    pub plugins: Plugins,
    /// Where relative paths begin.
    pub directory: PathBuf,
    /// Where layers and caches are kept; a context that has to be fetched is put there for as long as the plan is there.
    pub store: PathBuf,
    /// Where progress goes.
    pub events: EventSink,
}

/// A plan, and everything that carrying it out takes.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    pub(crate) step: Step,
    pub(crate) material: Material,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) outside: Option<Outside>,
    pub(crate) policies: Vec<(Plugin, Settings)>,
    pub(crate) source: SourceFacts,
    pub(crate) graph_facts: bases::Facts,
    pub(crate) push_credentials: Settings,
    pub(crate) base_credentials: Settings,
    /// What the build reads is there as long as the plan is.
    _supply: Option<Supply>,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What an image is made from.
pub(crate) enum Material {
    /// A Dockerfile.
    Recipe(Recipe),
    /// Nothing: it is in this archive.
    Archive(PathBuf),
}

/// A destination with the adapter that answers for it.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) resolved: registry_adapter::Destination,
    pub(crate) tags: Vec<Tag>,
    pub(crate) adapter: Option<(Plugin, Settings)>,
}

/// What the user's words were found to mean.
#[derive(Default)]
struct Meaning {
    translation: Translation,
    plugins: Vec<Plugin>,
    step: Step,
    notices: Vec<Finding>,
    destinations: Vec<Destination>,
    push_credentials: Settings,
    base_credentials: Settings,
}

/// Makes the plan.
///
/// # Errors
/// Everything that is wrong with the input, at once for each stage of the way.
pub async fn plan(request: &Request, surroundings: &Surroundings) -> Result<Planned, Failure> {
    // A file that is no plugin is an error also when nothing would ask it.
    surroundings.plugins.load_files().await?;
    let planner = Planner { request, surroundings, source: source::detect(&surroundings.environment) };
    let mut meaning = match &request.input {
        Input::CommandLine { step, references } => planner.command_line(step, references).await?,
        Input::File { .. } | Input::Variables { .. } => planner.translated().await?,
    };
    let supply = contexts::bring(&mut meaning.step.build, surroundings).await?;
    planner.adjust(&mut meaning.step)?;
    planner.place_cache(&mut meaning);
    let (material, graph_facts) = planner.material(&meaning.step, supply.as_ref())?;
    let outside = match material {
        Material::Recipe(_) => planner.outside(&meaning, &graph_facts).await?,
        Material::Archive(_) => None,
    };
    if let Some(outside) = &outside {
        meaning.plugins.push(outside.mapper.clone());
    }
    let policies = planner.policies(&meaning.translation).await?;
    meaning.plugins.extend(policies.iter().map(|(plugin, _)| plugin.clone()));
    planner.refuse_unused_overrides(&meaning)?;
    planner.refuse_unknown_plugins(&meaning).await?;
    let plan = planner.describe(&meaning, &material, &graph_facts, outside.as_ref(), supply.as_ref());
    Ok(Planned {
        plan,
        step: meaning.step,
        material,
        destinations: meaning.destinations,
        outside,
        policies,
        source: planner.source,
        graph_facts,
        push_credentials: meaning.push_credentials,
        base_credentials: meaning.base_credentials,
        _supply: supply,
    })
}

struct Planner<'a> {
    request: &'a Request,
    surroundings: &'a Surroundings,
    source: SourceFacts,
}

impl Planner<'_> {
    /// What the image is made from, and what is known of it before the build.
    fn material(&self, step: &Step, supply: Option<&Supply>) -> Result<(Material, bases::Facts), Failure> {
        let Some(archive) = &step.archive else {
            let read = || {
                let recipe = engine::recipe(&step.build, supply)?;
                let facts = bases::read(&step.build, &recipe)?;
                Ok((Material::Recipe(recipe), facts))
            };
            return read().map_err(|findings| Failure::new(ExitCode::Plan, findings));
        };
        if self.request.engine != EMBEDDED {
            let message = format!("only a push is wanted, and the engine `{}` would build", self.request.engine);
            let finding = Finding::deny("settings/engine", message).about("push-only");
            return Err(Failure::one(ExitCode::Settings, finding.help("name no engine")));
        }
        if !archive.exists() {
            let message = format!("there is no archive {}", archive.display());
            let finding = Finding::deny("settings/archive", message).about("source-tar-path");
            return Err(Failure::one(ExitCode::Plan, finding.help("check the path; it begins in the working directory")));
        }
        Ok((Material::Archive(archive.clone()), bases::Facts::default()))
    }

    fn context(&self, plugin: &Plugin) -> Context {
        let mut context = Context::closed(self.surroundings.events.clone()).allow(self.surroundings.plugins.allowed(plugin));
        context.files = Some(Arc::new(WorkingDirectory(self.surroundings.directory.clone())));
        context
    }
}
