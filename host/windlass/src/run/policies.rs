//! What policies say of the plan and of the image.

use std::sync::Arc;

use windlass_builder::store::Store;
use windlass_core::{ExitCode, Finding, Severity};
use windlass_registry::Registry;
use windlass_runtime::host::plan_view::PlanFacts;
use windlass_runtime::host::registry_view::RegistryView;
use windlass_runtime::{Capability, Plugin, policy};

use super::Run;
use crate::failure::Failure;
use crate::images::Image;
use crate::inside::Inside;
use crate::planning::Destination;
use crate::plugins::refused;
use crate::registry_view::Look;
use crate::report::Report;

impl Run<'_> {
    pub(super) async fn check_plan(&self, registry: &Registry, report: &mut Report) -> Result<(), Failure> {
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
    pub(super) fn policies_look(&self) -> bool {
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

    pub(super) async fn check_image(&self, image: &Image, store: &Arc<Store>, report: &mut Report) -> Result<(), Failure> {
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
}
