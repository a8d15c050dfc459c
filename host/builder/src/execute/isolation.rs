//! Whether RUN steps can be run here, told before anything is carried out.

use windlass_core::Finding;
use windlass_dockerfile::Instruction;
use windlass_dockerfile::graph::{BuildGraph, Step};
use windlass_sandbox::{Isolation, Probe, Unlimited};

/// How to get an isolation.
const HELP: &str = "run as root, allow user namespaces (kernel.unprivileged_userns_clone and the container's seccomp profile), or run \
as root of a container with docker's default capabilities; docs/isolation.md tells what each way takes";

/// Says how the RUN steps of the needed stages are isolated, where there are any and they can be.
pub(crate) fn told(graph: &BuildGraph, probe: &Probe) -> Option<Finding> {
    let mut steps = graph.needed().iter().flat_map(|&index| &graph.stages()[index].steps);
    if !probe.chosen.can_run() || !steps.any(is_run) {
        return None;
    }
    let reasons = refused(probe);
    let why = match (reasons.is_empty(), probe.chosen) {
        (false, _) => format!("because {reasons}"),
        (true, Isolation::Root) => "as the strongest that there is".to_owned(),
        (true, _) => "as it was asked for".to_owned(),
    };
    Some(Finding::inform("build/isolation", format!("RUN steps use the isolation `{}`, {why}", probe.chosen)))
}

/// The first of `steps` that would have to be run, as a finding that it cannot be.
pub(crate) fn impossible(steps: &[Step], probe: &Probe) -> Option<Finding> {
    let step = steps.iter().find(|step| is_run(step))?;
    let reasons = refused(probe);
    let why = if reasons.is_empty() { "`--isolation nothing` was asked for".to_owned() } else { reasons };
    let message = format!("RUN needs an isolation from the machine, and none is possible here: {why}");
    Some(Finding::deny("build/no-isolation", message).at(step.statement.place.clone()).help(HELP))
}

fn is_run(step: &Step) -> bool {
    matches!(step.statement.instruction, Instruction::Run(_))
}

/// Says that RUN steps may use more than was asked for.
pub(crate) fn unlimited(limit: &Unlimited) -> Finding {
    let (what, subject) = match limit.controller {
        "memory" => ("memory", "memory-limit"),
        "cpuset" => ("choice of processors", "cpuset-cpus"),
        _ => ("processor time", "cpu-limit"),
    };
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
