//! What a Dockerfile begins with and does, as far as it is known before the build: for the plan and for policies.

use std::collections::BTreeMap;

use windlass_core::plan::Base;
use windlass_core::{Finding, Platform, Reference};
use windlass_dockerfile::graph::{self, BuildGraph, Origin};
use windlass_dockerfile::instruction::Instruction;
use windlass_runtime::host::plan_view::{InstructionFacts, StageFacts};

use crate::engine::Recipe;
use crate::step::{ArgumentValue, BuildSettings};

/// The facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Images and `scratch` that needed stages begin with.
    pub(crate) bases: Vec<Base>,
    /// Images that needed stages copy from or mount.
    pub(crate) further: Vec<Base>,
    /// Every stage.
    pub(crate) stages: Vec<StageFacts>,
}

/// Works out the graph of the Dockerfile.
///
/// # Errors
/// Everything that is wrong with it whatever is built.
pub(crate) fn read(build: &BuildSettings, recipe: &Recipe) -> Result<Facts, Vec<Finding>> {
    let graph = graph::build(&recipe.dockerfile, &graph_request(build))?;
    let contexts: BTreeMap<&str, &str> = build.contexts.iter().map(|(name, place)| (name.as_str(), place.as_str())).collect();
    Ok(facts(&graph, &contexts))
}

/// What is asked of the Dockerfile; of several platforms, for the first.
pub(crate) fn graph_request(build: &BuildSettings) -> graph::Request {
    let value = |value: &ArgumentValue| match value {
        ArgumentValue::Open(text) => text.clone(),
        ArgumentValue::Secret(secret) => secret.expose().to_owned(),
    };
    graph::Request {
        target: build.target.clone(),
        build_arguments: build.arguments.iter().map(|argument| (argument.name.clone(), value(&argument.value))).collect(),
        contexts: build.contexts.iter().map(|(name, _)| name.clone()).collect(),
        build_platform: Platform::host(),
        target_platform: build.platforms.first().cloned().unwrap_or_else(Platform::host),
    }
}

fn facts(graph: &BuildGraph, contexts: &BTreeMap<&str, &str>) -> Facts {
    let mut facts = Facts::default();
    for &index in graph.needed() {
        let stage = &graph.stages()[index];
        add(&mut facts.bases, base(&stage.base, contexts, &stage.statement.place));
        for step in &stage.steps {
            for origin in step.sources.iter().flatten() {
                add(&mut facts.further, base(origin, contexts, &step.statement.place));
            }
        }
    }
    facts.stages = graph.stages().iter().map(|stage| stage_facts(graph, stage)).collect();
    facts
}

fn add(bases: &mut Vec<Base>, base: Option<Base>) {
    if let Some(base) = base.filter(|base| !bases.contains(base)) {
        bases.push(base);
    }
}

/// The base that an origin is; a stage or a directory is none.
fn base(origin: &Origin, contexts: &BTreeMap<&str, &str>, place: &windlass_core::Place) -> Option<Base> {
    let reference = match origin {
        Origin::Image(text) => text.clone(),
        Origin::Scratch => "scratch".to_owned(),
        Origin::Context(name) => contexts.get(name.as_str())?.strip_prefix("docker-image://")?.to_owned(),
        Origin::Stage(_) => return None,
    };
    let repository = match reference.as_str() {
        "scratch" => None,
        _ => Reference::parse(&reference).ok().map(|reference| reference.repository().clone()),
    };
    Some(Base { reference, repository, place: place.clone() })
}

fn stage_facts(graph: &BuildGraph, stage: &graph::Stage) -> StageFacts {
    let from = match &stage.base {
        Origin::Stage(index) => graph.stages()[*index].title(),
        Origin::Image(text) | Origin::Context(text) => text.clone(),
        Origin::Scratch => "scratch".to_owned(),
    };
    StageFacts {
        name: stage.name.clone(),
        from,
        needed: graph.needed().contains(&stage.index),
        instructions: stage.steps.iter().map(instruction).collect(),
        place: stage.statement.place.clone(),
    }
}

fn instruction(step: &graph::Step) -> InstructionFacts {
    let statement = &step.statement;
    let heredocs = match &statement.instruction {
        Instruction::Run(run) => run.heredocs.iter().map(|heredoc| heredoc.body.clone()).collect(),
        Instruction::Copy(copy) => copy.sources.files.iter().map(|file| file.content.clone()).collect(),
        Instruction::Add(add) => add.sources.files.iter().map(|file| file.content.clone()).collect(),
        _ => Vec::new(),
    };
    let (flags, text) = flags(&statement.text);
    InstructionFacts { keyword: statement.instruction.name().to_owned(), text, flags, heredocs, place: statement.place.clone() }
}

/// The flags behind the keyword, and what follows them.
fn flags(text: &str) -> (Vec<(String, String)>, String) {
    let mut rest = text.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
    let mut flags = Vec::new();
    while let Some(flag) = rest.strip_prefix("--") {
        let (word, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        flags.push((name.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    (flags, rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_apart_from_the_rest() {
        let (flags, rest) = flags("COPY --from=build --link /a  /b");
        assert_eq!(flags, [("from".to_owned(), "build".to_owned()), ("link".to_owned(), String::new())]);
        assert_eq!(rest, "/a  /b");
    }
}
