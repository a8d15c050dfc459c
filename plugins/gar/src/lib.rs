//! The `gar` plugin: Google's Artifact Registry, and what is left of Container Registry.

mod describe;
mod links;
mod login;
mod resolve;
mod tokens;

use windlass_plugin_sdk::registry_adapter::{self, Authorization, Destination, Link, RegistryAdapter, Settings, Source};
use windlass_plugin_sdk::{Describe, Description, Finding, log};

struct Gar;

impl Describe for Gar {
    fn describe() -> Description {
        describe::description()
    }
}

impl RegistryAdapter for Gar {
    fn resolve(settings: &Settings, _source: &Source) -> Result<Destination, Vec<Finding>> {
        let (registry, location) = (settings.text("registry"), settings.text("location"));
        let repository = settings.text("repository").unwrap_or_default();
        let (destination, warning) = resolve::resolve(registry.as_deref(), location.as_deref(), &repository)?;
        if let Some(warning) = warning {
            log::warn(&warning);
        }
        Ok(destination)
    }

    fn authorize(settings: &Settings, _destination: Destination) -> Result<Authorization, Vec<Finding>> {
        login::authorize(settings)
    }

    fn prepare(_settings: &Settings, _destination: Destination) -> Result<Vec<String>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn links(_settings: &Settings, destination: Destination, digest: String) -> Result<Vec<Link>, Vec<Finding>> {
        Ok(links::console(&destination, &digest).into_iter().collect())
    }
}

registry_adapter::export!(Gar);

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = super::describe::description().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
