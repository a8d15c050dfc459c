//! Stages to a graph: bases, sources, what a target needs.

mod globals;
mod names;
mod order;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use windlass_core::{Finding, Platform, Reference};

use crate::expand;
use crate::instruction::Instruction;
use crate::parse::{Dockerfile, ParsedStage, Statement};
use crate::scope::{BuildArguments, Scope};
use names::Names;

pub use globals::PLATFORM_ARGUMENTS;
pub(crate) use globals::evaluate as evaluate_globals;

/// What is asked of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The stage to build, by name or number; without it, the last one.
    pub target: Option<String>,
    /// The build arguments.
    pub build_arguments: BTreeMap<String, String>,
    /// The names of the named contexts; each stands in for the stage or image of its name.
    pub contexts: BTreeSet<String>,
    /// The platform that the build runs on.
    pub build_platform: Platform,
    /// The platform that is built for.
    pub target_platform: Platform,
}

/// Where files come from: a stage's base, or the source of a `COPY --from` or mount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The stage of this index.
    Stage(usize),
    /// An image, as it is written.
    Image(String),
    /// Nothing at all.
    Scratch,
    /// The named context, as it was named in the [`Request`].
    Context(String),
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 0.
    pub index: usize,
    /// Its name, in small letters.
    pub name: Option<String>,
    /// What it is built on.
    pub base: Origin,
    /// The platform that its `FROM` asks for; meaningless where the base is a stage, whose platform it has.
    pub platform: Option<Platform>,
    /// A named context stands in for this stage: its base is that context, and it has no steps.
    pub is_replaced: bool,
    /// Its `FROM`.
    pub statement: Statement,
    /// What is done, the triggers of the base first.
    pub steps: Vec<Step>,
}

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The instruction. Its variables are not yet filled in.
    pub statement: Statement,
    /// The source of a `COPY --from` (one), or those of the mounts of a `RUN` (one for each, `None` where it has no
    /// `from`).
    pub sources: Vec<Option<Origin>>,
    /// It comes from an `ONBUILD` of the base.
    pub is_trigger: bool,
}

impl Stage {
    /// Whether `text` is the stage's name, in any case, or its number.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        self.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(text)) || self.index.to_string() == text
    }

    /// The stage's name, or `stage-0` where it has none.
    #[must_use]
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("stage-{}", self.index))
    }

    /// The stages that this one takes files from, its base first.
    fn stages_used(&self) -> impl Iterator<Item = usize> {
        let sources = self.steps.iter().flat_map(|step| step.sources.iter().flatten());
        std::iter::once(&self.base).chain(sources).filter_map(|origin| match origin {
            Origin::Stage(index) => Some(*index),
            _ => None,
        })
    }
}

/// The stages of a Dockerfile, and what one target needs of them.
#[derive(Debug, Clone)]
pub struct BuildGraph {
    stages: Vec<Stage>,
    names: Names,
    target: usize,
    needed: Vec<usize>,
    arguments: Arc<BuildArguments>,
    declared: BTreeSet<String>,
    triggers: usize,
}

/// Evaluates the global arguments, finds every base and source, and works out what the target needs.
///
/// Instructions of needed stages whose words hold no variables are also checked, so that their mistakes come out
/// before anything is built.
///
/// # Errors
/// A base that is empty or no image name, a stage that is not there or is used before it is defined, a circle, a target
/// that is not there, a malformed word.
pub fn build(dockerfile: &Dockerfile, request: &Request) -> Result<BuildGraph, Vec<Finding>> {
    let names = Names::new(dockerfile, &request.contexts);
    let arguments = globals::evaluate(dockerfile, request).map_err(|finding| vec![*finding])?;
    let mut findings = Vec::new();
    let mut stages = Vec::new();
    for (index, parsed) in dockerfile.stages.iter().enumerate() {
        match stage(index, parsed, &names, &arguments) {
            Ok(stage) => stages.push(stage),
            Err(mut more) => findings.append(&mut more),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let target = names.target(request.target.as_deref(), stages.len()).map_err(|finding| vec![*finding])?;
    let declared = dockerfile.globals.iter().flat_map(declared_names).map(str::to_owned).collect();
    let mut graph =
        BuildGraph { stages, names, target, needed: Vec::new(), arguments: Arc::new(arguments), declared, triggers: 0 };
    graph.settle()?;
    graph.check_words()?;
    Ok(graph)
}

fn stage(index: usize, parsed: &ParsedStage, names: &Names, arguments: &BuildArguments) -> Result<Stage, Vec<Finding>> {
    let base = from_word(&parsed.from.base, &parsed.statement, arguments).map_err(|finding| vec![*finding])?;
    let platform = match &parsed.from.platform {
        Some(text) => Some(platform(text, &parsed.statement, arguments).map_err(|finding| vec![*finding])?),
        None => None,
    };
    let context = parsed.from.name.as_deref().and_then(|name| names.context(name));
    let statement = parsed.statement.clone();
    let name = parsed.from.name.clone();
    if let Some(context) = context {
        let base = Origin::Context(context.to_owned());
        return Ok(Stage { index, name, base, platform, is_replaced: true, statement, steps: Vec::new() });
    }
    let mut steps = Vec::new();
    let mut findings = Vec::new();
    for statement in &parsed.statements {
        match step(statement.clone(), index, names, false) {
            Ok(step) => steps.push(step),
            Err(finding) => findings.push(*finding),
        }
    }
    let base = names.base(&base, index);
    if findings.is_empty() {
        Ok(Stage { index, name, base, platform, is_replaced: false, statement, steps })
    } else {
        Err(findings)
    }
}

fn from_word(text: &str, statement: &Statement, arguments: &BuildArguments) -> Result<String, Box<Finding>> {
    let word =
        expand::word(text, &arguments.globals, statement.escape).map_err(|error| Box::new(statement.expand_finding(&error)))?;
    if !word.is_empty() {
        return Ok(word);
    }
    let finding = Finding::deny("dockerfile/stage", format!("the base `{text}` is empty once its variables are filled in"));
    let help = "give the variable a default with ARG before the first FROM, or a value as build argument";
    Err(Box::new(finding.at(statement.place.clone()).help(help)))
}

fn platform(text: &str, statement: &Statement, arguments: &BuildArguments) -> Result<Platform, Box<Finding>> {
    let word =
        expand::word(text, &arguments.globals, statement.escape).map_err(|error| Box::new(statement.expand_finding(&error)))?;
    let problem = if word.is_empty() {
        format!("the platform `{text}` is empty once its variables are filled in")
    } else {
        match Platform::parse(&word) {
            Ok(platform) => return Ok(platform),
            Err(error) => error.to_string(),
        }
    };
    Err(Box::new(Finding::deny("dockerfile/platform", problem).at(statement.place.clone())))
}

/// A statement with the origins of its sources.
fn step(statement: Statement, stage: usize, names: &Names, is_trigger: bool) -> Result<Step, Box<Finding>> {
    let sources = match &statement.instruction {
        Instruction::Copy(copy) => match &copy.from {
            Some(from) => {
                vec![Some(names.copy_source(from, stage).map_err(|error| Box::new(error.at(statement.place.clone())))?)]
            }
            None => Vec::new(),
        },
        Instruction::Run(run) => {
            run.mounts.iter().map(|mount| mount.from().map(|from| names.mount_source(from, stage))).collect()
        }
        _ => Vec::new(),
    };
    Ok(Step { statement, sources, is_trigger })
}

pub(crate) fn declared_names(statement: &Statement) -> impl Iterator<Item = &str> {
    let arguments = match &statement.instruction {
        Instruction::Arg(arg) => arg.arguments.as_slice(),
        _ => &[],
    };
    arguments.iter().map(|argument| argument.name.as_str())
}

impl BuildGraph {
    /// All stages, in the order of the file.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The index of the stage that is built.
    #[must_use]
    pub fn target(&self) -> usize {
        self.target
    }

    /// The indices of the stages that the target needs, itself included, each behind those that it needs.
    #[must_use]
    pub fn needed(&self) -> &[usize] {
        &self.needed
    }

    /// The indices of the stages that a stage takes files from: its base and its sources, each once.
    #[must_use]
    pub fn dependencies(&self, stage: usize) -> Vec<usize> {
        let used: BTreeSet<usize> = self.stages[stage].stages_used().collect();
        used.into_iter().collect()
    }

    /// The build arguments, global ones included.
    #[must_use]
    pub fn arguments(&self) -> &Arc<BuildArguments> {
        &self.arguments
    }

    /// The scope at the beginning of a stage whose base is no stage, given the environment of the base's configuration.
    #[must_use]
    pub fn scope<'a>(&self, environment: impl IntoIterator<Item = &'a str>) -> Scope {
        Scope::new(Arc::clone(&self.arguments), environment)
    }

    /// The build arguments that were given although neither the Dockerfile nor the frontend knows them.
    #[must_use]
    pub fn unused_build_arguments(&self) -> Vec<&str> {
        let steps = self.stages.iter().flat_map(|stage| &stage.steps);
        let in_stages: BTreeSet<&str> = steps.flat_map(|step| declared_names(&step.statement)).collect();
        let is_known = |name: &str| globals::is_predefined(name) || self.declared.contains(name) || in_stages.contains(name);
        self.arguments.given.keys().map(String::as_str).filter(|name| !is_known(name)).collect()
    }

    /// Works out what is needed, triggers of stages included, and refuses circles, uses before definition, and what is no
    /// image's name, in stages that are not needed too.
    fn settle(&mut self) -> Result<(), Vec<Finding>> {
        loop {
            order::refuse_circles(&self.stages).map_err(|finding| vec![*finding])?;
            self.needed = order::needed(&self.stages, self.target);
            if !self.add_stage_triggers()? {
                break;
            }
        }
        let mut findings = Vec::new();
        self.stages.iter().for_each(|stage| refuse_bad_images(stage, &mut findings));
        for &index in &self.needed {
            order::refuse_later(&self.stages, index, &mut findings);
            refuse_devices(&self.stages[index], &mut findings);
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// Refuses words of needed stages that are wrong whatever the values of variables are.
    fn check_words(&self) -> Result<(), Vec<Finding>> {
        let steps = self.needed.iter().flat_map(|&index| &self.stages[index].steps);
        let findings: Vec<Finding> = steps
            .filter_map(|Step { statement, .. }| {
                let error = statement.instruction.check(&statement.text, statement.escape).err()?;
                Some(statement.expand_finding(&error))
            })
            .collect();
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}

/// RUN steps have no devices. One that is not required may be missing.
fn refuse_devices(stage: &Stage, findings: &mut Vec<Finding>) {
    for step in &stage.steps {
        let Instruction::Run(run) = &step.statement.instruction else { continue };
        if let Some(device) = run.devices.iter().find(|device| device.is_required) {
            let message = format!("the device `{}` is required, and RUN steps have no devices", expand::clip(&device.name));
            let finding = Finding::deny("dockerfile/device", message).at(step.statement.place.clone());
            findings.push(finding.help("leave `required` out if the step can do without it"));
        }
    }
}

fn refuse_bad_images(stage: &Stage, findings: &mut Vec<Finding>) {
    let base = std::iter::once((&stage.base, &stage.statement));
    let sources = stage.steps.iter().flat_map(|step| step.sources.iter().flatten().map(|origin| (origin, &step.statement)));
    for (origin, statement) in base.chain(sources) {
        let Origin::Image(text) = origin else { continue };
        if let Err(error) = Reference::parse(text) {
            findings.push(Finding::deny("dockerfile/image", error.to_string()).at(statement.place.clone()));
        }
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
