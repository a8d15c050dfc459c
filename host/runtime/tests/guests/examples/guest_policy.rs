//! A policy that tells all it sees.

use windlass_plugin_sdk::policy::{self, ImageError, ImageView, PlanView, Policy, Settings};
use windlass_plugin_sdk::{Describe, Description, Finding, Grant, Setting};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("guest-policy", "0.1.0", "tells all it sees")
            .setting(Setting::text("path", "What to look at.").default("/etc/os-release"))
            .grant(Grant::registry_view("to see what is there already"))
    }
}

impl Policy for Guest {
    fn check_plan(_settings: &Settings, plan: &PlanView) -> Result<Vec<Finding>, Vec<Finding>> {
        let mut found = Vec::new();
        for base in plan.bases() {
            let message = format!(
                "{} {:?} {:?} {:?} {}",
                base.reference(),
                base.registry(),
                base.repository(),
                base.tag(),
                base.is_scratch()
            );
            found.push(Finding::inform("guest/base", message).at(base.place()));
        }
        for stage in plan.stages() {
            for instruction in stage.instructions() {
                let message =
                    format!("{} {} {:?} {:?}", instruction.keyword(), instruction.text(), instruction.flags(), stage.name());
                found.push(Finding::warn("guest/instruction", message).at(instruction.place()));
            }
        }
        for destination in plan.destinations() {
            let message = format!(
                "{}/{} {:?} {:?}",
                destination.registry(),
                destination.repository(),
                destination.tags(),
                destination.view().map(|view| view.digest("latest"))
            );
            found.push(Finding::inform("guest/destination", message));
        }
        Ok(found)
    }

    fn check_image(settings: &Settings, image: &ImageView) -> Result<Vec<Finding>, Vec<Finding>> {
        let path = settings.text("path").unwrap_or_default();
        let size = match image.stat(&path) {
            Ok(entry) => entry.size(),
            Err(ImageError::NotFound(_)) => return Ok(vec![Finding::deny("guest/file", format!("the image has no {path}"))]),
            Err(error) => return Err(Finding::deny("guest/read", format!("{error:?}")).into()),
        };
        let text = image
            .read(&path, 0, u32::try_from(size).unwrap_or(u32::MAX))
            .map_err(|error| vec![Finding::deny("guest/read", format!("{error:?}"))])?;
        let beside = image.list("/etc").unwrap_or_default().join(",");
        let message = format!("{} {} {beside} {}", image.platform(), String::from_utf8_lossy(&text), image.layers().len());
        Ok(vec![Finding::inform("guest/file", message)])
    }
}

policy::export!(Guest);
