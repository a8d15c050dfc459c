//! The smallest plugin: a tag policy that gives every image the same tag.

use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct FixedTag;

impl Describe for FixedTag {
    fn describe() -> Description {
        Description::new("fixed-tag", env!("CARGO_PKG_VERSION"), "gives every image the same tag")
            .setting(Setting::text("tag", "The tag.").default("stable"))
    }
}

impl TagPolicy for FixedTag {
    fn tags(
        settings: &Settings,
        _source: &Source,
        _registry: Option<&RegistryView>,
        _so_far: Vec<String>,
    ) -> Result<Tagging, Vec<Finding>> {
        Ok(Tagging::Tags(settings.text("tag").into_iter().collect()))
    }
}

tag_policy::export!(FixedTag);
