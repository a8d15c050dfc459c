//! A step that a command line describes.

use std::collections::BTreeMap;

use windlass_core::setting::{Assignment, Origin, Value};
use windlass_core::{ExitCode, Repository, Tag};
use windlass_runtime::{Plugin, Role, registry_adapter};

use super::overrides::split;
use super::{DEFAULT_ADAPTER, Destination, Meaning, Planner};
use crate::failure::Failure;
use crate::plugins::refused;
use crate::step::Step;

impl Planner<'_> {
    /// References of a command line, each with the adapter of its registry.
    pub(super) async fn command_line(&self, step: &Step, references: &[windlass_core::Reference]) -> Result<Meaning, Failure> {
        let mut by_repository: BTreeMap<Repository, Vec<Tag>> = BTreeMap::new();
        for reference in references {
            let tags = by_repository.entry(reference.repository().clone()).or_default();
            tags.extend(reference.tag().cloned().or_else(|| Tag::parse("latest").ok()));
        }
        let mut meaning = Meaning { step: step.clone(), ..Meaning::default() };
        let mut adapters: BTreeMap<&str, Plugin> = BTreeMap::new();
        for (repository, tags) in by_repository {
            let resolved = registry_adapter::Destination::new(repository.clone(), "Docker");
            if !step.push && !step.build.caches_in_registries() {
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
                let (owner, assignment) = split(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
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
