//! The engine that builds, and the policies that must agree.

use windlass_core::setting::{Assignment, Settings};
use windlass_core::{ExitCode, Finding};
use windlass_runtime::dialect::{Target, Translation};
use windlass_runtime::{Plugin, Role};

use super::{EMBEDDED, Input, Meaning, Planner};
use crate::bases;
use crate::failure::Failure;
use crate::outside::{self, Outside};

impl Planner<'_> {
    pub(super) async fn outside(&self, meaning: &Meaning, facts: &bases::Facts) -> Result<Option<Outside>, Failure> {
        let name = match &meaning.translation.engine {
            Some(wanted) if self.request.engine == EMBEDDED => wanted.clone(),
            _ => self.request.engine.clone(),
        };
        if name == EMBEDDED {
            return Ok(None);
        }
        if meaning.step.build.target_platforms().len() > 1 {
            let finding = Finding::deny("settings/platforms", format!("the engine {name} builds for one platform at a time"))
                .about("platforms")
                .help("build with the embedded engine, or run a build for each platform");
            return Err(Failure::one(ExitCode::Settings, finding));
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
    pub(super) async fn policies(&self, translation: &Translation) -> Result<Vec<(Plugin, Settings)>, Failure> {
        let mut names: Vec<&String> = self.surroundings.configuration.policies.iter().chain(&self.request.policies).collect();
        names.dedup();
        let mut policies: Vec<(Plugin, Settings)> = Vec::new();
        for name in names {
            let plugin = self.surroundings.plugins.in_role(name, Role::Policy).await?;
            if policies.iter().any(|(known, _)| known.digest() == plugin.digest()) {
                continue;
            }
            let given = self.given(plugin.name(), translation)?;
            let settings = plugin.check_settings(&given).map_err(|findings| Failure::new(ExitCode::Settings, findings))?;
            policies.push((plugin, settings));
        }
        Ok(policies)
    }
}
