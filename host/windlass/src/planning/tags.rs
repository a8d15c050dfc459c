//! The user's tags, and what tag policies make of them.

use std::sync::Arc;

use windlass_core::{ExitCode, Finding, Tag};
use windlass_runtime::dialect::{Target, Translation};
use windlass_runtime::host::registry_view::RegistryView;
use windlass_runtime::tag_policy::{self, Tagging};
use windlass_runtime::{Capability, Role};

use super::{Meaning, Planner};
use crate::authorizing::Access;
use crate::failure::Failure;
use crate::plugins::refused;
use crate::registry_view::Look;

impl Planner<'_> {
    /// The user's tags, then what each policy makes of them; `latest` when there are none.
    pub(super) async fn tags(&self, translation: &Translation, meaning: &mut Meaning) -> Result<Vec<Tag>, Failure> {
        let mut tags = self.user_tags(&meaning.step.tags, translation)?;
        let configured = self.surroundings.configuration.tag_policies.iter();
        for name in translation.tag_policies.iter().chain(configured).chain(&self.request.tag_policies) {
            let plugin = self.surroundings.plugins.in_role(name, Role::TagPolicy).await?;
            if meaning.plugins.iter().any(|known| known.digest() == plugin.digest()) {
                continue;
            }
            meaning.plugins.push(plugin.clone());
            let given = self.given(plugin.name(), translation)?;
            let settings = plugin.check_settings(&given).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
            let mut context = self.context(&plugin);
            if context.is_granted(plugin.description(), &Capability::RegistryView) {
                context.registry_view = self.look(meaning)?;
            }
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

    /// A look at the destination. Only a policy that has the grant, and asks, makes a plan leave this machine.
    fn look(&self, meaning: &Meaning) -> Result<Option<Arc<dyn RegistryView>>, Failure> {
        let Some(destination) = meaning.destinations.first() else { return Ok(None) };
        let mut registries = meaning.step.registries.clone();
        self.adjust_registries(&mut registries)?;
        let access = Access {
            destinations: &meaning.destinations,
            push: &meaning.push_credentials,
            base: &meaning.base_credentials,
            registries: &registries,
            surroundings: self.surroundings,
        };
        let registry = access.registry(&access.credentials(true)?)?;
        Ok(Some(Look::at(&registry, &destination.resolved.repository)))
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
}
