//! The `auto-tag` plugin: tags from the git tag or the default branch.

mod derive;
mod version;

use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct AutoTag;

impl Describe for AutoTag {
    fn describe() -> Description {
        Description::new(
            "auto-tag",
            env!("CARGO_PKG_VERSION"),
            "tags 1.2.3 as 1, 1.2 and 1.2.3, and the default branch as latest",
        )
        .setting(Setting::text("suffix", "What is put behind each tag, after a `-`; in place of `latest` it stands alone."))
    }
}

impl TagPolicy for AutoTag {
    fn tags(
        settings: &Settings,
        source: &Source,
        _registry: Option<&RegistryView>,
        so_far: Vec<String>,
    ) -> Result<Tagging, Vec<Finding>> {
        let facts = derive::Facts {
            reference: source.ref_(),
            branch: source.branch(),
            tag: source.tag(),
            default_branch: source.default_branch(),
        };
        let suffix = settings.text("suffix").unwrap_or_default();
        Ok(match derive::tags(&facts, suffix.trim())? {
            derive::Derived::Tags(tags) => Tagging::Tags(derive::combine(so_far, tags)),
            derive::Derived::DoesNotApply(reason) => Tagging::DoesNotApply(reason),
        })
    }
}

tag_policy::export!(AutoTag);

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = <super::AutoTag as super::Describe>::describe().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
