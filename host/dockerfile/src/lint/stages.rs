//! Rules about what instructions mean: variables, platforms, paths, ports.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use windlass_core::{Platform, Reference, suggest};

use super::{Report, Subject};
use crate::expand::{self, Lookup, clip};
use crate::go::clean_bytes;
use crate::graph::{self, PLATFORM_ARGUMENTS};
use crate::instruction::{CommandLine, FromInstruction, Instruction, Sources};
use crate::parse::{ParsedStage, Statement};
use crate::scope::{BuildArguments, Scope};

/// What a stage hands on to those that are built on it.
#[derive(Clone)]
struct State {
    scope: Scope,
    has_workdir: bool,
    has_shell: bool,
    /// Its environment comes from an image that has not been looked at.
    is_unknown: bool,
}

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Ok(arguments) = graph::evaluate_globals(subject.dockerfile, subject.request) else { return };
    let defaults = graph::Request { build_arguments: BTreeMap::new(), ..subject.request.clone() };
    let defaults = graph::evaluate_globals(subject.dockerfile, &defaults).ok();
    let arguments = Arc::new(arguments);
    let needed: Option<BTreeSet<usize>> =
        subject.graph.filter(|_| subject.request.target.is_some()).map(|graph| graph.needed().iter().copied().collect());
    let mut names: BTreeMap<&str, State> = BTreeMap::new();
    for (index, stage) in subject.dockerfile.stages.iter().enumerate() {
        let from = From { statement: &stage.statement, from: &stage.from, arguments: &arguments };
        let mut ignored = Report { options: report.options, findings: Vec::new() };
        let report = if needed.as_ref().is_none_or(|needed| needed.contains(&index)) { &mut *report } else { &mut ignored };
        let base = from.check(subject, defaults.as_ref(), report);
        let state = names.get(base.to_lowercase().as_str()).cloned().unwrap_or_else(|| State {
            scope: Scope::new(Arc::clone(&arguments), []),
            has_workdir: false,
            has_shell: false,
            is_unknown: !base.eq_ignore_ascii_case("scratch"),
        });
        let state = Walk { subject, report, state }.stage(stage);
        if let Some(name) = &stage.from.name {
            names.insert(name, state);
        }
    }
}

/// Remembers which variables were asked for in vain.
struct Recorder<'a> {
    below: &'a dyn Lookup,
    missing: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Recorder<'a> {
    fn new(below: &'a dyn Lookup) -> Self {
        Self { below, missing: RefCell::default(), used: RefCell::default() }
    }
}

impl Lookup for Recorder<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.below.get(name);
        if value.is_some() {
            self.used.borrow_mut().insert(name.to_owned());
        }
        value
    }

    fn missing(&self, name: &str) {
        if name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            self.missing.borrow_mut().insert(name.to_owned());
        }
    }
}

struct From<'a> {
    statement: &'a Statement,
    from: &'a FromInstruction,
    arguments: &'a BuildArguments,
}

impl From<'_> {
    /// Checks a `FROM` and returns its base, variables filled in.
    fn check(&self, subject: &Subject<'_>, defaults: Option<&BuildArguments>, report: &mut Report<'_>) -> String {
        let recorder = Recorder::new(&self.arguments.globals);
        let base = expand::word(&self.from.base, &recorder, self.statement.escape).unwrap_or_default();
        self.undeclared(subject, &recorder, report);
        if let Some(text) = &self.from.platform {
            let recorder = Recorder::new(&self.arguments.globals);
            let platform = expand::word(text, &recorder, self.statement.escape).unwrap_or_default();
            self.undeclared(subject, &recorder, report);
            self.platform(subject, &platform, &recorder, report);
        }
        let default = defaults.and_then(|defaults| expand::word(&self.from.base, &defaults.globals, self.statement.escape).ok());
        let is_variable = self.from.base.contains('$');
        if is_variable && default.is_some_and(|default| Reference::parse(&default).is_err() && default != "scratch") {
            let message = format!("without build arguments, `{}` names no image", clip(&self.from.base));
            let help = "give its ARG a default before the first FROM";
            report.add_with_help("InvalidDefaultArgInFrom", self.statement, Some(&self.from.base), message, help);
        }
        base
    }

    fn undeclared(&self, subject: &Subject<'_>, recorder: &Recorder<'_>, report: &mut Report<'_>) {
        let declared: Vec<&str> = subject.dockerfile.globals.iter().flat_map(graph::declared_names).collect();
        for name in recorder.missing.borrow().iter().filter(|name| !declared.contains(&name.as_str())) {
            let known = declared.iter().copied().chain(PLATFORM_ARGUMENTS);
            let message = format!("the argument `{}` of FROM is not declared before the first FROM", clip(name));
            with_suggestion("UndefinedArgInFrom", self.statement, name, message, known, report);
        }
    }

    fn platform(&self, subject: &Subject<'_>, platform: &str, recorder: &Recorder<'_>, report: &mut Report<'_>) {
        let used = recorder.used.borrow();
        if used.is_empty() && recorder.missing.borrow().is_empty() {
            let Ok(parsed) = Platform::parse(platform) else { return };
            let named = |name: &str| name.contains(parsed.os()) || name.contains(parsed.architecture());
            if !self.from.name.as_deref().is_some_and(named) {
                let message = format!("--platform should not be the constant `{}`", clip(platform));
                let help = "leave it out, use $BUILDPLATFORM or an ARG, or put the platform into the stage's name";
                report.add_with_help("FromPlatformFlagConstDisallowed", self.statement, Some(platform), message, help);
            }
        } else if used.iter().eq(["TARGETPLATFORM"]) && platform == subject.request.target_platform.to_string() {
            let text = self.from.platform.as_deref();
            let message = "--platform=$TARGETPLATFORM is what FROM does anyway";
            report.add("RedundantTargetPlatform", self.statement, text, message);
        }
    }
}

fn with_suggestion<'a>(
    rule: &str,
    statement: &Statement,
    name: &str,
    message: String,
    known: impl IntoIterator<Item = &'a str>,
    report: &mut Report<'_>,
) {
    match suggest::nearest(name, known) {
        Some(near) => report.add_with_help(rule, statement, Some(name), message, &format!("did you mean `{near}`?")),
        None => report.add(rule, statement, Some(name), message),
    }
}

struct Walk<'a, 'b> {
    subject: &'a Subject<'a>,
    report: &'a mut Report<'b>,
    state: State,
}

impl Walk<'_, '_> {
    fn stage(mut self, stage: &ParsedStage) -> State {
        let mut seen: BTreeMap<&str, &Statement> = BTreeMap::new();
        for statement in &stage.statements {
            let name = statement.instruction.name();
            if matches!(name, "CMD" | "ENTRYPOINT" | "HEALTHCHECK")
                && let Some(before) = seen.insert(name, statement)
            {
                let message = format!("this {name} counts for nothing: the stage has a later one");
                self.report.add("MultipleInstructionsDisallowed", before, None, message);
            }
            self.statement(statement);
        }
        self.state
    }

    fn statement(&mut self, statement: &Statement) {
        self.secrets(statement);
        let recorder = Recorder::new(&self.state.scope);
        let growth = self.state.scope.growth();
        let expanded = statement.instruction.expand_within(&recorder, statement.escape, &growth);
        let missing = recorder.missing.into_inner();
        self.undefined(statement, &missing);
        self.state.scope.grew(&growth);
        match &statement.instruction {
            Instruction::Arg(arg) => {
                // A default that is malformed is an error of the build, which says so.
                let _ = self.state.scope.declare(arg, statement.escape);
            }
            Instruction::Shell(_) => self.state.has_shell = true,
            Instruction::Cmd(CommandLine::Shell(_)) | Instruction::Entrypoint(CommandLine::Shell(_)) => {
                self.shell_form(statement)
            }
            Instruction::Copy(copy) if copy.from.is_none() => self.ignored(statement, &copy.sources),
            Instruction::Add(add) => self.ignored(statement, &add.sources),
            _ => {}
        }
        match expanded {
            Ok(Instruction::Env(env)) => {
                env.pairs.iter().for_each(|pair| self.state.scope.set(&pair.name, &pair.value));
            }
            Ok(Instruction::Workdir(path)) => self.workdir(statement, &path),
            Ok(Instruction::Expose(expose)) => self.ports(statement, &expose.ports),
            _ => {}
        }
    }

    fn undefined(&mut self, statement: &Statement, missing: &BTreeSet<String>) {
        let own: Vec<&str> = match &statement.instruction {
            Instruction::Arg(arg) => arg.arguments.iter().map(|argument| argument.name.as_str()).collect(),
            _ => Vec::new(),
        };
        for name in missing {
            if self.state.scope.is_declared(name) || own.contains(&name.as_str()) {
                continue;
            }
            let message = format!("the variable `{}` is not set here", clip(name));
            let known: Vec<&str> = self.state.scope.variables().map(|(name, _)| name).collect();
            if self.state.is_unknown && suggest::nearest(name, known.iter().copied()).is_none() {
                self.report.note("UndefinedVar", statement, name, message + ", unless the base image sets it");
            } else {
                with_suggestion("UndefinedVar", statement, name, message, known, self.report);
            }
        }
    }

    fn secrets(&mut self, statement: &Statement) {
        let names: Vec<&str> = match &statement.instruction {
            Instruction::Env(env) => env.pairs.iter().map(|pair| pair.name.as_str()).collect(),
            Instruction::Arg(arg) => arg.arguments.iter().map(|argument| argument.name.as_str()).collect(),
            _ => return,
        };
        for name in names.into_iter().filter(|name| is_secret(name)) {
            let message = format!("{} should not hold a secret, as `{}` sounds", statement.instruction.name(), clip(name));
            let help = "use RUN --mount=type=secret: it leaves nothing in the image";
            self.report.add_with_help("SecretsUsedInArgOrEnv", statement, Some(name), message, help);
        }
    }

    fn shell_form(&mut self, statement: &Statement) {
        if !self.state.has_shell {
            let name = statement.instruction.name();
            let message = format!("{name} should be a JSON array: a shell does not pass signals on to the program");
            let help = format!("write {name} [\"program\", \"argument\"], or set SHELL if the shell is meant");
            self.report.add_with_help("JSONArgsRecommended", statement, None, message, &help);
        }
    }

    fn workdir(&mut self, statement: &Statement, path: &str) {
        if !self.state.has_workdir && !path.starts_with('/') {
            let message = match &statement.instruction {
                Instruction::Workdir(written) => format!("the relative WORKDIR `{}` depends on the base image", clip(written)),
                _ => return,
            };
            let help = "make it, or one before it, absolute";
            self.report.add_with_help("WorkdirRelativePath", statement, None, message, help);
        }
        self.state.has_workdir = true;
    }

    fn ports(&mut self, statement: &Statement, ports: &[String]) {
        for port in ports {
            let protocol = port.rsplit_once('/').map_or("", |(_, protocol)| protocol);
            if protocol.chars().any(char::is_uppercase) {
                let message = "the protocol of EXPOSE should be in small letters";
                self.report.add("ExposeProtoCasing", statement, Some(port), message);
            }
            if port.contains(':') {
                let message = "EXPOSE should name a port of the container, without address or host port";
                self.report.add("ExposeInvalidFormat", statement, Some(port), message);
            }
        }
    }

    fn ignored(&mut self, statement: &Statement, sources: &Sources) {
        // What an exception lets in again is not told from the outside: nothing is said where there is one.
        let Some(rules) = self.subject.ignore.filter(|rules| !rules.has_exceptions()) else { return };
        for written in &sources.paths {
            let path = expand::word(written, &self.state.scope, statement.escape).unwrap_or_default();
            if path.contains("://") || path.starts_with("git@") {
                continue;
            }
            let clean = clean_bytes(path.as_bytes());
            let relative = clean.strip_prefix(b"/").unwrap_or(&clean);
            let is_root = relative.is_empty() || relative == b".";
            if if is_root { rules.ignores_everything() } else { rules.is_ignored(relative) } {
                let message = format!("`{}` is left out of the context by .dockerignore", clip(written));
                self.report.add("CopyIgnoredFile", statement, Some(written), message);
            }
        }
    }
}

/// Whether a word of the name, between `_`, is one that secrets have, and none says that it is something else.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 10] =
        ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
    let lowered = name.to_ascii_lowercase();
    let has = |words: &[&str]| lowered.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&["public", "file", "version"])
}
