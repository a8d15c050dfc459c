//! The `base-images` plugin: which images a build may start from.

mod pattern;
mod rules;

use windlass_plugin_sdk::policy::{self, ImageView, PlanView, Policy, Settings};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct BaseImages;

impl Describe for BaseImages {
    fn describe() -> Description {
        let pattern = "`*` stands for anything but `/`, `**` for anything; without a host, Docker Hub is meant.";
        Description::new("base-images", env!("CARGO_PKG_VERSION"), "refuses base images from repositories that are not allowed")
            .setting(Setting::texts(
                "allow",
                &format!("Patterns of the repositories that base images may come from; all when none is given. {pattern}"),
            ))
            .setting(Setting::texts(
                "deny",
                &format!("Patterns of repositories that base images may not come from, though they be allowed. {pattern}"),
            ))
            .setting(Setting::flag("require-digest", "Whether every base image must be named with its digest.").default("false"))
    }
}

impl Policy for BaseImages {
    fn check_plan(settings: &Settings, plan: &PlanView) -> Result<Vec<Finding>, Vec<Finding>> {
        let digest = settings.flag("require-digest").unwrap_or(false);
        let rules = rules::Rules::new(&settings.texts("allow"), &settings.texts("deny"), digest)?;
        let images = plan.bases().into_iter().filter(|base| !base.is_scratch()).map(|base| rules::Base {
            reference: base.reference(),
            repository: base.registry().zip(base.repository()),
            has_digest: base.digest().is_some(),
            place: base.place(),
        });
        Ok(images.flat_map(|base| rules.check(&base)).collect())
    }

    fn check_image(_settings: &Settings, _image: &ImageView) -> Result<Vec<Finding>, Vec<Finding>> {
        Ok(Vec::new())
    }
}

policy::export!(BaseImages);

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = <super::BaseImages as super::Describe>::describe().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
