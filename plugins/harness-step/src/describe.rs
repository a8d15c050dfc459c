//! What the plugin says about itself.

use windlass_drone_settings::declared;
use windlass_plugin_sdk::{Description, Grant, Setting};

use crate::fields::{Becomes, FIELDS, Field, Form};
use crate::step::VARIABLES;

pub(crate) fn description() -> Description {
    Description::new(
        "harness-step",
        env!("CARGO_PKG_VERSION"),
        "reads Harness's build-and-push steps for ECR, GAR, GCR, ACR and Docker registries",
    )
    .settings(fields())
    .settings(declared(|name| vec![format!("{VARIABLES}{name}")]))
    .grant(Grant::file("tags-file", ".tags", "the replaced plugins read the tags from it when none are given"))
}

/// Every field once; where several kinds of step have a field of that name, as the first of them documents it.
fn fields() -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for field in FIELDS {
        if settings.iter().all(|known| known.name != field.name) {
            settings.push(setting(field));
        }
    }
    settings
}

fn setting(field: &Field) -> Setting {
    let help = match field.becomes {
        Becomes::Ignored => format!("No effect. {}", field.help),
        Becomes::Variable(_) | Becomes::Step(_) | Becomes::Choice | Becomes::Holds => field.help.to_owned(),
    };
    match field.form {
        Form::Text => Setting::text(field.name, &help),
        Form::Flag => Setting::flag(field.name, &help),
        Form::Texts => Setting::texts(field.name, &help),
        Form::Pairs => Setting::pairs(field.name, &help),
    }
}

#[cfg(test)]
mod tests {
    use windlass_plugin_sdk::describe::SettingKind;

    use super::*;

    #[test]
    fn no_name_is_declared_twice_and_secrets_are_secret_in_every_spelling() {
        let settings = description().settings;
        let mut names: Vec<&String> = settings.iter().flat_map(|s| std::iter::once(&s.name).chain(&s.aliases)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let password =
            settings.iter().find(|s| s.aliases.iter().any(|alias| alias == "spec.envVariables.PLUGIN_PASSWORD")).unwrap();
        assert_eq!(password.kind, SettingKind::Secret);
    }

    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        assert!(fields().iter().all(|field| page.contains(&format!("`{}`", field.name))));
    }

    #[test]
    fn maps_of_the_users_own_keys_are_declared_as_such() {
        for name in ["spec.labels", "spec.buildArgs", "spec.envDockerSecrets", "spec.fileDockerSecrets"] {
            assert!(description().settings.iter().any(|s| s.name == name && s.kind == SettingKind::Pairs), "{name}");
        }
    }
}
