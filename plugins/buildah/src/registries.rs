//! `registries.conf`: which registries are reached where, in the format of containers-registries.conf(5), version 2.

use crate::request::Build;

/// The file's text. Short names mean Docker Hub, as in every Dockerfile.
pub(crate) fn configuration(build: &Build) -> String {
    let mut text = String::from("unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n");
    for (host, url) in &build.registry_map {
        let (insecure, location) = match url.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (build.insecure_registries.contains(host), url.strip_prefix("https://").unwrap_or(url)),
        };
        text.push_str(&registry(host, location.trim_end_matches('/'), insecure));
    }
    for host in build.insecure_registries.iter().filter(|host| build.registry_map.iter().all(|(mapped, _)| mapped != *host)) {
        text.push_str(&registry(host, host, true));
    }
    text
}

fn registry(prefix: &str, location: &str, insecure: bool) -> String {
    let (prefix, location) = (quoted(prefix), quoted(location));
    format!("\n[[registry]]\nprefix = {prefix}\nlocation = {location}\ninsecure = {insecure}\n")
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_and_insecure_registries_are_written_once_each() {
        let build = Build {
            registry_map: vec![
                ("docker.io".to_owned(), "http://127.0.0.1:5000".to_owned()),
                ("ghcr.io".to_owned(), "https://mirror.example/ghcr/".to_owned()),
            ],
            insecure_registries: vec!["docker.io".to_owned(), "127.0.0.1:7000".to_owned()],
            ..Build::default()
        };
        assert_eq!(
            configuration(&build),
            "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n\
             \n[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:5000\"\ninsecure = true\n\
             \n[[registry]]\nprefix = \"ghcr.io\"\nlocation = \"mirror.example/ghcr\"\ninsecure = false\n\
             \n[[registry]]\nprefix = \"127.0.0.1:7000\"\nlocation = \"127.0.0.1:7000\"\ninsecure = true\n"
        );
    }

    #[test]
    fn a_host_cannot_write_lines_of_its_own() {
        let build = Build { insecure_registries: vec!["a\"\n[x]\\".to_owned()], ..Build::default() };
        assert!(configuration(&build).contains("prefix = \"a\\\"\\u000A[x]\\\\\""));
    }
}
