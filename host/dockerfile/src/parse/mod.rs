//! Bytes to a [`Dockerfile`]: directives, logical lines, heredocs, typed instructions, stages.

mod command;
mod directive;
mod flags;
pub mod heredoc;
mod json;
mod lines;
mod pairs;
mod problem;
mod statement;
mod transfer;
mod words;

use std::collections::BTreeSet;

use windlass_core::{Finding, Place};

use crate::expand::{ExpandError, Lookup};
use crate::instruction::{FromInstruction, Instruction};

pub use directive::{Directives, Escape};
use heredoc::Heredoc;
use lines::{Logical, Reader};
use problem::Problem;

/// The largest Dockerfile that is read, in bytes.
pub const MAXIMUM_SIZE: usize = 16 << 20;
/// The longest line, in bytes without its line feed: that of BuildKit, whose scanner has room for 64 KiB.
pub const MAXIMUM_LINE: usize = (1 << 16) - 1;
/// How many instructions a Dockerfile may have. Each takes memory for as long as the build.
pub const MAXIMUM_INSTRUCTIONS: usize = 25_000;
/// How many words the lists of a Dockerfile may have together: the sources of `COPY`, the pairs of `ENV`, commands written as
/// arrays and so on. A command in shell form is one text, however long. Each word takes memory for as long as the build.
pub const MAXIMUM_WORDS: usize = 100_000;
/// How many mistakes are told of one Dockerfile.
pub const MAXIMUM_FINDINGS: usize = 100;

/// A place in the file: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A stretch of the file; the end is behind its last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub start: Position,
    /// Its end.
    pub end: Position,
}

/// A Dockerfile, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The directives at its top.
    pub directives: Directives,
    /// The `ARG` instructions before the first stage.
    pub globals: Vec<Statement>,
    /// The stages, in order; at least one.
    pub stages: Vec<ParsedStage>,
    /// What is worth saying about it although it can be built.
    pub warnings: Vec<Finding>,
}

/// A stage as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedStage {
    /// What its `FROM` says.
    pub from: FromInstruction,
    /// The `FROM` itself.
    pub statement: Statement,
    /// The instructions that follow.
    pub statements: Vec<Statement>,
}

/// An instruction with where it stands and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The instruction.
    pub instruction: Instruction,
    /// Where it stands, heredoc bodies included.
    pub span: Span,
    /// Its first line, for findings.
    pub place: Place,
    /// Its text: one line, continuations joined, without heredoc bodies.
    pub text: String,
    /// The escape character that its words are expanded with.
    pub escape: Escape,
}

impl Statement {
    /// The instruction with its variables filled in; see [`Instruction::expand`].
    ///
    /// # Errors
    /// When a word is malformed or what comes out makes no sense.
    pub fn expand(&self, env: &dyn Lookup) -> Result<Instruction, ExpandError> {
        self.instruction.expand(env, self.escape)
    }

    /// What [`Statement::expand`] or [`crate::Scope::declare`] found wrong, as a finding at this statement.
    #[must_use]
    pub fn expand_finding(&self, error: &ExpandError) -> Finding {
        let mut message = format!("cannot {error}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Finding::deny("dockerfile/expansion", message).at(self.place.clone())
    }
}

/// Reads a Dockerfile. `file` is its name in findings.
///
/// # Errors
/// All mistakes that can be told without building, in the order of their lines.
pub fn parse(bytes: &[u8], file: &str) -> Result<Dockerfile, Vec<Finding>> {
    let mut parser = Parser::new(bytes, file)?;
    while let Some(statement) = parser.next_statement() {
        parser.place(statement);
    }
    parser.finish()
}

/// Reads one trigger of `ONBUILD` as an image's configuration stores it, on behalf of the `FROM` at `from`.
///
/// # Errors
/// When the text is not exactly one instruction, or is one that cannot be a trigger.
pub fn parse_trigger(trigger: &str, from: &Statement) -> Result<Statement, Vec<Finding>> {
    let file = format!("{}: ONBUILD trigger", from.place.file);
    let mut parser = Parser::new(trigger.as_bytes(), &file)?;
    let first = parser.next_statement();
    let more = parser.next_statement().is_some();
    let blame = |message: &str| {
        vec![Finding::deny("dockerfile/trigger", message).at(from.place.clone()).about(crate::expand::clip(trigger))]
    };
    if !parser.findings.is_empty() {
        return Err(parser.findings);
    }
    match first {
        Some(statement) if !more && !matches!(statement.instruction, Instruction::From(_)) => {
            Ok(Statement { span: from.span, place: from.place.clone(), escape: from.escape, ..statement })
        }
        Some(_) if !more => Err(blame("FROM cannot be an ONBUILD trigger")),
        _ => Err(blame("an ONBUILD trigger must be exactly one instruction")),
    }
}

struct Parser<'a> {
    file: &'a str,
    reader: Reader<'a>,
    directives: Directives,
    globals: Vec<Statement>,
    stages: Vec<ParsedStage>,
    names: BTreeSet<String>,
    stray: Option<Finding>,
    count: usize,
    words: usize,
    /// How many misspelt instructions have been searched for heredocs; that takes time.
    guesses: usize,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], file: &'a str) -> Result<Self, Vec<Finding>> {
        let whole = |message: String| vec![Finding::deny("dockerfile/file", message).at(Logical::whole_line(file, 1))];
        if bytes.len() > MAXIMUM_SIZE {
            return Err(whole(format!("the Dockerfile has {} bytes; at most {MAXIMUM_SIZE} are read", bytes.len())));
        }
        let long = too_long_lines(bytes, file);
        if !long.is_empty() {
            return Err(long);
        }
        let reader = Reader::new(bytes);
        let (directives, problems) = directive::read(reader.beginnings());
        let findings = problems
            .into_iter()
            .map(|(line, message)| Finding::deny("dockerfile/directive", message).at(Logical::whole_line(file, line)))
            .collect();
        Ok(Self {
            file,
            reader,
            directives,
            globals: Vec::new(),
            stages: Vec::new(),
            names: BTreeSet::new(),
            stray: None,
            count: 0,
            words: 0,
            guesses: 0,
            findings,
            warnings: Vec::new(),
        })
    }

    /// The next statement without mistakes; mistakes are put on record.
    fn next_statement(&mut self) -> Option<Statement> {
        let escape = self.directives.escape;
        while self.findings.len() < MAXIMUM_FINDINGS {
            let mut logical = self.reader.next_logical(escape)?;
            self.count += 1;
            self.words += statement::most_words(&logical.text);
            if let Some(message) = self.is_too_long() {
                self.findings.push(Finding::deny("dockerfile/file", message).at(logical.place(self.file, 0..0)));
                return None;
            }
            let mut problems = Vec::new();
            let heredocs = self.heredocs(&mut logical, &mut problems);
            let mut warnings = Vec::new();
            let instruction = statement::read(&logical.text, heredocs, escape, &mut problems, &mut warnings);
            problems.truncate(MAXIMUM_FINDINGS);
            warnings.truncate(MAXIMUM_FINDINGS);
            self.note_lines(&logical);
            for problem in warnings {
                let finding = problem.into_finding(&logical, self.file);
                self.warn(Finding { severity: windlass_core::Severity::Warn, ..finding });
            }
            let is_sound = problems.is_empty() && logical.invalid_lines.is_empty();
            self.findings.extend(problems.into_iter().map(|problem| problem.into_finding(&logical, self.file)));
            if let Some(instruction) = instruction.filter(|_| is_sound) {
                let place = logical.place(self.file, 0..logical.text.trim_end().len());
                let text = logical.text.trim().to_owned();
                return Some(Statement { instruction, span: logical.span(), place, text, escape });
            }
        }
        None
    }

    /// What the Dockerfile has too much of.
    fn is_too_long(&self) -> Option<String> {
        let limits = [(self.count, MAXIMUM_INSTRUCTIONS, "instructions"), (self.words, MAXIMUM_WORDS, "words in lists")];
        let (_, limit, what) = limits.into_iter().find(|(count, limit, _)| count > limit)?;
        Some(format!("the Dockerfile has more than {limit} {what}"))
    }

    /// Reads the bodies of the heredocs that a line begins.
    fn heredocs(&mut self, logical: &mut Logical, problems: &mut Vec<Problem>) -> Vec<Heredoc> {
        let certainty = statement::holds_heredocs(&logical.text);
        let mut heredocs = Vec::new();
        for (heredoc, range) in if certainty.is_possible() { heredoc::in_line(&logical.text) } else { Vec::new() } {
            // A misspelt instruction still takes its bodies along, or each of their lines would be reported, too.
            if !certainty.is_certain() {
                self.guesses += 1;
                if self.guesses > MAXIMUM_FINDINGS || !self.reader.has_terminator(&heredoc.name, heredoc.strips_tabs) {
                    continue;
                }
            }
            match self.reader.heredoc(&heredoc.name, heredoc.strips_tabs, logical) {
                Some(body) => heredocs.push(Heredoc { body, ..heredoc }),
                None => {
                    let message = format!("the heredoc `{}` has no end", heredoc.name);
                    let problem = Problem::new("dockerfile/heredoc", message).at(range);
                    problems.push(problem.help(format!("end it with a line that is `{}` alone", heredoc.name)));
                    break;
                }
            }
        }
        heredocs
    }

    /// A file of 16 MiB can give rise to millions of warnings.
    fn warn(&mut self, finding: Finding) {
        if self.warnings.len() < crate::lint::MAXIMUM_FINDINGS {
            self.warnings.push(finding);
        }
    }

    fn note_lines(&mut self, logical: &Logical) {
        for &line in logical.invalid_lines.iter().take(MAXIMUM_FINDINGS) {
            let finding = Finding::deny("dockerfile/encoding", "this line is not UTF-8");
            self.findings.push(finding.at(Logical::whole_line(self.file, line)));
        }
        if let Some(line) = logical.blank_until {
            let finding = Finding::warn("check/NoEmptyContinuation", "a blank line within a continued instruction");
            self.warn(finding.at(Logical::whole_line(self.file, line)).help("remove it, or put a `#` on it"));
        }
    }

    /// Puts a statement where it belongs: among the globals, as a new stage, or into the last one.
    fn place(&mut self, statement: Statement) {
        if let Instruction::From(from) = &statement.instruction {
            self.warn_of_repeated_name(from, &statement);
            self.stages.push(ParsedStage { from: from.clone(), statement, statements: Vec::new() });
            return;
        }
        match (self.stages.last_mut(), &statement.instruction) {
            (Some(stage), _) => stage.statements.push(statement),
            (None, Instruction::Arg(_)) => self.globals.push(statement),
            (None, other) if self.stray.is_none() => {
                let message = format!("{} stands before the first FROM; only ARG may", other.name());
                self.stray = Some(Finding::deny("dockerfile/stage", message).at(statement.place));
            }
            (None, _) => {}
        }
    }

    fn warn_of_repeated_name(&mut self, from: &FromInstruction, statement: &Statement) {
        let Some(name) = &from.name else { return };
        if !self.names.insert(name.clone()) {
            let message = format!("the stage name `{name}` is used twice; it means the nearest stage before its use");
            self.warn(Finding::warn("check/DuplicateStageName", message).at(statement.place.clone()));
        }
    }

    fn finish(mut self) -> Result<Dockerfile, Vec<Finding>> {
        self.findings.extend(self.stray);
        if self.stages.is_empty() && self.findings.is_empty() {
            let message = match self.count {
                0 => "the Dockerfile has no instructions",
                _ => "the Dockerfile has no FROM",
            };
            let finding = Finding::deny("dockerfile/stage", message).at(Logical::whole_line(self.file, 1));
            self.findings.push(finding.help("begin with FROM and the image to build on, or `FROM scratch`"));
        }
        if !self.findings.is_empty() {
            self.findings.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
            return Err(self.findings);
        }
        let Self { directives, globals, stages, warnings, .. } = self;
        Ok(Dockerfile { directives, globals, stages, warnings })
    }
}

/// Tells of the lines that BuildKit would not read either, before any of them is copied.
fn too_long_lines(bytes: &[u8], file: &str) -> Vec<Finding> {
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| line.len() > MAXIMUM_LINE);
    let told = |(line, number): (&[u8], u32)| {
        let message = format!("line {number} has {} bytes; a line of a Dockerfile has at most {MAXIMUM_LINE}", line.len());
        let finding = Finding::deny("dockerfile/file", message).at(Logical::whole_line(file, number));
        finding.help("break it by the escape character at the ends of lines, or copy what is long from a file")
    };
    lines.take(MAXIMUM_FINDINGS).map(told).collect()
}

#[cfg(test)]
mod documentation_tests;
#[cfg(test)]
#[path = "parse_tests.rs"]
pub(crate) mod tests;
