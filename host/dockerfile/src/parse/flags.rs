//! The flags of instructions.

use std::ops::Range;

use super::problem::Problem;
use super::words::Word;

const RULE: &str = "dockerfile/flag";

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value.
    Text,
    /// A value each time it is given.
    Texts,
    /// `true`, `false`, or nothing for true.
    Switch,
}

/// A flag that an instruction has.
pub(super) type Known = (&'static str, Kind);

const FROM: [Known; 1] = [("platform", Kind::Text)];

const RUN: [Known; 4] = [("device", Kind::Texts), ("mount", Kind::Texts), ("network", Kind::Text), ("security", Kind::Text)];

const COPY: [Known; 6] = [
    ("chmod", Kind::Text),
    ("chown", Kind::Text),
    ("exclude", Kind::Texts),
    ("from", Kind::Text),
    ("link", Kind::Switch),
    ("parents", Kind::Switch),
];

const ADD: [Known; 7] = [
    ("checksum", Kind::Text),
    ("chmod", Kind::Text),
    ("chown", Kind::Text),
    ("exclude", Kind::Texts),
    ("keep-git-dir", Kind::Switch),
    ("link", Kind::Switch),
    ("unpack", Kind::Switch),
];

const HEALTHCHECK: [Known; 5] = [
    ("interval", Kind::Text),
    ("retries", Kind::Text),
    ("start-interval", Kind::Text),
    ("start-period", Kind::Text),
    ("timeout", Kind::Text),
];

/// The flags that an instruction has.
pub(super) fn known(instruction: &str) -> &'static [Known] {
    match instruction {
        "FROM" => &FROM,
        "RUN" => &RUN,
        "COPY" => &COPY,
        "ADD" => &ADD,
        "HEALTHCHECK" => &HEALTHCHECK,
        _ => &[],
    }
}

/// The flags of one instruction, checked.
#[derive(Debug)]
pub(super) struct Flags {
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    name: &'static str,
    value: String,
    range: Range<usize>,
}

impl Flags {
    /// Checks `words` against the flags that `instruction` has.
    pub(super) fn read(words: Vec<Word>, known: &'static [Known], instruction: &str, problems: &mut Vec<Problem>) -> Self {
        let mut flags = Self { given: Vec::new() };
        for word in words {
            if let Err(problem) = flags.add(&word, known, instruction) {
                problems.push(problem.at(word.range));
            }
        }
        flags
    }

    fn add(&mut self, word: &Word, known: &'static [Known], instruction: &str) -> Result<(), Problem> {
        let text = word.text.strip_prefix("--").unwrap_or(&word.text);
        let (given, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let Some(&(name, kind)) = known.iter().find(|(name, _)| *name == given) else {
            let problem = Problem::new("dockerfile/unknown-flag", format!("{instruction} has no flag `--{given}`"));
            return Err(match windlass_core::suggest::nearest(given, known.iter().map(|(name, _)| *name)) {
                Some(near) => problem.help(format!("did you mean `--{near}`?")),
                None if known.is_empty() => problem.help(format!("{instruction} takes no flags")),
                None => {
                    let names: Vec<String> = known.iter().map(|(name, _)| format!("--{name}")).collect();
                    problem.help(format!("{instruction} takes {}", names.join(", ")))
                }
            });
        };
        if kind != Kind::Texts && self.find(name).is_some() {
            return Err(Problem::new(RULE, format!("the flag `--{name}` is given twice")));
        }
        let value = match (kind, value) {
            (Kind::Switch, None) => "true".to_owned(),
            (Kind::Switch, Some(value)) if value.eq_ignore_ascii_case("true") => "true".to_owned(),
            (Kind::Switch, Some(value)) if value.eq_ignore_ascii_case("false") => "false".to_owned(),
            (Kind::Switch, Some(value)) => {
                return Err(Problem::new(RULE, format!("the flag `--{name}` is true or false, not `{value}`")));
            }
            (_, Some(value)) => value.to_owned(),
            (_, None) => {
                return Err(
                    Problem::new(RULE, format!("the flag `--{name}` lacks its value")).help(format!("write `--{name}=VALUE`"))
                );
            }
        };
        self.given.push(Given { name, value, range: word.range.clone() });
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.name == name)
    }

    /// A flag's value; an empty one is as none.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.find(name).map(|given| given.value.clone()).filter(|value| !value.is_empty())
    }

    /// All values of a flag and where they stand.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.given.iter().filter(move |given| given.name == name).map(|given| (given.value.as_str(), given.range.clone()))
    }

    /// Whether a switch is on; `None` when it is not given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.find(name).map(|given| given.value == "true")
    }

    /// Where a flag stands.
    pub(super) fn range(&self, name: &str) -> Range<usize> {
        self.find(name).map_or(0..0, |given| given.range.clone())
    }
}
