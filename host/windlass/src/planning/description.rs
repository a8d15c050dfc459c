//! The plan, as it is printed.

use windlass_core::plan::{self, Plan, PlannedSetting, SettingState};
use windlass_runtime::Plugin;
use windlass_runtime::dialect::{Outcome, Target, Translation, Verdict};

use super::{DEFAULT_ADAPTER, EMBEDDED, Material, Meaning, Planner};
use crate::bases;
use crate::outside::Outside;
use crate::remote::contexts::Supply;

impl Planner<'_> {
    pub(super) fn describe(
        &self,
        meaning: &Meaning,
        material: &Material,
        facts: &bases::Facts,
        outside: Option<&Outside>,
        supply: Option<&Supply>,
    ) -> Plan {
        let step = &meaning.step;
        let destinations = meaning.destinations.iter().map(|destination| plan::Destination {
            registry: destination.resolved.repository.registry().to_owned(),
            repository: destination.resolved.repository.path().to_owned(),
            tags: destination.tags.clone(),
            adapter: destination.adapter.as_ref().map_or(DEFAULT_ADAPTER, |(plugin, _)| plugin.name()).to_owned(),
            kind: destination.resolved.kind.clone(),
        });
        Plan {
            destinations: destinations.collect(),
            push: step.push,
            engine: outside.map_or_else(
                || plan::Engine { name: EMBEDDED.to_owned(), command: Vec::new(), hand_off: None },
                Outside::planned,
            ),
            plugins: meaning.plugins.iter().map(Plugin::planned).collect(),
            build: plan::Build {
                context: supply
                    .and_then(|supply| supply.context.clone())
                    .unwrap_or_else(|| step.build.context.display().to_string()),
                dockerfile: match material {
                    Material::Recipe(recipe) => Some(recipe.title.clone()),
                    Material::Archive(_) => None,
                },
                archive: match material {
                    Material::Recipe(_) => None,
                    Material::Archive(path) => Some(path.display().to_string()),
                },
                target: step.build.target.clone(),
                platforms: step.build.target_platforms(),
                build_args: step.build.arguments.iter().map(|argument| (argument.name.clone(), argument.shown())).collect(),
                labels: step.build.labels.clone(),
                squash: step.build.squash,
                cache_repository: step.build.shared_cache.as_ref().and_then(|cache| cache.repository.clone()),
                cache_from: step.build.cache_from.iter().map(ToString::to_string).collect(),
                cache_to: step.build.cache_to.iter().map(ToString::to_string).collect(),
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
