//! A tag policy: adds a tag made of the branch and the commit, such as `feature-login-1a2b3c4`.

mod tag;

use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct BranchTag;

impl Describe for BranchTag {
    fn describe() -> Description {
        Description::new("branch-tag", env!("CARGO_PKG_VERSION"), "adds a tag made of the branch and the commit")
            .setting(Setting::integer("length", "How many characters of the commit are taken, 4 to 40.").default("7"))
    }
}

impl TagPolicy for BranchTag {
    fn tags(
        settings: &Settings,
        source: &Source,
        _registry: Option<&RegistryView>,
        so_far: Vec<String>,
    ) -> Result<Tagging, Vec<Finding>> {
        let length = tag::length(settings.integer("length").unwrap_or(7))?;
        let (Some(branch), Some(commit)) = (source.branch(), source.commit()) else {
            return Ok(Tagging::DoesNotApply("the build has no branch or no commit".to_owned()));
        };
        Ok(Tagging::Tags(tag::added(so_far, tag::of(&branch, &commit, length))))
    }
}

tag_policy::export!(BranchTag);
