//! The image's page, at the registries that have one.

use windlass_plugin_sdk::registry_adapter::Link;

/// The link to the image, where its registry is known to show it.
pub(crate) fn page(registry: &str, repository: &str, digest: &str) -> Option<Link> {
    let (title, url) = match registry {
        "docker.io" => ("Docker Hub", format!("https://hub.docker.com/r/{repository}/tags")),
        "quay.io" => ("Quay", format!("https://quay.io/repository/{repository}/manifest/{digest}")),
        _ => return None,
    };
    Some(Link { title: title.to_owned(), url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registries_with_pages_are_linked_to() {
        assert_eq!(page("docker.io", "team/app", "sha256:0").unwrap().url, "https://hub.docker.com/r/team/app/tags");
        assert_eq!(page("quay.io", "team/app", "sha256:0").unwrap().url, "https://quay.io/repository/team/app/manifest/sha256:0");
        assert!(page("registry.example.com", "team/app", "sha256:0").is_none());
    }
}
