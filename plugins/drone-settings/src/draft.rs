//! A translation in the making: what was given, by variable, and what has been made of it so far.

use std::collections::BTreeMap;

use crate::input::{Given, Input};
use crate::read;
use crate::variables::{Shape, Variable, Variant};
use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::dialect::{Assignment, Outcome, Target, Translation, Value, Verdict};

/// The inputs that count, and the translation as far as it is made.
pub(crate) struct Draft<'a> {
    pub(crate) variant: &'a Variant,
    pub(crate) made: Translation,
    chosen: BTreeMap<&'static str, (&'static Variable, &'a Input)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(variant: &'a Variant) -> Self {
        Self { variant, made: nothing(), chosen: BTreeMap::new() }
    }

    /// Makes `input` the one that counts for `variable`.
    pub(crate) fn choose(&mut self, variable: &'static Variable, input: &'a Input) {
        self.chosen.insert(variable.name(), (variable, input));
    }

    /// The name that the user wrote for the variable, or its own where it was not given.
    pub(crate) fn origin(&self, name: &'static str) -> String {
        self.chosen.get(name).map_or_else(|| name.to_owned(), |(_, input)| input.origin.clone())
    }

    pub(crate) fn is_given(&self, name: &'static str) -> bool {
        self.chosen.contains_key(name)
    }

    /// The value of `name`, when it is given and is what its shape demands; else the finding that says so is made.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<Value> {
        let (variable, input) = self.chosen.get(name)?;
        let (origin, shape) = (input.origin.clone(), variable.shape);
        match convert(shape, input) {
            Ok(value) => Some(value),
            Err(expected) => {
                let got = match &input.given {
                    Given::Text(text) if !matches!(shape, Shape::Pairs | Shape::StrictPairs) => format!(", not `{}`", clip(text)),
                    _ => String::new(),
                };
                self.deny("settings/value", &origin, format!("`{origin}` must be {expected}{got}"), "");
                None
            }
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            Some(Value::Texts(texts)) => texts,
            _ => Vec::new(),
        }
    }

    pub(crate) fn pairs(&mut self, name: &'static str) -> Vec<(String, String)> {
        match self.value(name) {
            Some(Value::Pairs(pairs)) => pairs,
            _ => Vec::new(),
        }
    }

    /// The value as it was given, for what has a form of its own.
    pub(crate) fn given(&self, name: &'static str) -> Option<&'a Given> {
        self.chosen.get(name).map(|(_, input)| &input.given)
    }

    /// Sets a target's setting to a value that was made of the variables `names`, as far as they are given.
    pub(crate) fn assign(&mut self, target: Target, setting: &str, value: Value, names: &[&'static str]) {
        let from = names.iter().filter(|name| self.is_given(name)).map(|name| self.origin(name)).collect();
        self.made.assignments.push(Assignment { target, name: setting.to_owned(), value, from });
    }

    /// Moves the variable's value to a target's setting as it is, when it is given.
    pub(crate) fn pass(&mut self, name: &'static str, target: Target, setting: &str) {
        if let Some(value) = self.value(name) {
            self.assign(target, setting, value, &[name]);
        }
    }

    /// Says that the variable, though given, has no effect.
    pub(crate) fn ignore(&mut self, name: &'static str, reason: impl Into<String>) {
        if self.is_given(name) {
            let origin = self.origin(name);
            self.decide(&origin, Verdict::Ignored(reason.into()));
        }
    }

    pub(crate) fn decide(&mut self, origin: &str, verdict: Verdict) {
        match self.made.outcomes.iter_mut().find(|outcome| outcome.name == origin) {
            Some(outcome) => outcome.verdict = verdict,
            None => self.made.outcomes.push(Outcome { name: origin.to_owned(), verdict }),
        }
    }

    /// Adds a finding, once.
    pub(crate) fn tell(&mut self, finding: Finding) {
        if !self.made.findings.contains(&finding) {
            self.made.findings.push(finding);
        }
    }

    pub(crate) fn deny(&mut self, rule: &str, subject: &str, message: String, help: &str) {
        let finding = Finding::deny(rule, message).about(subject);
        self.tell(if help.is_empty() { finding } else { finding.help(help) });
    }
}

/// The translation of nothing.
#[must_use]
pub fn nothing() -> Translation {
    Translation {
        assignments: Vec::new(),
        outcomes: Vec::new(),
        adapter: None,
        tag_policies: Vec::new(),
        engine: None,
        findings: Vec::new(),
        attributes: Vec::new(),
    }
}

fn convert(shape: Shape, input: &Input) -> Result<Value, String> {
    match (shape, &input.given) {
        (Shape::Secret, _) => Ok(Value::SecretOf(input.origin.clone())),
        (Shape::Text, Given::Text(text)) => Ok(Value::Text(text.trim().to_owned())),
        (Shape::Flag, Given::Text(text)) => read::flag(text).map(Value::Flag),
        (Shape::Integer, Given::Text(text)) => read::integer(text).map(Value::Integer),
        (Shape::Commas, Given::Text(text)) => Ok(Value::Texts(read::commas(text))),
        (Shape::Specifications, Given::Text(text)) => Ok(Value::Texts(read::specifications(text))),
        (Shape::Pairs, Given::Text(text)) => read::pairs(text).map(Value::Pairs),
        (Shape::StrictPairs, Given::Text(text)) => read::strict_pairs(text).map(Value::Pairs),
        (Shape::Commas | Shape::Specifications, Given::Texts(texts)) => {
            Ok(Value::Texts(texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned).collect()))
        }
        (Shape::Pairs | Shape::StrictPairs, Given::Pairs(pairs)) => Ok(Value::Pairs(pairs.clone())),
        (shape, _) => Err(read::expected(shape).to_owned()),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}
