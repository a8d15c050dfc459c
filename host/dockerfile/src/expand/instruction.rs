//! Which fields of an instruction are expanded.

use std::collections::BTreeMap;

use super::{Empty, ExpandError, Growth, Lookup, words};
use crate::instruction::transfer::file_mode;
use crate::instruction::{
    AddInstruction, ArgInstruction, Argument, CopyInstruction, EnvInstruction, ExposeInstruction, FromInstruction, Instruction,
    LabelInstruction, Pair, RunInstruction, Sources,
};
use crate::parse::{Escape, MAXIMUM_WORDS};
use crate::{port, signal};

impl Instruction {
    /// The instruction with the variables of `env` filled in, in just the fields where BuildKit does so.
    ///
    /// All of an instruction sees the same values, but `ARG`, whose later defaults see the earlier ones. Commands, health
    /// checks, `SHELL`, `MAINTAINER`, `ONBUILD` and `--exclude` stay as they are. What comes out is checked: modes,
    /// mounts, ports and signals.
    ///
    /// An `ARG` is expanded as if no build argument were given; [`crate::Scope::declare`] is what a build wants.
    ///
    /// # Errors
    /// When a word is malformed or what comes out makes no sense.
    pub fn expand(&self, env: &dyn Lookup, escape: Escape) -> Result<Self, ExpandError> {
        self.expand_within(env, escape, &Growth::default())
    }

    /// The same, as a part of a stage that has grown by so much already.
    pub(crate) fn expand_within(&self, env: &dyn Lookup, escape: Escape, growth: &Growth) -> Result<Self, ExpandError> {
        let word = |text: &String| growth.word(text, env, escape);
        Ok(match self {
            Self::Env(env_instruction) => Self::Env(EnvInstruction { pairs: named(&env_instruction.pairs, word)? }),
            Self::Label(label) => Self::Label(LabelInstruction { pairs: pairs(&label.pairs, word)? }),
            Self::Arg(arg) => Self::Arg(arg_defaults(arg, env, escape, growth)?),
            Self::Copy(copy) => Self::Copy(copy_fields(copy, |text| growth.document(text, env), word)?),
            Self::Add(add) => Self::Add(add_fields(add, |text| growth.document(text, env), word)?),
            Self::Run(run) => Self::Run(mounts(run, word)?),
            Self::From(from) => Self::From(FromInstruction {
                base: word(&from.base)?,
                name: from.name.clone(),
                platform: from.platform.as_ref().map(word).transpose()?,
            }),
            Self::Workdir(path) => Self::Workdir(word(path)?),
            Self::User(user) => Self::User(word(user)?),
            Self::Volume(paths) => Self::Volume(volumes(paths, word)?),
            Self::Expose(expose) => Self::Expose(ports(expose, env, escape, growth)?),
            Self::StopSignal(text) => {
                let text = word(text)?;
                signal::check(&text).map_err(ExpandError::Signal)?;
                Self::StopSignal(text)
            }
            Self::Maintainer(_)
            | Self::Entrypoint(_)
            | Self::Cmd(_)
            | Self::Shell(_)
            | Self::Healthcheck(_)
            | Self::OnBuild(_) => self.clone(),
        })
    }

    /// What is wrong with the instruction whatever the values of variables are.
    ///
    /// # Errors
    /// As [`Instruction::expand`].
    pub(crate) fn check(&self, text: &str, escape: Escape) -> Result<(), ExpandError> {
        let bodies = match self {
            Self::Copy(CopyInstruction { sources, .. }) | Self::Add(AddInstruction { sources, .. }) => &sources.files[..],
            // A default is not looked at where the argument is given.
            Self::Arg(_) => return Ok(()),
            _ => &[],
        };
        let has_variables = text.contains('$') || bodies.iter().any(|file| file.expands && file.content.contains('$'));
        if has_variables { Ok(()) } else { self.expand(&Empty, escape).map(drop) }
    }
}

type Word<'a> = &'a dyn Fn(&String) -> Result<String, ExpandError>;
type Document<'a> = &'a dyn Fn(&str) -> Result<String, ExpandError>;

fn pairs(pairs: &[Pair], word: impl Fn(&String) -> Result<String, ExpandError>) -> Result<Vec<Pair>, ExpandError> {
    pairs.iter().map(|pair| Ok(Pair { name: word(&pair.name)?, value: word(&pair.value)? })).collect()
}

/// Pairs whose names must not be empty: no process can be given a variable without a name, while such a label does no harm.
fn named(written: &[Pair], word: impl Fn(&String) -> Result<String, ExpandError>) -> Result<Vec<Pair>, ExpandError> {
    let expanded = pairs(written, word)?;
    match written.iter().zip(&expanded).find(|(_, pair)| pair.name.is_empty()) {
        Some((pair, _)) => Err(ExpandError::EmptyName(super::clip(&pair.name))),
        None => Ok(expanded),
    }
}

/// The environment with the arguments declared so far.
struct Overlay<'a> {
    declared: BTreeMap<String, String>,
    below: &'a dyn Lookup,
}

impl Lookup for Overlay<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.declared.get(name).map(String::as_str).or_else(|| self.below.get(name))
    }

    fn missing(&self, name: &str) {
        self.below.missing(name);
    }
}

fn arg_defaults(arg: &ArgInstruction, env: &dyn Lookup, escape: Escape, growth: &Growth) -> Result<ArgInstruction, ExpandError> {
    let mut overlay = Overlay { declared: BTreeMap::new(), below: env };
    let mut arguments = Vec::new();
    for argument in &arg.arguments {
        let default = argument.default.as_ref().map(|default| growth.word(default, &overlay, escape)).transpose()?;
        if let Some(value) = &default {
            overlay.declared.insert(argument.name.clone(), value.clone());
        }
        arguments.push(Argument { name: argument.name.clone(), default });
    }
    Ok(ArgInstruction { arguments })
}

fn sources(sources: &Sources, document: Document<'_>, word: Word<'_>) -> Result<Sources, ExpandError> {
    let mut files = sources.files.clone();
    for file in files.iter_mut().filter(|file| file.expands) {
        file.content = document(&file.content)?;
    }
    Ok(Sources {
        paths: sources.paths.iter().map(word).collect::<Result<_, _>>()?,
        files,
        destination: word(&sources.destination)?,
    })
}

/// A flag whose value may turn out empty, which is as if it were not given.
fn flag(value: Option<&String>, word: Word<'_>) -> Result<Option<String>, ExpandError> {
    Ok(value.map(word).transpose()?.filter(|value| !value.is_empty()))
}

fn mode(value: Option<&String>, word: Word<'_>) -> Result<Option<String>, ExpandError> {
    let mode = flag(value, word)?;
    file_mode(mode.as_deref()).map_err(ExpandError::Mode)?;
    Ok(mode)
}

fn copy_fields(
    copy: &CopyInstruction,
    document: impl Fn(&str) -> Result<String, ExpandError>,
    word: impl Fn(&String) -> Result<String, ExpandError>,
) -> Result<CopyInstruction, ExpandError> {
    Ok(CopyInstruction {
        sources: sources(&copy.sources, &document, &word)?,
        owner: flag(copy.owner.as_ref(), &word)?,
        mode: mode(copy.mode.as_ref(), &word)?,
        ..copy.clone()
    })
}

fn add_fields(
    add: &AddInstruction,
    document: impl Fn(&str) -> Result<String, ExpandError>,
    word: impl Fn(&String) -> Result<String, ExpandError>,
) -> Result<AddInstruction, ExpandError> {
    Ok(AddInstruction {
        sources: sources(&add.sources, &document, &word)?,
        owner: flag(add.owner.as_ref(), &word)?,
        mode: mode(add.mode.as_ref(), &word)?,
        checksum: flag(add.checksum.as_ref(), &word)?,
        ..add.clone()
    })
}

fn mounts(run: &RunInstruction, word: impl Fn(&String) -> Result<String, ExpandError>) -> Result<RunInstruction, ExpandError> {
    let mut run = run.clone();
    for mount in &mut run.mounts {
        for option in &mut mount.options {
            option.value = option.value.as_ref().map(&word).transpose()?;
        }
        mount.typed().map_err(|source| ExpandError::Mount { text: super::clip(&mount.text), source })?;
    }
    Ok(run)
}

fn volumes(paths: &[String], word: impl Fn(&String) -> Result<String, ExpandError>) -> Result<Vec<String>, ExpandError> {
    let expand = |path: &String| {
        let expanded = word(path)?;
        if expanded.is_empty() { Err(ExpandError::EmptyVolume(super::clip(path))) } else { Ok(expanded) }
    };
    paths.iter().map(expand).collect()
}

fn ports(
    expose: &ExposeInstruction,
    env: &dyn Lookup,
    escape: Escape,
    growth: &Growth,
) -> Result<ExposeInstruction, ExpandError> {
    let mut ports = Vec::new();
    for port in &expose.ports {
        let expanded = words(port, env, escape)?;
        growth.add(expanded.iter().map(String::len).sum::<usize>().saturating_sub(port.len()), port)?;
        if ports.len() + expanded.len() > MAXIMUM_WORDS {
            return Err(ExpandError::TooManyPorts(super::clip(port)));
        }
        ports.extend(expanded);
    }
    port::exposed(&ports).map_err(ExpandError::Port)?;
    Ok(ExposeInstruction { ports })
}
