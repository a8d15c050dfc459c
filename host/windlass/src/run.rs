//! A plan is carried out: admitted, built, admitted again, exported, pushed, reported.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;
use windlass_builder::execute::{RemoteCache, StepOutcome, Workshop};
use windlass_builder::store::Store;
use windlass_core::{ExitCode, Finding, Reference, Repository, Severity, chain};
use windlass_layer::Compression;
use windlass_registry::image::Descriptor;
use windlass_registry::{Action, CredentialSource, Registry};
use windlass_runtime::host::plan_view::PlanFacts;
use windlass_runtime::host::registry_view::RegistryView;
use windlass_runtime::{Capability, Context, Plugin, policy, registry_adapter};
use windlass_sandbox::{Cancel, Probe};

use crate::ahead::Ahead;
use crate::archive;
use crate::attestation::Facts;
use crate::authorizing::{self, Access};
use crate::cache;
use crate::caches::{Caches, GivenUp, RegistryCache};
use crate::credentials::Credentials;
use crate::encoding::Encoder;
use crate::engine::{self, Circumstances, Recipe};
use crate::failure::Failure;
use crate::images::Image;
use crate::inside::Inside;
use crate::outputs;
use crate::outside;
use crate::planning::{Destination, Material, Planned, Surroundings};
use crate::plugins::refused;
use crate::publish::{self, Target};
use crate::registry_view::Look;
use crate::remote::Remote;
use crate::report::{ImageReport, Link, Report, StepReport};
use crate::step::Encoding;

/// Where and how a build works on this machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Where layers and caches are kept.
    pub store: PathBuf,
    /// How RUN steps are isolated.
    pub probe: Probe,
    /// What stops running steps.
    pub cancel: Cancel,
}

/// Carries out a plan. The report tells what was done also when it did not end well.
pub async fn run(planned: Planned, surroundings: &Surroundings, machine: &Machine) -> (Report, Result<(), Failure>) {
    let started = Instant::now();
    let mut report = Report::new(planned.plan.clone());
    let limit = planned.step.timeout;
    let work = Run { planned: &planned, surroundings, machine }.through(&mut report);
    let result = match limit {
        None => work.await,
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => {
                machine.cancel.cancel();
                Err(Failure::cancelled(&format!("the step did not end within its timeout of {} seconds", limit.as_secs())))
            }
        },
    };
    // A build that took every step from the cache has added nothing, and does not pay for a look at the store.
    let was_all_cached = !report.steps.is_empty() && report.steps.iter().all(|step| step.outcome == "cached");
    if report.image.is_some() && !was_all_cached {
        let (store, limit, events) = (machine.store.clone(), surroundings.configuration.store_limit, surroundings.events.clone());
        // A panic has been told already, and the image is made.
        let _ = tokio::task::spawn_blocking(move || cache::keep_within(&store, limit, &events)).await;
    }
    report.finish(result.as_ref().err(), started.elapsed());
    let result = match (&planned.step.outputs.report, result) {
        (Some(path), Ok(())) => outputs::write_report(path, &report).map_err(|error| Failure::from(vec![error])),
        (Some(path), failed) => {
            // The failure is what counts; a report that cannot be written on top of it would hide it.
            let _ = outputs::write_report(path, &report);
            failed
        }
        (None, result) => result,
    };
    (report, result)
}

struct Run<'a> {
    planned: &'a Planned,
    surroundings: &'a Surroundings,
    machine: &'a Machine,
}

impl Run<'_> {
    async fn through(self, report: &mut Report) -> Result<(), Failure> {
        let Planned { step, plan, .. } = self.planned;
        plan.findings.iter().for_each(|finding| self.surroundings.events.notice(finding.clone()));
        let asks_adapters = step.push || step.build.caches_in_registries() || self.policies_look();
        let credentials = self.access().credentials(asks_adapters)?;
        let registry = self.access().registry(&credentials)?;
        self.check_plan(&registry, report).await?;
        self.check_credentials(&credentials).await?;
        if step.push && step.skip_push_if_tag_exists && self.exists_already(&registry).await? {
            return Ok(());
        }
        let store = Store::open(&self.machine.store).map_err(|error| {
            let finding =
                Finding::deny("store/unusable", chain(&error)).help("name another directory with --store or WINDLASS_STORE");
            Failure::one(ExitCode::Build, finding)
        })?;
        let store = Arc::new(store);
        let started = jiff::Timestamp::now();
        let mut ahead = self.ahead(&registry, &store);
        let finished_layers = ahead.as_mut().and_then(Ahead::listener);
        for repository in step.build.cache_repositories() {
            self.prepare_cache(repository, report).await;
        }
        let caches = self.caches(&registry, &store).await;
        let image = self.build(&registry, &credentials, &store, finished_layers, caches.as_ref(), report).await?;
        report.image = Some(image.report());
        self.check_image(&image, &store, report).await?;
        if let Some(caches) = &caches {
            caches.release().await;
        }
        let targets: Vec<Target> = (self.planned.destinations.iter())
            .map(|destination| Target { repository: destination.resolved.repository.clone(), tags: destination.tags.clone() })
            .collect();
        let names: Vec<Reference> = targets.iter().flat_map(Target::references).collect();
        let is_built_here = self.planned.outside.is_none() && step.archive.is_none();
        let built = if is_built_here { self.compression() } else { Compression::default() };
        let facts = Facts {
            build: &step.build,
            dockerfile: self.dockerfile(),
            bases: &image.bases,
            names: &names,
            started,
            finished: jiff::Timestamp::now(),
        };
        let facts = step.build.is_attested().then_some(&facts);
        let encoder = Encoder { store: &store, events: &self.surroundings.events, built, facts };
        publish::export(&image, &step.outputs.exports, &names, &encoder).await?;
        let told = encoder.attested(&image, step.outputs.told(step.push)).await?;
        let image = &told;
        report.image = Some(image.report());
        if step.push && !targets.is_empty() {
            for destination in &self.planned.destinations {
                report.prepared.extend(self.prepare(destination).await?);
            }
            if let Some(ahead) = ahead {
                ahead.finish().await;
            }
            report.pushed = publish::push(image, &targets, &registry, &self.surroundings.events).await?;
            for destination in &self.planned.destinations {
                report.links.extend(self.links(destination, &image.report()).await);
            }
        }
        let cached = match &caches {
            Some(caches) => caches.write(image.diff_ids(), &store, &self.surroundings.events).await,
            None => Ok(()),
        };
        match outputs::write(&step.outputs, plan, &image.report()) {
            errors if errors.is_empty() => cached,
            errors => Err(errors.into()),
        }
    }

    fn context(&self, plugin: &Plugin) -> Context {
        authorizing::context(plugin, self.surroundings)
    }

    async fn check_plan(&self, registry: &Registry, report: &mut Report) -> Result<(), Failure> {
        let mut findings = Vec::new();
        let views = self.views(registry);
        for (plugin, settings) in &self.planned.policies {
            let facts = Arc::new(PlanFacts {
                stages: self.planned.graph_facts.stages.clone(),
                further_bases: self.planned.graph_facts.further.clone(),
                source: self.planned.source.clone(),
                views: views.clone(),
                ..PlanFacts::new(self.planned.plan.clone())
            });
            let told = policy::check_plan(plugin, &self.context(plugin), settings, facts).await;
            findings.extend(told.map_err(|error| refused(ExitCode::Plan, error))?);
        }
        self.admit(findings, report)
    }

    /// Whether a policy may look at the destinations.
    fn policies_look(&self) -> bool {
        let may = |plugin: &Plugin| self.context(plugin).is_granted(plugin.description(), &Capability::RegistryView);
        self.planned.policies.iter().any(|(plugin, _)| may(plugin))
    }

    /// What policies may look at of each destination, when one of them may.
    fn views(&self, registry: &Registry) -> Vec<Option<Arc<dyn RegistryView>>> {
        if !self.policies_look() {
            return Vec::new();
        }
        let view = |destination: &Destination| Look::at(registry, &destination.resolved.repository);
        self.planned.destinations.iter().map(|destination| Some(view(destination))).collect()
    }

    async fn check_image(&self, image: &Image, store: &Arc<Store>, report: &mut Report) -> Result<(), Failure> {
        let mut findings = Vec::new();
        for (plugin, settings) in &self.planned.policies {
            for member in &image.members {
                let view = Arc::new(Inside::new(image, member, store));
                let told = policy::check_image(plugin, &self.context(plugin), settings, view).await;
                findings.extend(told.map_err(|error| refused(ExitCode::Plan, error))?);
            }
        }
        self.admit(findings, report)
    }

    fn admit(&self, findings: Vec<Finding>, report: &mut Report) -> Result<(), Failure> {
        let (denied, others): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.severity == Severity::Deny);
        for finding in others {
            self.surroundings.events.notice(finding.clone());
            report.findings.push(finding);
        }
        if denied.is_empty() { Ok(()) } else { Err(Failure::new(ExitCode::Denied, denied)) }
    }

    fn access(&self) -> Access<'_> {
        let Planned { step, destinations, push_credentials, base_credentials, .. } = self.planned;
        Access {
            destinations,
            push: push_credentials,
            base: base_credentials,
            registries: &step.registries,
            surroundings: self.surroundings,
        }
    }

    /// Asks for every credential that the push will need, before anything is built: a login that fails is told at once.
    async fn check_credentials(&self, credentials: &Credentials) -> Result<(), Failure> {
        for destination in self.planned.destinations.iter().filter(|_| self.planned.step.push) {
            let (repository, action) = (destination.resolved.repository.clone(), Action::Push);
            if let Err(source) = credentials.credential(&repository, action).await {
                let error = windlass_registry::Error::Credential { repository: repository.clone(), action, source };
                return Err(publish::PublishError::Push { repository, source: Box::new(error) }.into());
            }
        }
        Ok(())
    }

    /// Whether a tag is there already, so that nothing is to be done.
    async fn exists_already(&self, registry: &Registry) -> Result<bool, Failure> {
        for destination in &self.planned.destinations {
            for tag in &destination.tags {
                let reference = destination.resolved.repository.tagged(tag.clone());
                let found = registry.pushed_digest(&reference).await.map_err(|source| {
                    let repository = destination.resolved.repository.clone();
                    Failure::from(publish::PublishError::Push { repository, source: Box::new(source) })
                })?;
                if found.is_some() {
                    let finding = Finding::warn("push/exists", format!("{reference} exists already: nothing is built or pushed"));
                    self.surroundings.events.notice(finding.about("skip-push-if-tag-exists"));
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Layers are sent while the build goes on, unless a policy has still to see what is in the image.
    fn ahead(&self, registry: &Registry, store: &Store) -> Option<Ahead> {
        let Planned { step, policies, destinations, outside, .. } = self.planned;
        let repositories = repositories(destinations);
        let may = step.push && policies.is_empty() && outside.is_none() && !repositories.is_empty();
        may.then(|| Ahead::start(registry, repositories, store.blobs(), &self.surroundings.events))
    }

    /// The caches that results of steps are taken from and given to.
    async fn caches(&self, registry: &Registry, store: &Store) -> Option<Arc<Caches>> {
        let Planned { step, destinations, policies, .. } = self.planned;
        let build = &step.build;
        if build.shared_cache.is_none() && build.cache_from.is_empty() && build.cache_to.is_empty() {
            return None;
        }
        let events = &self.surroundings.events;
        let repository = build.shared_cache.as_ref().and_then(|shared| {
            Some(RegistryCache {
                registry: registry.clone(),
                repository: shared.repository.clone()?,
                max_age: shared.max_age,
                blobs: store.blobs().clone(),
                events: events.clone(),
                waiting: (!policies.is_empty()).then(Mutex::default),
                given_up: GivenUp::default(),
            })
        });
        // Whoever looks into the image or writes it needs its layers here.
        let is_opened = !step.outputs.exports.is_empty()
            || !policies.is_empty()
            || build.is_attested()
            || step.outputs.pushed != Encoding::default();
        let destinations = if step.push { repositories(destinations) } else { Vec::new() };
        let sources = if build.no_cache { &[] } else { build.cache_from.as_slice() };
        let images = (sources, build.cache_to.as_slice());
        Some(Arc::new(Caches::open(registry, destinations, !is_opened, repository, images, events).await))
    }

    /// Lets an adapter make the cache's repository, as it does with a destination. A build goes on without.
    async fn prepare_cache(&self, repository: &Repository, report: &mut Report) {
        let same = |destination: &&Destination| destination.resolved.repository.registry() == repository.registry();
        let Some(destination) = self.planned.destinations.iter().find(same) else { return };
        if destination.resolved.repository == *repository {
            return;
        }
        let mut resolved = registry_adapter::Destination::new(repository.clone(), &destination.resolved.kind);
        resolved.attributes.clone_from(&destination.resolved.attributes);
        let wanted = Destination { resolved, tags: Vec::new(), adapter: destination.adapter.clone() };
        match self.prepare(&wanted).await {
            Ok(prepared) => report.prepared.extend(prepared),
            Err(failure) => {
                let message = format!("the repository {repository} of the cache is not prepared: {failure}");
                self.surroundings.events.notice(Finding::warn("cache/registry", message).about("cache"));
            }
        }
    }

    async fn build(
        &self,
        registry: &Registry,
        credentials: &Credentials,
        store: &Arc<Store>,
        finished_layers: Option<UnboundedSender<Descriptor>>,
        caches: Option<&Arc<Caches>>,
        report: &mut Report,
    ) -> Result<Image, Failure> {
        let Planned { step, material, outside, graph_facts, .. } = self.planned;
        let environment = &self.surroundings.environment;
        let events = &self.surroundings.events;
        let recipe = match material {
            Material::Recipe(recipe) => recipe,
            Material::Archive(path) => return self.taken_over(path, store).await,
        };
        if let Some(outside) = outside {
            let scratch = self.machine.store.join("engines");
            let fill = outside::fill(step, &recipe.path, graph_facts, environment, credentials).await?;
            return outside::build(outside, fill, environment, scratch, store.blobs(), events).await;
        }
        let circumstances = Circumstances {
            environment,
            probe: &self.machine.probe,
            platforms: step.build.target_platforms(),
            compression: self.compression(),
        };
        let workshop = Workshop {
            store: Arc::clone(store),
            registry: registry.clone(),
            remotes: Arc::new(
                Remote::of_dockerfile(&step.build, environment, store)
                    .map_err(|finding| Failure::one(ExitCode::Settings, finding))?,
            ),
            events: events.clone(),
            cancel: self.machine.cancel.clone(),
            finished_layers,
            remote_cache: caches.map(|caches| Arc::clone(caches) as Arc<dyn RemoteCache>),
        };
        let mut built =
            engine::build(&step.build, recipe, &circumstances, workshop).await.map_err(|error| Failure::from(error.as_ref()))?;
        report.steps = built.iter().flat_map(|image| &image.steps).map(|(title, outcome)| step_report(title, outcome)).collect();
        if let Some(caches) = caches {
            caches.put_inside(&mut built, store.blobs()).map_err(|error| {
                let message = format!("cannot put the cache into the image: {}", chain(&error));
                Failure::one(ExitCode::Build, Finding::deny("cache/export", message).about("cache-to"))
            })?;
        }
        Image::built(built, &step.build.annotations, store.blobs().clone(), registry.clone())
            .map_err(|error| Failure::one(ExitCode::Internal, Finding::deny("internal", chain(&error))))
    }

    /// The image of an archive, which is pushed as it is.
    async fn taken_over(&self, path: &Path, store: &Store) -> Result<Image, Failure> {
        archive::read(path, store.blobs()).await.map_err(|why| {
            let finding = Finding::deny("archive/image", format!("the archive cannot be pushed: {why}")).about("source-tar-path");
            Failure::one(ExitCode::Build, finding.help("write it with `tar-path`, `docker save`, or `skopeo copy` to an archive"))
        })
    }

    /// The Dockerfile's path below the context, or its name where it lies elsewhere; nothing where nothing is built.
    fn dockerfile(&self) -> String {
        let Material::Recipe(Recipe { path, .. }) = &self.planned.material else { return String::new() };
        let below = path.strip_prefix(&self.planned.step.build.context).ok();
        let name = below.or_else(|| path.file_name().map(std::path::Path::new)).unwrap_or(path);
        name.to_string_lossy().into_owned()
    }

    /// How the embedded engine compresses layers.
    fn compression(&self) -> Compression {
        let step = &self.planned.step;
        step.outputs.told(step.push).compression.unwrap_or_default()
    }

    async fn prepare(&self, destination: &Destination) -> Result<Vec<String>, Failure> {
        let Some((plugin, settings)) = &destination.adapter else { return Ok(Vec::new()) };
        let prepared = registry_adapter::prepare(plugin, &self.context(plugin), settings, &destination.resolved).await;
        let done = prepared.map_err(|error| {
            let failure = refused(ExitCode::Push, error);
            let credentials = failure.findings.iter().any(|finding| finding.rule.ends_with("credentials"));
            if credentials { Failure { code: ExitCode::Credentials, ..failure } } else { failure }
        })?;
        done.iter().for_each(|text| self.surroundings.events.notice(Finding::inform("push/prepared", text.clone())));
        Ok(done)
    }

    /// Links are a service; an adapter that cannot give them does not spoil a push that was done.
    async fn links(&self, destination: &Destination, image: &ImageReport) -> Vec<Link> {
        let Some((plugin, settings)) = &destination.adapter else { return Vec::new() };
        match registry_adapter::links(plugin, &self.context(plugin), settings, &destination.resolved, &image.digest).await {
            Ok(links) => links.into_iter().map(|link| Link { title: link.title, url: link.url }).collect(),
            Err(error) => {
                self.surroundings.events.notice(Finding::warn("push/links", chain(&error)));
                Vec::new()
            }
        }
    }
}

fn repositories(destinations: &[Destination]) -> Vec<Repository> {
    destinations.iter().map(|destination| destination.resolved.repository.clone()).collect()
}

fn step_report(title: &str, outcome: &StepOutcome) -> StepReport {
    let (outcome, reason, from) = match outcome {
        StepOutcome::Run(reason) => ("run", Some(reason.clone()), None),
        StepOutcome::Cached(from) => ("cached", None, from.as_ref().map(ToString::to_string)),
    };
    StepReport { title: title.to_owned(), outcome: outcome.to_owned(), reason, from }
}
