//! From what the user handed over to a plan: dialect, adapter, tag policies, engine mapper. Nothing outside changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_core::plan::{self, Plan, PlannedSetting, SettingState};
use windlass_core::setting::{Assignment, Origin, Settings, Value, check};
use windlass_core::{EventSink, ExitCode, Finding, Platform, Repository, Severity, Tag};
use windlass_runtime::dialect::{self, Outcome, Target, Translation, Verdict};
use windlass_runtime::host::raw_settings::{Raw, RawEntry, RawValue};
use windlass_runtime::host::source::SourceFacts;
use windlass_runtime::tag_policy::{self, Tagging};
use windlass_runtime::{Context, Plugin, Role, registry_adapter};

use crate::configuration::{self, Configuration};
use crate::engine::{self, Recipe};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::input::{step_file, variables};
use crate::outside::{self, Outside};
use crate::plugins::{Plugins, allowed, refused};
use crate::ports::WorkingDirectory;
use crate::step::{self, Step};
use crate::{bases, source};

/// The dialect of step files.
const STEP_DIALECT: &str = "harness-step";
/// The dialect of variables.
const VARIABLES_DIALECT: &str = "drone-kaniko";
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
    /// Policies that must agree, besides those of the configuration.
    pub policies: Vec<String>,
    /// `OWNER.SETTING=VALUE`, over what the step says.
    pub overrides: Vec<String>,
    /// Registries that are reached somewhere else: `HOST=URL`.
    pub registry_map: Vec<String>,
    /// Whether nothing is pushed, whatever the step says.
    pub no_push: bool,
    /// The JSON report.
    pub report: Option<PathBuf>,
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
    /// Where progress goes.
    pub events: EventSink,
}

/// A plan, and everything that carrying it out takes.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    pub(crate) step: Step,
    pub(crate) recipe: Recipe,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) outside: Option<Outside>,
    pub(crate) policies: Vec<(Plugin, Settings)>,
    pub(crate) source: SourceFacts,
    pub(crate) graph_facts: bases::Facts,
    pub(crate) push_credentials: Settings,
    pub(crate) base_credentials: Settings,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("plan", &self.plan).finish_non_exhaustive()
    }
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
    planner.adjust(&mut meaning.step)?;
    let recipe = engine::recipe(&meaning.step.build).map_err(|findings| Failure::new(ExitCode::Plan, findings))?;
    let graph_facts = bases::read(&meaning.step.build, &recipe).map_err(|findings| Failure::new(ExitCode::Plan, findings))?;
    let outside = planner.outside(&meaning, &graph_facts).await?;
    if let Some(outside) = &outside {
        meaning.plugins.push(outside.mapper.clone());
    }
    let policies = planner.policies(&meaning.translation).await?;
    meaning.plugins.extend(policies.iter().map(|(plugin, _)| plugin.clone()));
    let plan = planner.describe(&meaning, &recipe, &graph_facts, outside.as_ref());
    Ok(Planned {
        plan,
        step: meaning.step,
        recipe,
        destinations: meaning.destinations,
        outside,
        policies,
        source: planner.source,
        graph_facts,
        push_credentials: meaning.push_credentials,
        base_credentials: meaning.base_credentials,
    })
}

struct Planner<'a> {
    request: &'a Request,
    surroundings: &'a Surroundings,
    source: SourceFacts,
}

impl Planner<'_> {
    fn context(&self, plugin: &Plugin) -> Context {
        let mut context = Context::closed(self.surroundings.events.clone()).allow(allowed(plugin));
        context.files = Some(Arc::new(WorkingDirectory(self.surroundings.directory.clone())));
        context
    }

    /// A step in the words of some CI.
    async fn translated(&self) -> Result<Meaning, Failure> {
        let (dialect, raw) = self.raw().await?;
        let context = self.context(&dialect);
        let translated = dialect::translate(&dialect, &context, &raw, &self.source).await;
        let mut translation = translated.map_err(|error| refused(ExitCode::Settings, error))?;
        self.refuse_denied(&translation.findings)?;
        self.add_overrides(&mut translation)?;
        let given = |target: &Target| -> Vec<Assignment> {
            translation.assignments.iter().filter(|a| a.target == *target).map(|a| a.assignment.clone()).collect()
        };
        let mut problems = Vec::new();
        let mut checked =
            |result: Result<Settings, Vec<Finding>>| result.map_err(|findings| problems.extend(findings)).unwrap_or_default();
        let step_settings = checked(check("the step", &step::specs(), &given(&Target::Step)));
        let credential_specs = crate::keys::specs();
        let push_credentials = checked(check("the push credentials", &credential_specs, &given(&Target::PushCredentials)));
        let base_credentials =
            checked(check("the base image credentials", &credential_specs, &given(&Target::BaseImageCredentials)));
        let (step, notices) = match step::read(&step_settings, &self.surroundings.environment) {
            Ok(pair) => pair,
            Err(findings) => {
                problems.extend(findings);
                Default::default()
            }
        };
        let mut meaning =
            Meaning { plugins: vec![dialect], step, notices, push_credentials, base_credentials, ..Meaning::default() };
        let adapter = self.adapter(&translation, &given(&Target::Adapter), &mut problems, &mut meaning).await?;
        if !problems.is_empty() {
            return Err(Failure::new(ExitCode::Settings, problems));
        }
        let tags = self.tags(&translation, &mut meaning).await?;
        if let Some((plugin, settings)) = adapter {
            let context = self.context(&plugin);
            let resolved = registry_adapter::resolve(&plugin, &context, &settings, &self.source).await;
            let resolved = resolved.map_err(|error| refused(ExitCode::Settings, error))?;
            meaning.destinations.push(Destination { resolved, tags, adapter: Some((plugin, settings)) });
        }
        meaning.translation = translation;
        Ok(meaning)
    }

    /// The dialect, and what it is to read.
    async fn raw(&self) -> Result<(Plugin, Raw), Failure> {
        let environment = &self.surroundings.environment;
        match &self.request.input {
            Input::File { path, step } => {
                let dialect = self.surroundings.plugins.in_role(STEP_DIALECT, Role::Dialect).await?;
                let path = self.surroundings.directory.join(path);
                let mut raw =
                    step_file::read(&path, step.as_deref()).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
                // Stage variables reach a step as variables too; what the file says counts first.
                for variable in variables(environment, &dialect.description().settings) {
                    if !raw.entries.iter().any(|entry| entry.name == variable.name) {
                        raw.entries.push(variable);
                    }
                }
                Ok((dialect, raw))
            }
            Input::Variables { variant } => {
                let dialect = self.surroundings.plugins.in_role(VARIABLES_DIALECT, Role::Dialect).await?;
                let mut entries = variables(environment, &dialect.description().settings);
                let origin = Origin::named("--from-env");
                entries.push(RawEntry { name: "variant".to_owned(), value: RawValue::Text(variant.clone()), origin });
                Ok((dialect, Raw { entries }))
            }
            Input::CommandLine { .. } => {
                Err(Failure::one(ExitCode::Internal, Finding::deny("internal", "a command line has no dialect")))
            }
        }
    }

    fn refuse_denied(&self, findings: &[Finding]) -> Result<(), Failure> {
        let denied: Vec<Finding> = findings.iter().filter(|finding| finding.severity == Severity::Deny).cloned().collect();
        findings
            .iter()
            .filter(|finding| finding.severity != Severity::Deny)
            .for_each(|finding| self.surroundings.events.notice(finding.clone()));
        if denied.is_empty() { Ok(()) } else { Err(Failure::new(ExitCode::Settings, denied)) }
    }

    /// `--set` comes before everything else.
    fn add_overrides(&self, translation: &mut Translation) -> Result<(), Failure> {
        let mut overrides = Vec::new();
        for text in &self.request.overrides {
            let (target, assignment) = split_override(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
            let target = match target {
                "step" => Target::Step,
                "push-credentials" => Target::PushCredentials,
                "base-image-credentials" => Target::BaseImageCredentials,
                name if translation.adapter.as_deref() == Some(name) => Target::Adapter,
                name if translation.tag_policies.iter().any(|policy| policy == name) => Target::TagPolicy(name.to_owned()),
                name if self.request.engine == name => Target::Engine,
                name => Target::Policy(name.to_owned()),
            };
            overrides.push(dialect::TargetAssignment { target, assignment, from: Vec::new() });
        }
        translation.assignments.splice(0..0, overrides);
        Ok(())
    }

    async fn adapter(
        &self,
        translation: &Translation,
        given: &[Assignment],
        problems: &mut Vec<Finding>,
        meaning: &mut Meaning,
    ) -> Result<Option<(Plugin, Settings)>, Failure> {
        let Some(name) = &translation.adapter else { return Ok(None) };
        let plugin = self.surroundings.plugins.in_role(name, Role::RegistryAdapter).await?;
        meaning.plugins.push(plugin.clone());
        match plugin.check_settings(given) {
            Ok(settings) => Ok(Some((plugin, settings))),
            Err(findings) => {
                problems.extend(findings);
                Ok(None)
            }
        }
    }

    /// The user's tags, then what each policy makes of them; `latest` when there are none.
    async fn tags(&self, translation: &Translation, meaning: &mut Meaning) -> Result<Vec<Tag>, Failure> {
        let mut tags = self.user_tags(&meaning.step.tags, translation)?;
        for name in &translation.tag_policies {
            let plugin = self.surroundings.plugins.in_role(name, Role::TagPolicy).await?;
            meaning.plugins.push(plugin.clone());
            let target = Target::TagPolicy(name.clone());
            let given: Vec<Assignment> =
                translation.assignments.iter().filter(|a| a.target == target).map(|a| a.assignment.clone()).collect();
            let settings = plugin.check_settings(&given).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
            let context = self.context(&plugin);
            let answer = tag_policy::tags(&plugin, &context, &settings, &self.source, &tags).await;
            match answer.map_err(|error| refused(ExitCode::Plan, error))? {
                Tagging::Tags(new) => tags = new,
                Tagging::DoesNotApply(reason) => {
                    meaning
                        .notices
                        .push(Finding::warn("tags/does-not-apply", format!("{name} does not apply: {reason}")).about(name));
                }
            }
        }
        if tags.is_empty() {
            tags.extend(Tag::parse("latest"));
        }
        Ok(tags)
    }

    fn user_tags(&self, texts: &[String], translation: &Translation) -> Result<Vec<Tag>, Failure> {
        let origin = translation
            .assignments
            .iter()
            .find(|a| a.target == Target::Step && a.assignment.name == "tags")
            .map(|a| &a.assignment.origin);
        let (mut tags, mut problems) = (Vec::new(), Vec::new());
        for text in texts {
            match Tag::parse(text) {
                Ok(tag) if tags.contains(&tag) => {}
                Ok(tag) => tags.push(tag),
                Err(error) => {
                    let finding =
                        Finding::deny("settings/tag", error.to_string()).about(origin.map_or("tags", |origin| &origin.name));
                    let finding =
                        finding.help("registries accept letters, digits, `_`, `.` and `-`; a branch name needs its `/` replaced");
                    problems.push(match origin.and_then(|origin| origin.place.clone()) {
                        Some(place) => finding.at(place),
                        None => finding,
                    });
                }
            }
        }
        if problems.is_empty() { Ok(tags) } else { Err(Failure::new(ExitCode::Settings, problems)) }
    }

    /// References of a command line, each with the adapter of its registry.
    async fn command_line(&self, step: &Step, references: &[windlass_core::Reference]) -> Result<Meaning, Failure> {
        let mut by_repository: BTreeMap<Repository, Vec<Tag>> = BTreeMap::new();
        for reference in references {
            let tags = by_repository.entry(reference.repository().clone()).or_default();
            tags.extend(reference.tag().cloned().or_else(|| Tag::parse("latest").ok()));
        }
        let mut meaning = Meaning { step: step.clone(), ..Meaning::default() };
        let mut adapters: BTreeMap<&str, Plugin> = BTreeMap::new();
        for (repository, tags) in by_repository {
            let resolved = registry_adapter::Destination::new(repository.clone(), "Docker");
            if !step.push {
                meaning.destinations.push(Destination { resolved, tags, adapter: None });
                continue;
            }
            let (name, given) = adapter_of(&repository);
            let plugin = match adapters.get(name) {
                Some(plugin) => plugin.clone(),
                None => self.surroundings.plugins.in_role(name, Role::RegistryAdapter).await?,
            };
            adapters.insert(name, plugin.clone());
            let mut assignments: Vec<Assignment> = Vec::new();
            for text in &self.request.overrides {
                let (owner, assignment) = split_override(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
                if owner == name {
                    assignments.push(assignment);
                }
            }
            assignments.extend(given.into_iter().map(|(name, text)| Assignment {
                name: name.to_owned(),
                value: Value::Text(text),
                origin: Origin::named("--tag"),
            }));
            let settings = plugin.check_settings(&assignments).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
            let context = self.context(&plugin);
            let resolved = registry_adapter::resolve(&plugin, &context, &settings, &self.source).await;
            let resolved = resolved.map_err(|error| refused(ExitCode::Settings, error))?;
            meaning.destinations.push(Destination { resolved, tags, adapter: Some((plugin, settings)) });
        }
        meaning.plugins.extend(adapters.into_values());
        Ok(meaning)
    }

    /// What the command line and the configuration say over the step.
    fn adjust(&self, step: &mut Step) -> Result<(), Failure> {
        let configuration = &self.surroundings.configuration;
        let given = configuration::registry_map(&self.request.registry_map)
            .map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
        step.registries.map =
            configuration.registry_map.iter().map(|(host, url)| (host.clone(), url.clone())).chain(given).collect();
        step.registries.mirrors.extend(configuration.registry_mirrors.iter().cloned());
        step.registries.insecure.extend(configuration.insecure_registries.iter().cloned());
        step.push &= !self.request.no_push;
        if self.request.report.is_some() {
            step.outputs.report.clone_from(&self.request.report);
        }
        resolve_paths(step, &self.surroundings.directory);
        if step.build.platforms.len() > 1 {
            let finding = Finding::deny("settings/platforms", "building for several platforms at once is not supported yet")
                .about("platforms")
                .help("run a build for each platform, with tags of its own");
            return Err(Failure::one(ExitCode::Settings, finding));
        }
        Ok(())
    }

    async fn outside(&self, meaning: &Meaning, facts: &bases::Facts) -> Result<Option<Outside>, Failure> {
        let name = match &meaning.translation.engine {
            Some(wanted) if self.request.engine == EMBEDDED => wanted.clone(),
            _ => self.request.engine.clone(),
        };
        if name == EMBEDDED {
            return Ok(None);
        }
        let mapper = self.surroundings.plugins.in_role(&name, Role::EngineMapper).await?;
        let mut given: Vec<Assignment> =
            meaning.translation.assignments.iter().filter(|a| a.target == Target::Engine).map(|a| a.assignment.clone()).collect();
        if matches!(self.request.input, Input::CommandLine { .. }) {
            given.extend(self.given_for(&name)?);
        }
        let settings = mapper.check_settings(&given).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
        let context = self.context(&mapper);
        outside::map(mapper, &context, &settings, &meaning.step, facts).await.map(Some)
    }

    /// Policies of the configuration and of the command line, each once, with their settings.
    async fn policies(&self, translation: &Translation) -> Result<Vec<(Plugin, Settings)>, Failure> {
        let mut names: Vec<&String> = self.surroundings.configuration.policies.iter().chain(&self.request.policies).collect();
        names.dedup();
        let mut policies: Vec<(Plugin, Settings)> = Vec::new();
        for name in names {
            let plugin = self.surroundings.plugins.in_role(name, Role::Policy).await?;
            if policies.iter().any(|(known, _)| known.digest() == plugin.digest()) {
                continue;
            }
            let target = Target::Policy(plugin.name().to_owned());
            let mut given = self.configured(plugin.name());
            if matches!(self.request.input, Input::CommandLine { .. }) {
                given.extend(self.given_for(plugin.name())?);
            }
            given.extend(translation.assignments.iter().filter(|a| a.target == target).map(|a| a.assignment.clone()));
            let settings = plugin.check_settings(&given).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
            policies.push((plugin, settings));
        }
        Ok(policies)
    }

    /// `--set` entries of one owner.
    fn given_for(&self, owner: &str) -> Result<Vec<Assignment>, Failure> {
        let mut given = Vec::new();
        for text in &self.request.overrides {
            let (named, assignment) = split_override(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
            if named == owner {
                given.push(assignment);
            }
        }
        Ok(given)
    }

    /// What the configuration file sets for a plugin. A platform team's word comes before the step's.
    fn configured(&self, plugin: &str) -> Vec<Assignment> {
        let settings = self.surroundings.configuration.settings.get(plugin).into_iter().flatten();
        settings
            .map(|(name, value)| Assignment {
                name: name.clone(),
                value: match value {
                    configuration::Value::Flag(flag) => Value::Flag(*flag),
                    configuration::Value::Integer(number) => Value::Integer(*number),
                    configuration::Value::Text(text) => Value::Text(text.clone()),
                    configuration::Value::Texts(texts) => Value::Texts(texts.clone()),
                    configuration::Value::Pairs(pairs) => {
                        Value::Pairs(pairs.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                    }
                },
                origin: Origin::named(format!("settings.{plugin}.{name} of the configuration file")),
            })
            .collect()
    }

    fn describe(&self, meaning: &Meaning, recipe: &Recipe, facts: &bases::Facts, outside: Option<&Outside>) -> Plan {
        let step = &meaning.step;
        let destinations = meaning.destinations.iter().map(|destination| plan::Destination {
            registry: destination.resolved.repository.registry().to_owned(),
            repository: destination.resolved.repository.path().to_owned(),
            tags: destination.tags.clone(),
            adapter: destination.adapter.as_ref().map_or(DEFAULT_ADAPTER, |(plugin, _)| plugin.name()).to_owned(),
            kind: destination.resolved.kind.clone(),
        });
        let platforms = if step.build.platforms.is_empty() { vec![Platform::host()] } else { step.build.platforms.clone() };
        Plan {
            destinations: destinations.collect(),
            push: step.push,
            engine: outside.map_or_else(
                || plan::Engine { name: EMBEDDED.to_owned(), command: Vec::new(), hand_off: None },
                Outside::planned,
            ),
            plugins: meaning.plugins.iter().map(Plugin::planned).collect(),
            build: plan::Build {
                context: step.build.context.display().to_string(),
                dockerfile: recipe.path.display().to_string(),
                target: step.build.target.clone(),
                platforms,
                build_args: step.build.arguments.iter().map(|argument| (argument.name.clone(), argument.shown())).collect(),
                labels: step.build.labels.clone(),
                bases: facts.bases.clone(),
            },
            outputs: step.outputs.planned(),
            settings: meaning.translation.outcomes.iter().map(|outcome| planned_setting(outcome, &meaning.translation)).collect(),
            findings: meaning.notices.clone(),
        }
    }
}

fn planned_setting(outcome: &Outcome, translation: &Translation) -> PlannedSetting {
    let becomes = translation.assignments.iter().filter(|assignment| assignment.from.contains(&outcome.name));
    let (state, note) = match &outcome.verdict {
        Verdict::Used => (SettingState::Used, None),
        Verdict::Ignored(reason) => (SettingState::Ignored, Some(reason.clone())),
        Verdict::Unknown(near) => (SettingState::Unknown, near.as_ref().map(|near| format!("did you mean `{near}`?"))),
    };
    let mut origin = outcome.origin.name.clone();
    if outcome.name.ends_with(&origin) {
        origin.clone_from(&outcome.name);
    }
    PlannedSetting {
        origin,
        place: outcome.origin.place.clone(),
        state,
        becomes: becomes.map(|assignment| format!("{}.{}", owner(&assignment.target), assignment.assignment.name)).collect(),
        value: outcome.value.clone(),
        note,
    }
}

fn owner(target: &Target) -> &str {
    match target {
        Target::Step => "step",
        Target::Adapter => "adapter",
        Target::TagPolicy(name) | Target::Policy(name) => name,
        Target::Engine => "engine",
        Target::BaseImageCredentials => "base-image-credentials",
        Target::PushCredentials => "push-credentials",
    }
}

/// `OWNER.SETTING=VALUE`
fn split_override(text: &str) -> Result<(&str, Assignment), Finding> {
    let parts = text.split_once('=').and_then(|(name, value)| name.split_once('.').map(|(owner, name)| (owner, name, value)));
    let Some((owner, name, value)) = parts.filter(|(owner, name, _)| !owner.is_empty() && !name.is_empty()) else {
        return Err(Finding::deny("settings/override", format!("`{text}` is not OWNER.SETTING=VALUE"))
            .about("--set")
            .help("write such as `step.target=release` or `base-images.allow=registry.example.com/*`"));
    };
    let assignment = Assignment { name: name.to_owned(), value: Value::Text(value.to_owned()), origin: Origin::named("--set") };
    Ok((owner, assignment))
}

/// The adapter of a registry, by the form of its host, and what it is told.
fn adapter_of(repository: &Repository) -> (&'static str, Vec<(&'static str, String)>) {
    let host = repository.registry();
    let parts: Vec<&str> = host.split('.').collect();
    let path = repository.path().to_owned();
    match parts.as_slice() {
        [account, "dkr", "ecr", region, "amazonaws", "com"] if account.len() == 12 => {
            ("ecr", vec![("region", (*region).to_owned()), ("account", (*account).to_owned()), ("repository", path)])
        }
        _ => (DEFAULT_ADAPTER, vec![("registry", host.to_owned()), ("repository", path)]),
    }
}

/// Paths are relative to the working directory; the context may say where it is for all others.
fn resolve_paths(step: &mut Step, directory: &std::path::Path) {
    if directory.as_os_str().is_empty() {
        return;
    }
    step.build.context = directory.join(&step.build.context);
    let outputs = &mut step.outputs;
    let single = [
        &mut outputs.artifact_file,
        &mut outputs.digest_file,
        &mut outputs.image_id_file,
        &mut outputs.name_with_digest_file,
        &mut outputs.name_tag_with_digest_file,
        &mut outputs.metadata_file,
        &mut outputs.report,
    ];
    single.into_iter().flatten().for_each(|path| *path = directory.join(&*path));
    let several = [&mut outputs.oci_layouts, &mut outputs.oci_archives, &mut outputs.docker_archives, &mut outputs.output_files];
    several.into_iter().flatten().for_each(|path| *path = directory.join(&*path));
}
