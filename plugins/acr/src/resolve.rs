//! Where the image goes.

use windlass_plugin_sdk::registry_adapter::Destination;
use windlass_plugin_sdk::{Finding, image_name};

const SUFFIX: &str = ".azurecr.io";

/// The destination, and a warning where the settings name two hosts.
pub(crate) fn resolve(registry: Option<&str>, repository: &str) -> Result<(Destination, Option<String>), Vec<Finding>> {
    let registry = registry.map(str::trim).filter(|text| !text.is_empty()).map(|text| {
        // A registry's name has letters and digits only.
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) { format!("{text}{SUFFIX}") } else { text.to_owned() }
    });
    let (destination, warning) = image_name::destination(registry.as_deref(), repository, "ACR")?;
    if destination.registry == "docker.io" {
        let finding = Finding::deny("acr/registry", "neither `registry` nor `repository` says which registry the image goes to");
        return Err(finding.about("registry").help("set `registry` to NAME.azurecr.io").into());
    }
    Ok((destination, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_may_stand_in_either_setting_and_be_a_bare_name() {
        let show = |registry: &str, repository: &str| match resolve(Some(registry), repository) {
            Ok((found, _)) => format!("{}/{}", found.registry, found.repository),
            Err(findings) => findings[0].rule.clone(),
        };
        assert_eq!(show("", "team.azurecr.io/app"), "team.azurecr.io/app");
        assert_eq!(show("team.azurecr.io", "app"), "team.azurecr.io/app");
        assert_eq!(show("team", "group/app"), "team.azurecr.io/group/app");
        assert_eq!(show("", "app"), "acr/registry");
    }
}
