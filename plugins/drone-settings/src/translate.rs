//! The translation itself: inputs find their variables, and every variable its rule.

use windlass_plugin_sdk::core::suggest::nearest;
use windlass_plugin_sdk::dialect::{Outcome, Target, Translation, Verdict};

use crate::draft::Draft;
use crate::input::{Given, Input};

use crate::variables::{self, Rule, Shape, Variable, Variant};
use crate::{build_args, cache, credentials, destination, labels, push, tags};

/// Says what `inputs` mean for a step of this kind. Where several give the same variable, the one of the lowest rank holds,
/// then the one under the variable's first name; empty ones count as not given.
#[must_use]
pub fn translate(variant: &Variant, inputs: &[Input]) -> Translation {
    let mut draft = Draft::new(variant);
    for input in inputs {
        if !draft.made.outcomes.iter().any(|outcome| outcome.name == input.origin) {
            draft.made.outcomes.push(Outcome { name: input.origin.clone(), verdict: first_verdict(variant, input) });
        }
    }
    for variable in variables::known_to(variant) {
        choose(&mut draft, variable, inputs);
    }
    for variable in variables::known_to(variant) {
        apply(&mut draft, variable);
    }
    push::apply(&mut draft);
    destination::apply(&mut draft);
    tags::apply(&mut draft);
    build_args::apply(&mut draft);
    labels::apply(&mut draft);
    cache::apply(&mut draft);
    credentials::apply(&mut draft);
    draft.made
}

fn first_verdict(variant: &Variant, input: &Input) -> Verdict {
    let has_name = |variable: &&Variable| variable.names.contains(&input.variable.as_str());
    if variables::known_to(variant).any(|variable| has_name(&variable)) {
        let empty = Verdict::Ignored("it is empty, which counts as not given".to_owned());
        return if input.is_empty() { empty } else { Verdict::Used };
    }
    if variables::all().any(|variable| has_name(&variable)) {
        return Verdict::Ignored(format!("it means nothing to the registry adapter `{}`", variant.adapter()));
    }
    Verdict::Unknown(near(variant, &input.variable))
}

/// The nearest name. What nearly all of them begin with does not count, else everything would be near.
fn near(variant: &Variant, name: &str) -> Option<String> {
    const PREFIX: &str = "PLUGIN_";
    let names = variables::known_to(variant).flat_map(|variable| variable.names);
    let found = nearest(name.strip_prefix(PREFIX)?, names.filter_map(|name| name.strip_prefix(PREFIX)))?;
    Some(format!("{PREFIX}{found}"))
}

fn choose<'a>(draft: &mut Draft<'a>, variable: &'static Variable, inputs: &'a [Input]) {
    let given = variable.names.iter().flat_map(|name| inputs.iter().filter(move |input| input.variable == *name));
    let mut given: Vec<&Input> = given.filter(|input| !input.is_empty()).collect();
    given.sort_by_key(|input| input.rank);
    let Some((first, others)) = given.split_first() else { return };
    for other in others.iter().filter(|other| other.origin != first.origin) {
        draft.decide(&other.origin, Verdict::Ignored(format!("`{}` is given, and comes first", first.origin)));
    }
    draft.choose(variable, first);
}

fn apply(draft: &mut Draft<'_>, variable: &'static Variable) {
    match variable.rule {
        Rule::Step(setting) => draft.pass(variable.name(), Target::Step, setting),
        Rule::Adapter(setting) => draft.pass(variable.name(), Target::Adapter, setting),
        Rule::Ignored => draft.ignore(variable.name(), sentence_as_reason(variable.help)),
        Rule::Refused => refuse(draft, variable),
        Rule::Together => {}
    }
}

fn refuse(draft: &mut Draft<'_>, variable: &'static Variable) {
    let Some(given) = draft.given(variable.name()) else { return };
    let off = matches!(given, Given::Text(text) if matches!(crate::read::flag(text), Ok(false)));
    if off && variable.shape != Shape::Secret {
        draft.ignore(variable.name(), "it is false, and there is nothing to switch off");
        return;
    }
    let origin = draft.origin(variable.name());
    draft.deny(
        "settings/unsupported",
        &origin,
        format!("`{origin}` asks for something that Windlass does not do"),
        variable.help,
    );
}

/// A help sentence as the reason of an ignored variable: a lower-case fragment without a full stop.
fn sentence_as_reason(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
