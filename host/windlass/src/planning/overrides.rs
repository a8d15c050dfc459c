//! Settings that come before the step's own: `--set`, and the configuration file's.

use windlass_core::setting::{Assignment, Origin, Value};
use windlass_core::{ExitCode, Finding, suggest};
use windlass_runtime::Plugin;
use windlass_runtime::dialect::{self, Target, Translation};

use super::{Input, Meaning, Planner};
use crate::configuration::{self, Configuration};
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
                name if self.request.engine == name => Target::Engine,
                name => Target::Policy(name.to_owned()),
            };
            overrides.push(dialect::TargetAssignment { target, assignment, from: Vec::new() });
        }
        translation.assignments.splice(0..0, overrides);
        Ok(())
    }

    /// What is set for a tag policy or a policy: by the configuration file, on the command line, by the step.
    pub(super) fn given(&self, plugin: &str, translation: &Translation) -> Result<Vec<Assignment>, Failure> {
        let mut given = self.configured(plugin);
        if matches!(self.request.input, Input::CommandLine { .. }) {
            given.extend(self.given_for(plugin)?);
        }
        let targets = [Target::TagPolicy(plugin.to_owned()), Target::Policy(plugin.to_owned())];
        given.extend(translation.assignments.iter().filter(|a| targets.contains(&a.target)).map(|a| a.assignment.clone()));
        Ok(given)
    }

    /// Refuses `--set` for what has no part in this run: it would change nothing, and nobody would notice.
    pub(super) fn refuse_unused_overrides(&self, meaning: &Meaning) -> Result<(), Failure> {
        let fixed: &[&str] = match self.request.input {
            Input::CommandLine { .. } => &[],
            _ => &["step", "push-credentials", "base-image-credentials"],
        };
        let owners: Vec<&str> = fixed.iter().copied().chain(meaning.plugins.iter().map(Plugin::name)).collect();
        let mut problems = Vec::new();
        for text in &self.request.overrides {
            let (owner, _) = split(text).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
            if owners.contains(&owner) {
                continue;
            }
            let finding = Finding::deny("settings/override", format!("`{owner}` has no part in this run")).about("--set");
            problems.push(match suggest::nearest(owner, owners.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None if owners.is_empty() => finding.help("no plugin takes part in it; the options of the command set the rest"),
                None => finding.help(format!("what can be set belongs to {}", owners.join(", "))),
            });
        }
        if problems.is_empty() { Ok(()) } else { Err(Failure::new(ExitCode::Settings, problems)) }
    }

    /// Refuses settings and grants of the configuration for plugins that nobody knows: a policy under a misspelt name would go
    /// without them.
    pub(super) async fn refuse_unknown_plugins(&self, meaning: &Meaning) -> Result<(), Failure> {
        let Configuration { settings, grants, .. } = &self.surroundings.configuration;
        if settings.is_empty() && grants.is_empty() {
            return Ok(());
        }
        let mut known = self.surroundings.plugins.names().await?;
        known.extend(meaning.plugins.iter().map(|plugin| plugin.name().to_owned()));
        // A command line has its tags and asks no tag policy, which may be configured all the same.
        for name in &self.surroundings.configuration.tag_policies {
            known.push(self.surroundings.plugins.named(name).await?.name().to_owned());
        }
        let tables = settings.keys().map(|name| ("settings", name)).chain(grants.keys().map(|name| ("grants", name)));
        let problems = tables.filter(|(_, name)| !known.contains(name)).map(|(table, name)| {
            let message = format!("`{table}.{name}` of the configuration file is for a plugin that there is not");
            let finding = Finding::deny("configuration/plugin", message);
            match suggest::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("list its component file under `plugins`, `policies` or `tag-policies`"),
            }
        });
        let problems: Vec<Finding> = problems.collect();
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
