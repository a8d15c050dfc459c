//! The `acr` plugin: Azure's Container Registry.

mod describe;
mod login;
mod resolve;

use windlass_plugin_sdk::registry_adapter::{self, Authorization, Destination, Link, RegistryAdapter, Settings, Source};
use windlass_plugin_sdk::{Describe, Description, Finding, log};

struct Acr;

impl Describe for Acr {
    fn describe() -> Description {
        describe::description()
    }
}

impl RegistryAdapter for Acr {
    fn resolve(settings: &Settings, _source: &Source) -> Result<Destination, Vec<Finding>> {
        let (registry, repository) = (settings.text("registry"), settings.text("repository").unwrap_or_default());
        let (destination, warning) = resolve::resolve(registry.as_deref(), &repository)?;
        if let Some(warning) = warning {
            log::warn(&warning);
        }
        Ok(destination)
    }

    fn authorize(settings: &Settings, destination: Destination) -> Result<Authorization, Vec<Finding>> {
        login::authorize(settings, &destination)
    }

    fn prepare(_settings: &Settings, _destination: Destination) -> Result<Vec<String>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn links(_settings: &Settings, _destination: Destination, _digest: String) -> Result<Vec<Link>, Vec<Finding>> {
        // A page of Azure's portal is named by the resource group, which nothing here knows.
        Ok(Vec::new())
    }
}

registry_adapter::export!(Acr);

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = super::describe::description().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
