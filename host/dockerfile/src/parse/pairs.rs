//! `ENV`, `LABEL` and `ARG`.

use super::problem::Problem;
use super::statement::Arguments;
use super::words;
use crate::expand::clip;
use crate::instruction::{ArgInstruction, Argument, EnvInstruction, LabelInstruction, Pair};

const RULE: &str = "dockerfile/pairs";

pub(super) fn env(arguments: &mut Arguments<'_>) -> Option<EnvInstruction> {
    Some(EnvInstruction { pairs: pairs(arguments)? })
}

pub(super) fn label(arguments: &mut Arguments<'_>) -> Option<LabelInstruction> {
    Some(LabelInstruction { pairs: pairs(arguments)? })
}

/// `name=value …` or, when the first word has no `=`, `name` and the rest of the line.
fn pairs(arguments: &mut Arguments<'_>) -> Option<Vec<Pair>> {
    let name = arguments.name;
    let words = words::quoted(arguments.line, arguments.range.clone(), arguments.escape);
    let Some(first) = words.first() else {
        arguments.report(Problem::arguments(format!("{name} requires at least one argument")));
        return None;
    };
    if !first.text.contains('=') {
        let (key, value) = words::name_and_rest(arguments.line, arguments.range.clone());
        if value.is_empty() {
            let range = arguments.range.clone();
            let problem = Problem::new(RULE, format!("{name} requires a name and a value")).at(range);
            arguments.report(problem.help(format!("write `{name} NAME=value`")));
            return None;
        }
        let text = |range: std::ops::Range<usize>| arguments.line[range].to_owned();
        return Some(vec![Pair { name: text(key), value: text(value) }]);
    }
    let mut pairs = Vec::new();
    for word in words {
        match word.text.split_once('=') {
            Some(("", _)) => arguments.report(Problem::arguments(format!("a name of {name} must not be empty")).at(word.range)),
            Some((key, value)) => pairs.push(Pair { name: key.to_owned(), value: value.to_owned() }),
            None => {
                let problem = Problem::new(RULE, format!("`{}` lacks its `=`: {name} takes NAME=value", clip(&word.text)));
                arguments.report(problem.at(word.range).help("put quotes around a value that has blanks"));
            }
        }
    }
    Some(pairs)
}

pub(super) fn arg(arguments: &mut Arguments<'_>) -> Option<ArgInstruction> {
    let words = words::quoted(arguments.line, arguments.range.clone(), arguments.escape);
    if words.is_empty() {
        arguments.report(Problem::arguments("ARG requires at least one argument"));
        return None;
    }
    let mut parsed = Vec::new();
    for word in words {
        match word.text.split_once('=') {
            Some(("", _)) => arguments.report(Problem::arguments("a name of ARG must not be empty").at(word.range)),
            Some((name, default)) => parsed.push(Argument { name: name.to_owned(), default: Some(default.to_owned()) }),
            None => parsed.push(Argument { name: word.text, default: None }),
        }
    }
    Some(ArgInstruction { arguments: parsed })
}
