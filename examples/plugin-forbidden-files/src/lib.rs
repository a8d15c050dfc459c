//! A policy: an image must not hold certain files, such as keys that somebody copied in by mistake.

use windlass_plugin_sdk::policy::{self, ImageError, ImageView, PlanView, Policy, Settings};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting};

struct ForbiddenFiles;

impl Describe for ForbiddenFiles {
    fn describe() -> Description {
        Description::new("forbidden-files", env!("CARGO_PKG_VERSION"), "refuses images that hold files they must not").setting(
            Setting::texts("paths", "Absolute paths that must not be there.").default("/root/.ssh/id_rsa,/root/.aws/credentials"),
        )
    }
}

impl Policy for ForbiddenFiles {
    fn check_plan(_settings: &Settings, _plan: &PlanView) -> Result<Vec<Finding>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn check_image(settings: &Settings, image: &ImageView) -> Result<Vec<Finding>, Vec<Finding>> {
        let mut found = Vec::new();
        for path in settings.texts("paths") {
            match image.stat(&path) {
                Ok(_) => found.push(
                    Finding::deny("forbidden-files/there", format!("the image holds `{path}`"))
                        .about(&path)
                        .help("leave it out with .dockerignore, or give it to one RUN step with --mount=type=secret"),
                ),
                Err(ImageError::NotFound(_)) => {}
                Err(error) => Err(Finding::deny("forbidden-files/unreadable", format!("cannot look for `{path}`: {error:?}")))?,
            }
        }
        Ok(found)
    }
}

policy::export!(ForbiddenFiles);
