//! The names under which docker's configuration files keep credentials.

use windlass_core::Repository;
use windlass_core::reference::DEFAULT_REGISTRY;

/// The server name under which credential stores keep Docker Hub.
pub(crate) const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// A registry host, or a path on it, from one of the spellings in use: `host`, `host/path`, `https://host/v1/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    host: String,
    path: String,
}

impl Key {
    /// Reads a key. Scheme, final slashes and a path that is only an interface version are dropped, and the names of Docker Hub
    /// are one name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let rest = text.trim();
        let rest = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://")).unwrap_or(rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        let host = match host.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DEFAULT_REGISTRY.to_owned(),
            other => other.to_owned(),
        };
        Self { host, path: path.to_owned() }
    }

    /// Whether `repository` lies on this host and below this path.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        let below = |path: &str| path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.host == repository.registry() && (self.path.is_empty() || below(repository.path()))
    }

    /// How closely it fits: the longer the path, the closer.
    pub(crate) fn length(&self) -> usize {
        self.path.len()
    }

    /// The registry's host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The name that a helper program knows a registry by.
pub(crate) fn server(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY { DOCKER_HUB_SERVER } else { registry }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(key: &str, repository: &str) -> bool {
        Key::parse(key).covers(&Repository::parse(repository).unwrap())
    }

    #[test]
    fn every_spelling_of_docker_hub_is_docker_hub() {
        for key in
            ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v2/", "registry-1.docker.io"]
        {
            assert!(covers(key, "busybox"), "{key}");
        }
        assert!(covers("https://registry.hub.docker.com/v2/", "team/app"));
        assert_eq!(server("docker.io"), "https://index.docker.io/v1/");
        assert_eq!(server("r.example:5000"), "r.example:5000");
    }

    #[test]
    fn hosts_ports_and_whole_path_components_are_compared() {
        assert!(covers("http://r.example:5000/", "r.example:5000/a/b"));
        assert!(!covers("r.example", "r.example:5000/a"));
        assert!(covers("r.example/a/b", "r.example/a/b"));
        assert!(covers("r.example/a", "r.example/a/b"));
        assert!(!covers("r.example/a", "r.example/ab"));
        assert!(!covers("r.example/a/b/c", "r.example/a/b"));
        assert!(covers("R.example", "r.example/a"));
    }
}
