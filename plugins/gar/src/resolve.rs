//! Where the image goes.

use windlass_plugin_sdk::registry_adapter::Destination;
use windlass_plugin_sdk::{Finding, image_name};

const ARTIFACT_REGISTRY: &str = "-docker.pkg.dev";

/// The destination, and a warning where the settings name two hosts.
pub(crate) fn resolve(
    registry: Option<&str>,
    location: Option<&str>,
    repository: &str,
) -> Result<(Destination, Option<String>), Vec<Finding>> {
    let located = location.map(str::trim).filter(|text| !text.is_empty()).map(|place| format!("{place}{ARTIFACT_REGISTRY}"));
    let registry = registry.map(str::trim).filter(|text| !text.is_empty()).or(located.as_deref());
    let (mut destination, warning) = image_name::destination(registry, repository, "GAR")?;
    let host = destination.registry.as_str();
    if host == "docker.io" {
        let finding = Finding::deny("gar/registry", "neither `registry` nor `location` says which registry the image goes to");
        return Err(finding.about("registry").help("set `location`, or `registry` to LOCATION-docker.pkg.dev/PROJECT").into());
    }
    if host == "gcr.io" || host.ends_with(".gcr.io") {
        "GCR".clone_into(&mut destination.kind);
    }
    if host.ends_with(ARTIFACT_REGISTRY) && destination.repository.split('/').count() < 3 {
        let message = format!("`{}` is no image of Artifact Registry: it needs PROJECT/REPOSITORY/IMAGE", destination.repository);
        let help = "put the project and the repository in front of the image name, or behind the host in `registry`";
        return Err(Finding::deny("gar/repository", message).about("repository").help(help).into());
    }
    Ok((destination, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(registry: &str, location: &str, repository: &str) -> String {
        match resolve(Some(registry), Some(location), repository) {
            Ok((found, _)) => format!("{} {}/{}", found.kind, found.registry, found.repository),
            Err(findings) => findings[0].rule.clone(),
        }
    }

    #[test]
    fn host_project_and_name_are_put_together_once() {
        for (registry, location, repository, expected) in [
            ("us.gcr.io/some-project", "", "app", "GCR us.gcr.io/some-project/app"),
            ("gcr.io", "", "p/app", "GCR gcr.io/p/app"),
            ("", "europe", "p/r/app", "GAR europe-docker.pkg.dev/p/r/app"),
            ("us-docker.pkg.dev/p", "", "r/app", "GAR us-docker.pkg.dev/p/r/app"),
            ("us-docker.pkg.dev/p/r", "europe", "us-docker.pkg.dev/p/r/app", "GAR us-docker.pkg.dev/p/r/app"),
            ("us-docker.pkg.dev", "", "p/app", "gar/repository"),
            ("", "", "p/r/app", "gar/registry"),
        ] {
            assert_eq!(show(registry, location, repository), expected, "{registry} {location} {repository}");
        }
    }
}
