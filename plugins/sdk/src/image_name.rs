//! Where an image goes: the registry's host and the repository's path, from two settings that may each name the host.

use windlass_core::Repository;

use crate::Finding;
use crate::registry_adapter::Destination;

/// The destination that `registry` (`HOST[/PATH]`, with or without scheme and API version) and `repository` (an image name,
/// with or without the host) mean together, of the kind `kind`; and a warning where the two name two hosts. The registry is
/// put in front once.
///
/// # Errors
/// When the name is missing or illegal; the findings are about the setting `repository`.
pub fn destination(registry: Option<&str>, repository: &str, kind: &str) -> Result<(Destination, Option<String>), Vec<Finding>> {
    let name = without_scheme(repository.trim()).trim_start_matches('/');
    if name.is_empty() {
        return Err(Finding::deny("image-name/missing", "`repository` is missing")
            .about("repository")
            .help("set it to the image name")
            .into());
    }
    let registry = registry.map(address).filter(|registry| !registry.is_empty());
    let (full, warning) = match (registry, host(name)) {
        (Some(registry), None) if registry != "docker.io" => (format!("{registry}/{name}"), None),
        (Some(registry), Some(named)) if !same(&registry, named) => {
            (name.to_owned(), Some(format!("the image goes to {named}, as its name says, not to the registry {registry}")))
        }
        _ => (name.to_owned(), None),
    };
    let repository = Repository::parse(&full).map_err(|error| illegal(name, &error.to_string()))?;
    let resolved = Destination {
        registry: repository.registry().to_owned(),
        repository: repository.path().to_owned(),
        kind: kind.to_owned(),
        attributes: Vec::new(),
    };
    Ok((resolved, warning))
}

/// A registry's address as the front of an image name: without scheme, `/v1/` and `/v2/`, and with Docker Hub's one name.
fn address(text: &str) -> String {
    let text = without_scheme(text.trim()).trim_end_matches('/');
    let text = text.strip_suffix("/v1").or_else(|| text.strip_suffix("/v2")).unwrap_or(text);
    match text.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" | "hub.docker.com" => "docker.io".to_owned(),
        _ => text.to_owned(),
    }
}

fn without_scheme(text: &str) -> &str {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text)
}

/// The host that an image name begins with, where it begins with one.
fn host(name: &str) -> Option<&str> {
    let (first, _) = name.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

fn same(registry: &str, named: &str) -> bool {
    let registry = registry.split('/').next().unwrap_or_default();
    registry.eq_ignore_ascii_case(named) || registry == address(named)
}

fn illegal(name: &str, why: &str) -> Finding {
    let finding = Finding::deny("image-name/illegal", why).about("repository");
    // A tag behind the name is the usual mistake.
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => {
            finding.help(format!("tags have a setting of their own: `{name}` and the tag `{tag}`"))
        }
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(registry: &str, repository: &str) -> String {
        match destination(Some(registry).filter(|text| !text.is_empty()), repository, "Docker") {
            Ok((destination, warning)) => {
                let warning = warning.map(|text| format!(" ({text})")).unwrap_or_default();
                format!("{}/{}{warning}", destination.registry, destination.repository)
            }
            Err(findings) => format!("error: {} {}", findings[0].message, findings[0].help.clone().unwrap_or_default()),
        }
    }

    #[test]
    fn the_registry_is_put_in_front_once() {
        for (registry, repository, expected) in [
            ("", "team/app", "docker.io/team/app"),
            ("", "app", "docker.io/library/app"),
            ("", "registry.example.com:5000/team/app", "registry.example.com:5000/team/app"),
            ("https://index.docker.io/v1/", "team/app", "docker.io/team/app"),
            ("https://registry.hub.docker.com/v2/", "team/app", "docker.io/team/app"),
            ("https://index.docker.io/v1/", "docker.io/team/app", "docker.io/team/app"),
            ("registry.example.com", "team/app", "registry.example.com/team/app"),
            ("https://registry.example.com/v2/", "registry.example.com/team/app", "registry.example.com/team/app"),
            ("https://registry.example.com/project/", "app", "registry.example.com/project/app"),
            ("registry.example.com/project", "registry.example.com/project/app", "registry.example.com/project/app"),
            ("http://localhost:5000", "/app", "localhost:5000/app"),
        ] {
            assert_eq!(show(registry, repository), expected);
        }
    }

    #[test]
    fn the_images_own_host_wins_with_a_warning() {
        let told = show("registry.example.com", "ghcr.io/team/app");
        assert!(told.starts_with("ghcr.io/team/app (") && told.contains("not to the registry registry.example.com"), "{told}");
    }

    #[test]
    fn illegal_names_say_how_to_mend_them() {
        assert!(show("", "").contains("`repository` is missing"));
        assert!(show("", "Team/App").contains("`team/app`"));
        assert!(show("", "team/app:1.0").contains("`team/app` and the tag `1.0`"));
    }
}
