//! Rules about how the Dockerfile is written: cases, comments, forms.

use super::{Report, Subject};
use crate::expand::clip;
use crate::instruction::{Instruction, Pair};
use crate::parse::Statement;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let stages = &subject.dockerfile.stages;
    let statements = || stages.iter().flat_map(|stage| std::iter::once(&stage.statement).chain(&stage.statements));
    consistent_casing(statements, report);
    let comments = Comments::new(subject);
    for statement in subject.dockerfile.globals.iter().chain(statements()) {
        comments.describe(statement, report);
        match &statement.instruction {
            Instruction::From(_) => from_words(statement, report),
            Instruction::Maintainer(_) => {
                let message = "MAINTAINER is deprecated";
                let help = "write LABEL org.opencontainers.image.authors=…";
                report.add_with_help("MaintainerDeprecated", statement, None, message.to_owned(), help);
            }
            Instruction::Env(_) | Instruction::Label(_) => key_value_form(statement, report),
            _ => {}
        }
    }
}

fn keyword(statement: &Statement) -> &str {
    statement.text.split_whitespace().next().unwrap_or_default()
}

fn is_small(word: &str) -> bool {
    word == word.to_ascii_lowercase()
}

fn is_large(word: &str) -> bool {
    word == word.to_ascii_uppercase()
}

/// The case that most instructions have is the right one, capitals where it is a draw.
fn consistent_casing<'a, I: Iterator<Item = &'a Statement>>(statements: impl Fn() -> I, report: &mut Report<'_>) {
    let small = statements().filter(|statement| is_small(keyword(statement))).count();
    let large = statements().filter(|statement| is_large(keyword(statement))).count();
    let (is_right, name): (fn(&str) -> bool, _) = if small > large { (is_small, "small") } else { (is_large, "capital") };
    for statement in statements().filter(|statement| !is_right(keyword(statement))) {
        let word = keyword(statement);
        let message = format!("`{word}` should be in {name} letters, as most instructions of this file are");
        report.add("ConsistentInstructionCasing", statement, Some(word), message);
    }
}

fn from_words(statement: &Statement, report: &mut Report<'_>) {
    let words: Vec<&str> = statement.text.split_whitespace().filter(|word| !word.starts_with("--")).collect();
    let [from, _, keyword, name] = words.as_slice() else { return };
    let fits = if is_small(from) { is_small(keyword) } else { !is_large(from) || is_large(keyword) };
    if !fits {
        let message = format!("`{keyword}` and `{from}` should be in the same case");
        report.add("FromAsCasing", statement, Some(&format!(" {keyword} ")), message);
    }
    let small = name.to_lowercase();
    if small != **name {
        report.add("StageNameCasing", statement, Some(name), format!("the stage name `{name}` should be `{small}`"));
    }
    if matches!(small.as_str(), "scratch" | "context") {
        report.add("ReservedStageName", statement, Some(name), format!("`{small}` is reserved and should not name a stage"));
    }
}

fn key_value_form(statement: &Statement, report: &mut Report<'_>) {
    let (name, pairs) = match &statement.instruction {
        Instruction::Env(env) => ("ENV", &env.pairs),
        Instruction::Label(label) => ("LABEL", &label.pairs),
        _ => return,
    };
    let [Pair { name: key, .. }] = pairs.as_slice() else { return };
    let rest = statement.text.trim_start().get(name.len()..).unwrap_or_default().trim_start();
    if rest.strip_prefix(key.as_str()).is_none_or(|rest| rest.starts_with('=')) {
        return;
    }
    let message = format!("`{name} NAME value` is an old form: write `{name} {}=…`", clip(key));
    report.add("LegacyKeyValueFormat", statement, None, message);
}

/// The lines of the file, to look for comments in.
struct Comments<'a> {
    lines: Vec<&'a [u8]>,
    /// How many lines directives take.
    directives: usize,
}

impl<'a> Comments<'a> {
    fn new(subject: &Subject<'a>) -> Self {
        // They are needed for one rule only, which seldom counts.
        let is_wanted = |report: &[u8]| report.contains(&b'#');
        let lines = if is_wanted(subject.source) { subject.source.split(|&byte| byte == b'\n').collect() } else { Vec::new() };
        Self { lines, directives: subject.dockerfile.directives.lines as usize }
    }

    /// The comment right above a line, unless it is empty.
    fn above(&self, line: u32) -> Option<String> {
        let end = (line as usize).saturating_sub(1).min(self.lines.len());
        let line = self.lines.get(self.directives..end)?.last()?;
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        text.strip_prefix('#').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn describe(&self, statement: &Statement, report: &mut Report<'_>) {
        let names: Vec<&str> = match &statement.instruction {
            Instruction::From(from) => from.name.as_deref().into_iter().collect(),
            Instruction::Arg(arg) => arg.arguments.iter().map(|argument| argument.name.as_str()).collect(),
            _ => return,
        };
        if !report.options.includes("InvalidDefinitionDescription", true) || names.is_empty() {
            return;
        }
        let Some(comment) = self.above(statement.place.line) else { return };
        if !comment.split_whitespace().next().is_some_and(|word| names.contains(&word)) {
            let message = format!("the comment above should begin with `{}`, which it describes", names.join("` or `"));
            let help = "put a blank line below the comment if it describes something else";
            report.add_with_help("InvalidDefinitionDescription", statement, None, message, help);
        }
    }
}
