//! Settings that come before the step's own: `--set`, and the configuration file's.

use windlass_core::setting::{Assignment, Origin, Value};
use windlass_core::suggest::nearest;
use windlass_core::{ExitCode, Finding};
use windlass_runtime::dialect::{self, Target, Translation};
use windlass_runtime::{Plugin, Role};

use super::Planner;
use crate::configuration;
use crate::failure::Failure;

impl Planner<'_> {
    /// `--set` comes before everything else.
    pub(super) fn add_overrides(&self, translation: &mut Translation) -> Result<(), Failure> {
        let mut overrides = Vec::new();
        for text in &self.request.overrides {
            let (target, assignment) = split(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
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

    /// Refuses `--set` for an owner that has no part in the run: it would be lost without a word.
    pub(super) fn check_owners(&self, plugins: &[Plugin]) -> Result<(), Failure> {
        let mut owners = vec!["step", "push-credentials", "base-image-credentials"];
        owners.extend(plugins.iter().filter(|plugin| plugin.role() != Role::Dialect).map(Plugin::name));
        let mut problems = Vec::new();
        for text in &self.request.overrides {
            let (owner, _) = split(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
            if !owners.contains(&owner) {
                let message = format!("`{text}` sets something of `{owner}`, which has no part in this run");
                let help = match nearest(owner, owners.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("what has a part is {}", owners.join(", ")),
                };
                problems.push(Finding::deny("settings/override", message).about("--set").help(help));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Failure::new(ExitCode::Settings, problems)) }
    }

    /// `--set` entries of one owner.
    pub(super) fn given_for(&self, owner: &str) -> Result<Vec<Assignment>, Failure> {
        let mut given = Vec::new();
        for text in &self.request.overrides {
            let (named, assignment) = split(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
            if named == owner {
                given.push(assignment);
            }
        }
        Ok(given)
    }

    /// What the configuration file sets for a plugin. A platform team's word comes before the step's.
    pub(super) fn configured(&self, plugin: &str) -> Vec<Assignment> {
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
}

/// `OWNER.SETTING=VALUE`
pub(super) fn split(text: &str) -> Result<(&str, Assignment), Finding> {
    let parts = text.split_once('=').and_then(|(name, value)| name.split_once('.').map(|(owner, name)| (owner, name, value)));
    let Some((owner, name, value)) = parts.filter(|(owner, name, _)| !owner.is_empty() && !name.is_empty()) else {
        return Err(Finding::deny("settings/override", format!("`{text}` is not OWNER.SETTING=VALUE"))
            .about("--set")
            .help("write such as `step.target=release` or `base-images.allow=registry.example.com/*`"));
    };
    let assignment = Assignment { name: name.to_owned(), value: Value::Text(value.to_owned()), origin: Origin::named("--set") };
    Ok((owner, assignment))
}
