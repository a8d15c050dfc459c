//! One logical line to one typed instruction.

use std::ops::Range;

use super::directive::Escape;
use super::flags::{self, Flags};
use super::heredoc::Heredoc;
use super::json::{self, Json};
use super::problem::Problem;
use super::words::{self, Word};
use super::{command, pairs, transfer};
use crate::instruction::{ExposeInstruction, FromInstruction, Instruction, NAMES, OnBuildInstruction};

/// The arguments of an instruction, and what has been found out about them.
pub(super) struct Arguments<'a> {
    /// The whole line.
    pub(super) line: &'a str,
    /// The instruction's name in capitals.
    pub(super) name: &'static str,
    /// The flags, not yet checked.
    pub(super) flag_words: Vec<Word>,
    /// The bytes behind the flags.
    pub(super) range: Range<usize>,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) escape: Escape,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Arguments<'_> {
    /// The text behind the flags.
    pub(super) fn text(&self) -> &str {
        &self.line[self.range.clone()]
    }

    pub(super) fn flags(&mut self) -> Flags {
        Flags::read(std::mem::take(&mut self.flag_words), flags::known(self.name), self.name, self.problems)
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The arguments, when there is at least one; else that is a mistake.
    fn at_least_one(&mut self, words: Vec<String>) -> Option<Vec<String>> {
        if words.is_empty() {
            self.report(Problem::arguments(format!("{} requires at least one argument", self.name)));
            return None;
        }
        Some(words)
    }

    /// The rest of the line as one argument.
    fn only_one(&mut self) -> Option<String> {
        if self.range.is_empty() {
            self.report(Problem::arguments(format!("{} requires exactly one argument", self.name)));
            return None;
        }
        Some(self.text().to_owned())
    }

    /// The elements of a JSON array, or else the words between blanks.
    pub(super) fn array_or_words(&mut self) -> Option<(Vec<String>, bool)> {
        match json::read(self.text()) {
            Json::Strings(strings) => Some((strings, true)),
            Json::OtherArray => {
                self.report_other_array();
                None
            }
            Json::Text => {
                let words = words::plain(self.line, self.range.clone());
                Some((words.into_iter().map(|word| word.text).collect(), false))
            }
        }
    }

    pub(super) fn report_other_array(&mut self) {
        let range = self.range.clone();
        self.report(Problem::new("dockerfile/json", "a JSON array of arguments must hold strings only").at(range));
    }
}

/// Whether a line may begin heredocs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    Certain,
    /// The instruction is misspelt, but nearest to one that takes heredocs.
    Likely,
    No,
}

impl Certainty {
    pub(super) const fn is_possible(self) -> bool {
        !matches!(self, Self::No)
    }

    pub(super) const fn is_certain(self) -> bool {
        matches!(self, Self::Certain)
    }
}

/// Whether the instruction of a line, or the trigger of its `ONBUILD`, takes heredocs.
pub(super) fn holds_heredocs(line: &str) -> Certainty {
    let mut range = 0..line.len();
    for _ in 0..2 {
        let (name, rest) = words::name_and_rest(line, range);
        let (_, arguments) = words::flags(line, rest);
        let text = line[name].to_ascii_uppercase();
        let takes_them = |name: &str| matches!(name, "RUN" | "COPY" | "ADD");
        if text == "ONBUILD" {
            range = arguments;
            continue;
        }
        if takes_them(&text) {
            let is_exec = matches!(json::read(&line[arguments]), Json::Strings(_));
            return if is_exec { Certainty::No } else { Certainty::Certain };
        }
        let near = if NAMES.contains(&text.as_str()) { None } else { windlass_core::suggest::nearest(&text, NAMES) };
        return if near.is_some_and(takes_them) { Certainty::Likely } else { Certainty::No };
    }
    Certainty::No
}

/// No fewer words than the instruction of a line is kept as. Counting is cheap where cutting is not.
pub(super) fn most_words(line: &str) -> usize {
    let words = || line.split(words::BLANKS).filter(|word| !word.is_empty());
    let name = words().map(str::to_ascii_uppercase).find(|name| name != "ONBUILD").unwrap_or_default();
    // An array needs no blanks between its elements.
    let elements = if words().any(|word| word.starts_with('[')) { line.matches(',').count() } else { 0 };
    let is_command = matches!(name.as_str(), "RUN" | "CMD" | "ENTRYPOINT" | "HEALTHCHECK");
    let listed = if is_command && !line.contains("<<") { line.matches("--").count() } else { words().count() };
    listed + elements
}

/// Reads the instruction of a line. `None` only when there is a problem.
pub(super) fn read(
    line: &str,
    heredocs: Vec<Heredoc>,
    escape: Escape,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Instruction> {
    let (name_range, rest) = words::name_and_rest(line, 0..line.len());
    let given = &line[name_range.clone()];
    let Some(name) = NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(given)) else {
        let problem =
            Problem::new("dockerfile/unknown-instruction", format!("unknown instruction `{}`", crate::expand::clip(given)));
        problems.push(problem.nearest(given, NAMES).at(name_range));
        return None;
    };
    let (flag_words, range) = words::flags(line, rest.clone());
    let mut arguments = Arguments { line, name, flag_words, range, heredocs, escape, problems };
    match name {
        "ADD" => transfer::add(&mut arguments).map(Instruction::Add),
        "COPY" => transfer::copy(&mut arguments).map(Instruction::Copy),
        "RUN" => command::run(&mut arguments).map(Instruction::Run),
        "HEALTHCHECK" => command::healthcheck(&mut arguments).map(Instruction::Healthcheck),
        "ONBUILD" => on_build(arguments, rest, warnings).map(Instruction::OnBuild),
        "FROM" => from(&mut arguments).map(Instruction::From),
        _ => {
            arguments.flags();
            without_flags(&mut arguments)
        }
    }
}

fn without_flags(arguments: &mut Arguments<'_>) -> Option<Instruction> {
    Some(match arguments.name {
        "ARG" => Instruction::Arg(pairs::arg(arguments)?),
        "ENV" => Instruction::Env(pairs::env(arguments)?),
        "LABEL" => Instruction::Label(pairs::label(arguments)?),
        "CMD" => Instruction::Cmd(command::command_line(arguments)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command::command_line(arguments)?),
        "SHELL" => Instruction::Shell(shell(arguments)?),
        "EXPOSE" => Instruction::Expose(expose(arguments)?),
        "VOLUME" => Instruction::Volume(volume(arguments)?),
        "MAINTAINER" => Instruction::Maintainer(arguments.only_one()?),
        "WORKDIR" => Instruction::Workdir(arguments.only_one()?),
        "USER" => Instruction::User(arguments.only_one()?),
        _ => Instruction::StopSignal(arguments.only_one()?),
    })
}

fn from(arguments: &mut Arguments<'_>) -> Option<FromInstruction> {
    let platform = arguments.flags().text("platform");
    let words = words::plain(arguments.line, arguments.range.clone());
    let (base, name) = match words.as_slice() {
        [base] => (base, None),
        [base, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => (base, Some(name)),
        _ => {
            let range = arguments.range.clone();
            arguments.report(Problem::arguments("FROM takes an image, or an image, AS and a name").at(range));
            return None;
        }
    };
    let lowered = name.map(|name| (name.text.to_lowercase(), name.range.clone()));
    if let Some((name, range)) = lowered.clone().filter(|(name, _)| !is_stage_name(name)) {
        let problem = Problem::new("dockerfile/stage", format!("`{name}` cannot be the name of a stage"));
        arguments.report(problem.at(range).help("a name begins with a letter and has letters, digits, `-`, `_` and `.`"));
    }
    Some(FromInstruction { base: base.text.clone(), name: lowered.map(|(name, _)| name), platform })
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

fn expose(arguments: &mut Arguments<'_>) -> Option<ExposeInstruction> {
    let words = words::plain(arguments.line, arguments.range.clone());
    let mut ports = arguments.at_least_one(words.into_iter().map(|word| word.text).collect())?;
    ports.sort();
    Some(ExposeInstruction { ports })
}

fn volume(arguments: &mut Arguments<'_>) -> Option<Vec<String>> {
    let (words, _) = arguments.array_or_words()?;
    let paths: Vec<String> = arguments.at_least_one(words)?.into_iter().map(|path| path.trim().to_owned()).collect();
    if paths.iter().any(String::is_empty) {
        arguments.report(Problem::arguments("a path of VOLUME must not be empty"));
        return None;
    }
    Some(paths)
}

fn shell(arguments: &mut Arguments<'_>) -> Option<Vec<String>> {
    match json::read(arguments.text()) {
        Json::Strings(words) => arguments.at_least_one(words),
        Json::OtherArray => {
            arguments.report_other_array();
            None
        }
        Json::Text if arguments.range.is_empty() => arguments.at_least_one(Vec::new()),
        Json::Text => {
            let range = arguments.range.clone();
            let problem = Problem::new("dockerfile/json", "SHELL requires a JSON array").at(range);
            arguments.report(problem.help(r#"write it as SHELL ["/bin/sh", "-c"]"#));
            None
        }
    }
}

/// What makes a trigger wrong already where it is written; other mistakes show only where it runs.
const TRIGGER_RULES: [&str; 2] = ["dockerfile/json", "dockerfile/pairs"];

fn on_build(mut arguments: Arguments<'_>, rest: Range<usize>, warnings: &mut Vec<Problem>) -> Option<OnBuildInstruction> {
    arguments.flags();
    let (name, _) = words::name_and_rest(arguments.line, arguments.range.clone());
    let forbidden = match arguments.line[name.clone()].to_ascii_uppercase().as_str() {
        "" => Problem::arguments("ONBUILD requires an instruction"),
        "ONBUILD" => Problem::new("dockerfile/trigger", "ONBUILD cannot be the trigger of ONBUILD").at(name),
        other @ ("FROM" | "MAINTAINER") => {
            Problem::new("dockerfile/trigger", format!("{other} cannot be an ONBUILD trigger")).at(name)
        }
        _ => {
            let offset = arguments.range.start;
            let mut problems = Vec::new();
            read(&arguments.line[offset..], arguments.heredocs.clone(), arguments.escape, &mut problems, warnings);
            let (fatal, later): (Vec<_>, Vec<_>) =
                problems.into_iter().map(|problem| problem.shifted(offset)).partition(|problem| problem.has_rule(&TRIGGER_RULES));
            warnings.extend(later);
            arguments.problems.extend(fatal);
            let mut trigger = arguments.line[rest.start..].to_owned();
            for heredoc in &arguments.heredocs {
                trigger.push('\n');
                trigger.push_str(&heredoc.body);
                trigger.push_str(&heredoc.name);
            }
            return Some(OnBuildInstruction { trigger });
        }
    };
    arguments.report(forbidden);
    None
}
