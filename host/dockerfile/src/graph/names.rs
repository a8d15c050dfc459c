//! What a name means: a stage, a named context, or an image.

use std::collections::{BTreeMap, BTreeSet};

use windlass_core::{Finding, Reference, reference::DEFAULT_REGISTRY};

use super::Origin;
use crate::expand::clip;
use crate::parse::Dockerfile;

const SCRATCH: &str = "scratch";

/// The names of stages and contexts.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The stages of each name, in order.
    stages: BTreeMap<String, Vec<usize>>,
    count: usize,
    /// The contexts, by the familiar form of their names.
    contexts: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new(dockerfile: &Dockerfile, contexts: &BTreeSet<String>) -> Self {
        let mut stages: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, stage) in dockerfile.stages.iter().enumerate() {
            if let Some(name) = &stage.from.name {
                stages.entry(name.clone()).or_default().push(index);
            }
        }
        let contexts = contexts.iter().map(|name| (familiar(name), name.clone())).collect();
        Self { stages, count: dockerfile.stages.len(), contexts }
    }

    /// The named context that stands in for the stage or image `name`. `scratch` and `context` cannot be replaced.
    pub(super) fn context(&self, name: &str) -> Option<&str> {
        if [SCRATCH, "context"].iter().any(|fixed| fixed.eq_ignore_ascii_case(name)) {
            return None;
        }
        self.contexts.get(&familiar(name)).map(String::as_str)
    }

    /// The base of the stage `index`: an earlier stage, `scratch`, a named context, else an image.
    pub(super) fn base(&self, name: &str, index: usize) -> Origin {
        self.before(name, index).map_or_else(|| self.outside(name), Origin::Stage)
    }

    /// The source of a `COPY --from` in the stage `index`: a stage by number or name, a named context, else an image.
    pub(super) fn copy_source(&self, from: &str, index: usize) -> Result<Origin, Box<Finding>> {
        let Ok(number) = from.parse::<i64>() else { return Ok(self.mount_source(from, index)) };
        match usize::try_from(number) {
            Ok(number) if number < self.count => Ok(Origin::Stage(number)),
            _ => {
                let finding = Finding::deny("dockerfile/stage", format!("there is no stage {number} to copy from"));
                Err(Box::new(finding.help(format!("the stages are numbered from 0 to {}", self.count.saturating_sub(1)))))
            }
        }
    }

    /// The source of a mount in the stage `index`: a stage by name, a named context, else an image.
    ///
    /// A name used twice means the nearest stage before; only when there is none, this stage or a later one, which is
    /// refused elsewhere.
    pub(super) fn mount_source(&self, from: &str, index: usize) -> Origin {
        let later = || self.stages.get(&from.to_lowercase())?.iter().copied().find(|&stage| stage >= index);
        self.before(from, index).or_else(later).map_or_else(|| self.outside(from), Origin::Stage)
    }

    /// The nearest stage of a name before the stage `index`.
    fn before(&self, name: &str, index: usize) -> Option<usize> {
        let stages = self.stages.get(&name.to_lowercase())?;
        let count = stages.partition_point(|&stage| stage < index);
        stages[..count].last().copied()
    }

    fn outside(&self, name: &str) -> Origin {
        if name == SCRATCH {
            return Origin::Scratch;
        }
        match self.context(name) {
            Some(context) => Origin::Context(context.to_owned()),
            None => Origin::Image(name.to_owned()),
        }
    }

    /// The stage to build: the last one of the name, or the last of all where none is named. A number names no stage here, as in
    /// BuildKit; `COPY --from` alone takes numbers.
    pub(super) fn target(&self, target: Option<&str>, count: usize) -> Result<usize, Box<Finding>> {
        let Some(target) = target else { return Ok(count - 1) };
        if let Some(&index) = self.stages.get(&target.to_lowercase()).and_then(|stages| stages.last()) {
            return Ok(index);
        }
        let finding = Finding::deny("dockerfile/target", format!("there is no stage `{}` to build", clip(target)));
        let mut names: Vec<&str> = self.stages.keys().map(String::as_str).collect();
        names.sort_unstable();
        let help = match windlass_core::suggest::nearest(target, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "no stage has a name: give it one with `FROM … AS name`".to_owned(),
            None => format!("the stages are {}", names.join(", ")),
        };
        Err(Box::new(finding.help(help)))
    }
}

/// The short form of an image's name, without Docker Hub's defaults and `:latest`; contexts are looked up by it.
fn familiar(name: &str) -> String {
    let Ok(reference) = Reference::parse(name) else { return name.to_lowercase() };
    let repository = reference.repository();
    let path = repository.path();
    let mut text = if repository.registry() == DEFAULT_REGISTRY {
        path.strip_prefix("library/").unwrap_or(path).to_owned()
    } else {
        repository.to_string()
    };
    if let Some(tag) = reference.tag().filter(|tag| tag.as_str() != "latest" || reference.digest().is_some()) {
        text = format!("{text}:{tag}");
    }
    if let Some(digest) = reference.digest() {
        text = format!("{text}@{digest}");
    }
    text
}
