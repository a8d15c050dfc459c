//! Whether RUN steps can be run here, told before anything is fetched.

use windlass_core::Finding;
use windlass_dockerfile::Instruction;
use windlass_dockerfile::graph::BuildGraph;
use windlass_sandbox::{Isolation, Probe, Unlimited};

/// How to get an isolation.
const HELP: &str = "run as root, allow user namespaces (kernel.unprivileged_userns_clone and the container's seccomp profile), or run \
as root of a container with docker's default capabilities; docs/isolation.md tells what each way takes";

/// Says how the RUN steps of the needed stages are isolated; a finding against the Dockerfile when they cannot be.
pub(crate) fn check(graph: &BuildGraph, probe: &Probe) -> Result<Option<Finding>, Finding> {
    let mut steps = graph.needed().iter().flat_map(|&index| &graph.stages()[index].steps);
    let Some(step) = steps.find(|step| matches!(step.statement.instruction, Instruction::Run(_))) else { return Ok(None) };
    let reasons = refused(probe);
    if probe.chosen.can_run() {
        let why = match (reasons.is_empty(), probe.chosen) {
            (false, _) => format!("because {reasons}"),
            (true, Isolation::Root) => "as the strongest that there is".to_owned(),
            (true, _) => "as it was asked for".to_owned(),
        };
        return Ok(Some(Finding::inform("build/isolation", format!("RUN steps use the isolation `{}`, {why}", probe.chosen))));
    }
    let why = if reasons.is_empty() { "`--isolation nothing` was asked for".to_owned() } else { reasons };
    let message = format!("RUN needs an isolation from the machine, and none is possible here: {why}");
    Err(Finding::deny("build/no-isolation", message).at(step.statement.place.clone()).help(HELP))
}

/// Says that RUN steps may use more than was asked for.
pub(crate) fn unlimited(limit: &Unlimited) -> Finding {
    let (what, subject) = if limit.controller == "memory" { ("memory", "memory-limit") } else { ("processor time", "cpu-limit") };
    let message = format!("RUN steps are not limited in their {what}: {}", limit.reason);
    let help = "run where control groups can be written, or limit the container that the build runs in";
    Finding::warn("build/limits", message).about(subject).help(help)
}

/// What was tried in vain.
fn refused(probe: &Probe) -> String {
    let refused = probe.reasons.iter().filter_map(|(isolation, result)| Some((isolation, result.as_ref().err()?)));
    refused.map(|(isolation, reason)| format!("`{isolation}`: {reason}")).collect::<Vec<_>>().join("; ")
}

impl super::request::BuildRequest {
    /// The isolation that was chosen.
    pub(crate) fn isolation(&self) -> Isolation {
        self.probe.chosen
    }
}
