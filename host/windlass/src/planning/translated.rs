//! A step in the words of some CI.

use windlass_core::setting::{Assignment, Origin, Settings, Value, check};
use windlass_core::{ExitCode, Finding, Redactor, Severity};
use windlass_runtime::dialect::{self, Target, Translation};
use windlass_runtime::host::raw_settings::{Raw, RawEntry, RawValue};
use windlass_runtime::{Plugin, Role, registry_adapter};

use super::{Destination, Input, Meaning, Planner};
use crate::failure::Failure;
use crate::input::{step_file, variables};
use crate::plugins::refused;
use crate::step;

/// The dialect of step files.
const STEP_DIALECT: &str = "harness-step";
/// The dialect of variables.
const VARIABLES_DIALECT: &str = "drone-kaniko";

impl Planner<'_> {
    /// A step in the words of some CI.
    pub(super) async fn translated(&self) -> Result<Meaning, Failure> {
        let (dialect, raw) = self.raw().await?;
        let context = self.context(&dialect);
        let translated = dialect::translate(&dialect, &context, &raw, &self.source).await;
        let translation = translated.map_err(|error| refused(ExitCode::Settings, error))?;
        // A secret that also stands where none belongs must not be repeated as a wrong value.
        let secrets = Redactor::new(translation.assignments.iter().filter_map(|a| match &a.assignment.value {
            Value::Secret(secret) => Some(secret),
            _ => None,
        }));
        self.meaning(dialect, translation).await.map_err(|failure| failure.redacted(&secrets))
    }

    /// What a translation means, with the plugins that it names.
    async fn meaning(&self, dialect: Plugin, mut translation: Translation) -> Result<Meaning, Failure> {
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
        if let Some((plugin, settings)) = adapter {
            let context = self.context(&plugin);
            let resolved = registry_adapter::resolve(&plugin, &context, &settings, &self.source).await;
            let resolved = resolved.map_err(|error| placed(refused(ExitCode::Settings, error), &given(&Target::Adapter)))?;
            meaning.destinations.push(Destination { resolved, tags: Vec::new(), adapter: Some((plugin, settings)) });
        }
        let tags = self.tags(&translation, &mut meaning).await?;
        meaning.destinations.iter_mut().for_each(|destination| destination.tags.clone_from(&tags));
        meaning.translation = translation;
        Ok(meaning)
    }

    /// The dialect, and what it is to read.
    pub(super) async fn raw(&self) -> Result<(Plugin, Raw), Failure> {
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

    pub(super) fn refuse_denied(&self, findings: &[Finding]) -> Result<(), Failure> {
        let denied: Vec<Finding> = findings.iter().filter(|finding| finding.severity == Severity::Deny).cloned().collect();
        findings
            .iter()
            .filter(|finding| finding.severity != Severity::Deny)
            .for_each(|finding| self.surroundings.events.notice(finding.clone()));
        if denied.is_empty() { Ok(()) } else { Err(Failure::new(ExitCode::Settings, denied)) }
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
}

/// A plugin knows a setting by its own name; the user wants to know where it was written.
fn placed(failure: Failure, given: &[Assignment]) -> Failure {
    let place = |finding: Finding| {
        let written = given.iter().find(|assignment| finding.subject.as_deref() == Some(assignment.name.as_str()));
        match written.map(|assignment| &assignment.origin) {
            Some(Origin { name, place: Some(place) }) if finding.place.is_none() => finding.about(name).at(place.clone()),
            Some(Origin { name, .. }) => finding.about(name),
            None => finding,
        }
    };
    Failure { findings: failure.findings.into_iter().map(place).collect(), ..failure }
}
