//! A plan is carried out: admitted, built, admitted again, exported, pushed, reported.

mod adapters;
mod build;
mod caches;
mod policies;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use windlass_builder::store::Store;
use windlass_core::{ExitCode, Finding, Reference, Repository, chain};
use windlass_layer::Compression;
use windlass_registry::{Action, CredentialSource, Registry};
use windlass_runtime::{Context, Plugin};
use windlass_sandbox::{Cancel, Probe};

use crate::ahead::Ahead;
use crate::attestation::Facts;
use crate::authorizing::{self, Access};
use crate::cache;
use crate::credentials::Credentials;
use crate::encoding::Encoder;
use crate::engine::Recipe;
use crate::failure::Failure;
use crate::outputs;
use crate::planning::{Destination, Material, Planned, Surroundings};
use crate::publish::{self, Target};
use crate::report::Report;

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
        let new_layers = ahead.as_mut().and_then(Ahead::listener);
        for repository in step.build.cache_repositories() {
            self.prepare_cache(repository, report).await;
        }
        let caches = self.caches(&registry, &store).await;
        let image = self.build(&registry, &credentials, &store, new_layers, caches.as_ref(), report).await?;
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
        // Without it, what is made anew has new times in it, and nobody has that layer.
        let is_reproducible = step.build.source_date_epoch.is_some();
        may.then(|| Ahead::start(registry, repositories, store.blobs(), is_reproducible, &self.surroundings.events))
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
}

fn repositories(destinations: &[Destination]) -> Vec<Repository> {
    destinations.iter().map(|destination| destination.resolved.repository.clone()).collect()
}
