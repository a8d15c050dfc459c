//! The `docker-registry` plugin: Docker Hub, and every registry that takes a user name and a password.

mod links;

use windlass_plugin_sdk::registry_adapter::{self, Authorization, Destination, Link, RegistryAdapter, Settings, Source};
use windlass_plugin_sdk::{Describe, Description, Finding, Setting, image_name, log};

struct DockerRegistry;

impl Describe for DockerRegistry {
    fn describe() -> Description {
        Description::new("docker-registry", env!("CARGO_PKG_VERSION"), "pushes to Docker Hub and to any other registry")
            .setting(
                Setting::text("repository", "The image name, with its registry unless that is Docker Hub.")
                    .alias("repo")
                    .required(),
            )
            .setting(Setting::text(
                "registry",
                "The registry's host; it is put in front of the image name unless a host stands there.",
            ))
    }
}

impl RegistryAdapter for DockerRegistry {
    fn resolve(settings: &Settings, _source: &Source) -> Result<Destination, Vec<Finding>> {
        let (registry, repository) = (settings.text("registry"), settings.text("repository"));
        let (destination, warning) = image_name::destination(registry.as_deref(), &repository.unwrap_or_default(), "Docker")?;
        if let Some(warning) = warning {
            log::warn(&warning);
        }
        Ok(destination)
    }

    fn authorize(_settings: &Settings, _destination: Destination) -> Result<Authorization, Vec<Finding>> {
        Ok(Authorization::DockerConfig)
    }

    fn prepare(_settings: &Settings, _destination: Destination) -> Result<Vec<String>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn links(_settings: &Settings, destination: Destination, digest: String) -> Result<Vec<Link>, Vec<Finding>> {
        Ok(links::page(&destination.registry, &destination.repository, &digest).into_iter().collect())
    }
}

registry_adapter::export!(DockerRegistry);

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = <super::DockerRegistry as super::Describe>::describe().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
