//! The image of a run: built here, by another engine, or taken over from an archive.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use windlass_builder::execute::{NewLayer, RemoteCache, StepOutcome, Workshop};
use windlass_builder::store::Store;
use windlass_core::{ExitCode, Finding, chain};
use windlass_registry::Registry;

use super::Run;
use crate::archive;
use crate::caches::Caches;
use crate::credentials::Credentials;
use crate::engine::{self, Circumstances};
use crate::failure::Failure;
use crate::images::Image;
use crate::outside;
use crate::planning::{Material, Planned};
use crate::remote::Remote;
use crate::report::{Report, StepReport};

impl Run<'_> {
    pub(super) async fn build(
        &self,
        registry: &Registry,
        credentials: &Credentials,
        store: &Arc<Store>,
        new_layers: Option<UnboundedSender<NewLayer>>,
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
            new_layers,
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
}

fn step_report(title: &str, outcome: &StepOutcome) -> StepReport {
    let (outcome, reason, from) = match outcome {
        StepOutcome::Run(reason) => ("run", Some(reason.clone()), None),
        StepOutcome::Cached(from) => ("cached", None, from.as_ref().map(ToString::to_string)),
    };
    StepReport { title: title.to_owned(), outcome: outcome.to_owned(), reason, from }
}
