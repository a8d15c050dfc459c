//! Which paths of the build context a build asks for.

use windlass_dockerfile::expand::{self, Empty};
use windlass_dockerfile::graph::{BuildGraph, Step};
use windlass_dockerfile::instruction::{Instruction, Sources};

use crate::copy::Taken;

/// What the needed stages take of the context. Variables are not filled in yet, so one among the sources leaves it open.
pub(super) fn taken(graph: &BuildGraph) -> Taken {
    let steps = graph.needed().iter().flat_map(|&index| &graph.stages()[index].steps);
    let paths: Option<Vec<Vec<String>>> = steps.map(of_step).collect();
    paths.map_or(Taken::All, |paths| Taken::Paths(paths.into_iter().flatten().collect()))
}

fn of_step(step: &Step) -> Option<Vec<String>> {
    let is_of_context = step.sources.first().is_none_or(Option::is_none);
    match &step.statement.instruction {
        Instruction::Copy(copy) if is_of_context => plain(&copy.sources, step),
        Instruction::Add(add) => plain(&add.sources, step),
        // A mount without `from` may be one of the context.
        Instruction::Run(_) if step.sources.iter().any(Option::is_none) => None,
        _ => Some(Vec::new()),
    }
}

fn plain(sources: &Sources, step: &Step) -> Option<Vec<String>> {
    let word = |path: &String| {
        let word = expand::word(path, &Empty, step.statement.escape).ok()?;
        (!path.contains('$')).then_some(word)
    };
    sources.paths.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use windlass_core::Platform;
    use windlass_dockerfile::graph;

    use super::*;

    fn of(text: &str) -> Taken {
        let dockerfile = windlass_dockerfile::parse::parse(text.as_bytes(), "Dockerfile").unwrap();
        let request = graph::Request {
            target: None,
            build_arguments: BTreeMap::new(),
            contexts: BTreeSet::new(),
            build_platform: Platform::host(),
            target_platform: Platform::host(),
        };
        taken(&graph::build(&dockerfile, &request).unwrap())
    }

    #[test]
    fn needed_stages_say_what_is_taken() {
        let text =
            "FROM scratch AS unused\nCOPY . /\nFROM scratch AS a\nCOPY d/*.x \"e\" /\nFROM scratch\nADD f /\nCOPY --from=a /g /";
        assert_eq!(of(text), Taken::Paths(["d/*.x", "e", "f"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn variables_and_mounts_of_the_context_leave_it_open() {
        assert_eq!(of("FROM scratch\nARG A\nCOPY $A /x/"), Taken::All);
        assert_eq!(of("FROM scratch\nRUN --mount=target=/m true"), Taken::All);
        assert_eq!(of("FROM scratch\nRUN true"), Taken::Paths(Vec::new()));
    }
}
