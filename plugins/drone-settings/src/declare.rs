//! The table as settings of a dialect, and a dialect's raw settings as values.

use windlass_plugin_sdk::Setting;
use windlass_plugin_sdk::describe::SettingKind;
use windlass_plugin_sdk::dialect::{RawKind, RawSettings};

use crate::input::Given;
use crate::variables::{self, Rule, Shape, Variable};

/// Every variable as a setting of a dialect. `spellings` gives the further names under which a name may be written.
pub fn declared(spellings: impl Fn(&str) -> Vec<String>) -> Vec<Setting> {
    variables::declarations().into_iter().map(|(variable, names)| declare(variable, &names, &spellings)).collect()
}

/// Everything that was written, in the host's order.
#[must_use]
pub fn written(raw: &RawSettings) -> Vec<(String, Given)> {
    let given = |name: &str| match raw.kind(name) {
        Some(RawKind::Text) => raw.text(name).map(Given::Text),
        Some(RawKind::Texts) => raw.texts(name).map(Given::Texts),
        Some(RawKind::Pairs) => raw.pairs(name).map(Given::Pairs),
        Some(RawKind::Secret) => Some(Given::Secret),
        _ => None,
    };
    raw.names().into_iter().map(|name| (name.clone(), given(&name).unwrap_or(Given::Hidden))).collect()
}

fn declare(variable: &Variable, names: &[&str], spellings: impl Fn(&str) -> Vec<String>) -> Setting {
    let kind = match variable.shape {
        Shape::Text => SettingKind::Text,
        Shape::Flag => SettingKind::Flag,
        Shape::Integer => SettingKind::Integer,
        Shape::Commas | Shape::Specifications => SettingKind::Texts,
        Shape::Pairs | Shape::StrictPairs => SettingKind::Pairs,
        Shape::Secret => SettingKind::Secret,
    };
    let help = match variable.rule {
        Rule::Ignored => format!("No effect. {}", variable.help),
        Rule::Refused => format!("Refused, unless it is false. {}", variable.help),
        Rule::Step(_) | Rule::Adapter(_) | Rule::Together => variable.help.to_owned(),
    };
    let mut setting = Setting::new(names[0], kind, &help);
    setting.aliases = names[1..].iter().map(|name| (*name).to_owned()).collect();
    setting.aliases.extend(names.iter().flat_map(|name| spellings(name)));
    setting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        for name in variables::all().flat_map(|variable| variable.names) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn every_name_of_the_table_is_declared_once_in_every_spelling() {
        let settings = declared(|name| vec![format!("spec.envVariables.{name}")]);
        let mut names: Vec<&str> =
            settings.iter().flat_map(|s| std::iter::once(&s.name).chain(&s.aliases)).map(String::as_str).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in variables::all().flat_map(|variable| variable.names) {
            assert!(names.contains(name) && names.contains(&format!("spec.envVariables.{name}").as_str()), "{name}");
        }
    }
}
