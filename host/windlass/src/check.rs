//! What is likely a mistake in a Dockerfile, told without building it: nothing is contacted, run or written.

use windlass_builder::context::Context;
use windlass_core::{ExitCode, Finding, Severity, chain};
use windlass_dockerfile::graph;
use windlass_dockerfile::lint::{self, Subject};
use windlass_dockerfile::parse::parse;

use crate::bases::graph_request;
use crate::engine::source;
use crate::failure::Failure;
use crate::step::BuildSettings;

pub use windlass_dockerfile::lint::{PREFIX, RULES, Rule};

/// What was found in a Dockerfile.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Everything, in the order of the lines; what keeps the Dockerfile from being built comes first.
    pub findings: Vec<Finding>,
    /// [`ExitCode::Findings`] where there is more than notes, [`ExitCode::Plan`] where no build can be made of it.
    pub code: ExitCode,
}

/// Checks the Dockerfile of a build.
#[must_use]
pub fn check(build: &BuildSettings) -> Checked {
    match findings(build) {
        Ok(checked) => checked,
        Err(failure) => Checked { findings: failure.findings, code: failure.code },
    }
}

fn findings(build: &BuildSettings) -> Result<Checked, Failure> {
    let wrong = |findings: Vec<Finding>| Failure::new(ExitCode::Plan, findings);
    let (path, title, source) = source(build, None).map_err(wrong)?;
    let dockerfile = parse(&source, &title).map_err(wrong)?;
    let request = graph_request(build);
    let options = lint::options(&dockerfile, &request).map_err(|finding| wrong(vec![*finding]))?;
    let context = Context::open(&build.context, Some(&path))
        .map_err(|error| wrong(vec![Finding::deny("build/context", chain(&error)).about("context")]))?;
    let (graph, mistakes) = match graph::build(&dockerfile, &request) {
        Ok(graph) => (Some(graph), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    let subject = Subject {
        source: &source,
        dockerfile: &dockerfile,
        request: &request,
        graph: graph.as_ref(),
        ignore: context.ignore_rules(),
    };
    let found = lint::check(&subject, &options);
    let code = match found.iter().map(|finding| finding.severity).max() {
        _ if graph.is_none() => ExitCode::Plan,
        None | Some(Severity::Inform) => ExitCode::Success,
        Some(_) => ExitCode::Findings,
    };
    Ok(Checked { findings: mistakes.into_iter().chain(found).collect(), code })
}
