//! What the plugin says about itself.

use windlass_drone_settings::declared;
use windlass_plugin_sdk::{Description, Grant, Setting};

use crate::environment::{VARIANT, VARIANTS};

pub(crate) fn description() -> Description {
    let variant = Setting::text(
        VARIANT,
        "Which plugin's variables they are: kaniko-ecr's, kaniko-docker's, kaniko-gar's, kaniko-gcr's or kaniko-acr's.",
    )
    .required()
    .choices(&VARIANTS);
    Description::new(
        "drone-kaniko",
        env!("CARGO_PKG_VERSION"),
        "reads the PLUGIN_ variables of Drone's kaniko and docker plugins",
    )
    .setting(variant)
    .settings(declared(|_| Vec::new()))
    .grant(Grant::file("tags-file", ".tags", "the replaced plugins read the tags from it when none are given"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = super::description().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
