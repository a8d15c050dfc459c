//! The image's page.

use windlass_plugin_sdk::registry_adapter::{Destination, Link};

/// The page in Google's console, where the registry is one of Google's.
pub(crate) fn console(destination: &Destination, digest: &str) -> Option<Link> {
    let (host, path) = (&destination.registry, &destination.repository);
    let url = match host.strip_suffix("-docker.pkg.dev") {
        Some(location) => {
            let [project, repository, image] = path.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
            let image = image.replace('/', "%2F");
            format!("https://console.cloud.google.com/artifacts/docker/{project}/{location}/{repository}/{image}/{digest}")
        }
        None if host == "gcr.io" || host.ends_with(".gcr.io") => format!("https://{host}/{path}@{digest}"),
        None => return None,
    };
    Some(Link { title: "Google Cloud".to_owned(), url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_registries_have_a_page() {
        let at = |registry: &str, repository: &str| {
            let destination = Destination {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                kind: "GAR".to_owned(),
                attributes: Vec::new(),
            };
            console(&destination, "sha256:0").map(|link| link.url)
        };
        assert_eq!(
            at("us-docker.pkg.dev", "p/r/team/app").as_deref(),
            Some("https://console.cloud.google.com/artifacts/docker/p/us/r/team%2Fapp/sha256:0")
        );
        assert_eq!(at("eu.gcr.io", "p/app").as_deref(), Some("https://eu.gcr.io/p/app@sha256:0"));
        assert_eq!(at("registry.example.com", "p/app"), None);
    }
}
