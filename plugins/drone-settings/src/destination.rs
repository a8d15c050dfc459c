//! Where the image goes: the registry, the repository, and what is set up there.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::draft::Draft;
use crate::push;
use crate::variables::Variant;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    context(draft);
    let given = draft.is_given("PLUGIN_REPO");
    if given || !push::stays_here(draft) {
        draft.made.adapter = Some(draft.variant.adapter().to_owned());
        require(draft, given);
    } else {
        draft.ignore("PLUGIN_REGISTRY", "without PLUGIN_REPO the image has no destination");
    }
    if given {
        draft.pass("PLUGIN_REGISTRY", Target::Adapter, "registry");
        draft.pass("PLUGIN_REPO", Target::Adapter, "repository");
    }
    for (name, setting) in [("PLUGIN_LIFECYCLE_POLICY", "lifecycle-policy"), ("PLUGIN_REPOSITORY_POLICY", "repository-policy")] {
        if let Some(text) = draft.text(name) {
            let value = if text.starts_with('{') { Value::Text(text) } else { Value::File(text) };
            draft.assign(Target::Adapter, setting, value, &[name]);
        }
    }
    mirrors(draft);
}

/// The host in front of a registry's address: without scheme, path and the other names of Docker Hub.
pub(crate) fn host(address: &str) -> String {
    let rest = address.trim();
    let rest = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://")).unwrap_or(rest);
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" | "hub.docker.com" => "docker.io".to_owned(),
        _ => host,
    }
}

/// The host that an image name begins with, where it begins with one.
pub(crate) fn host_of_image(name: &str) -> Option<String> {
    let (first, _) = name.trim().trim_start_matches('/').split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then(|| host(first))
}

/// The registry that image names without a host belong to, as far as it is known here.
pub(crate) fn registry(draft: &mut Draft<'_>) -> Option<String> {
    if let Some(registry) = draft.text("PLUGIN_REGISTRY") {
        return Some(registry);
    }
    if let Some(host) = draft.text("PLUGIN_REPO").and_then(|repository| host_of_image(&repository)) {
        return Some(host);
    }
    let (account, region) = (draft.text("PLUGIN_ACCOUNT")?, draft.text("PLUGIN_REGION")?);
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("{account}.dkr.ecr.{region}.{suffix}"))
}

/// Puts the registry in front of an image name, once.
pub(crate) fn in_registry(registry: &str, name: &str) -> String {
    let registry = registry.trim();
    let registry = registry.strip_prefix("https://").or_else(|| registry.strip_prefix("http://")).unwrap_or(registry);
    let registry = registry.trim_end_matches('/');
    let registry = registry.strip_suffix("/v1").or_else(|| registry.strip_suffix("/v2")).unwrap_or(registry);
    let path = registry.split_once('/').map_or("", |(_, path)| path);
    let registry = if path.is_empty() { host(registry) } else { format!("{}/{path}", host(registry)) };
    let name = name.trim_start_matches('/');
    if host_of_image(name).is_some() { name.to_owned() } else { format!("{registry}/{name}") }
}

fn require(draft: &mut Draft<'_>, repository: bool) {
    if !repository {
        let message = "`PLUGIN_REPO` is missing: it says what the image is called".to_owned();
        draft.deny(
            "settings/missing",
            "PLUGIN_REPO",
            message,
            "set it to the image name, or set PLUGIN_NO_PUSH to true to build only",
        );
    }
    if *draft.variant == Variant::Ecr && registry(draft).is_none() && !draft.is_given("PLUGIN_ACCOUNT") {
        let message = "`PLUGIN_REGISTRY` is missing: it says which registry the image goes to".to_owned();
        let help = "set it to ACCOUNT.dkr.ecr.REGION.amazonaws.com, or set PLUGIN_ACCOUNT and PLUGIN_REGION";
        draft.deny("settings/missing", "PLUGIN_REGISTRY", message, help);
    }
}

fn context(draft: &mut Draft<'_>) {
    let (context, below) = (draft.text("PLUGIN_CONTEXT"), draft.text("PLUGIN_CONTEXT_SUB_PATH"));
    let path = match (context, below) {
        (None, None) => return,
        (Some(context), None) => context,
        (context, Some(below)) => {
            let context = context.unwrap_or_else(|| ".".to_owned());
            format!("{}/{}", context.trim_end_matches('/'), below.trim_start_matches('/'))
        }
    };
    draft.assign(Target::Step, "context", Value::Text(path), &["PLUGIN_CONTEXT", "PLUGIN_CONTEXT_SUB_PATH"]);
}

fn mirrors(draft: &mut Draft<'_>) {
    let names = ["PLUGIN_REGISTRY_MIRRORS", "PLUGIN_MIRROR"];
    let mirrors: Vec<String> = names.iter().flat_map(|name| draft.texts(name)).collect();
    if !mirrors.is_empty() {
        draft.assign(Target::Step, "registry-mirrors", Value::Texts(mirrors), &names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_address_is_reduced_to_its_host() {
        for (address, expected) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("https://registry.hub.docker.com/v2/", "docker.io"),
            ("http://localhost:5000/", "localhost:5000"),
            ("Registry.Example.com", "registry.example.com"),
        ] {
            assert_eq!(host(address), expected);
        }
    }

    #[test]
    fn the_registry_is_put_in_front_once() {
        for (registry, name, expected) in [
            ("https://r.example/v2/", "team/app", "r.example/team/app"),
            ("r.example", "r.example/team/app", "r.example/team/app"),
            ("us.gcr.io/project", "test/cache", "us.gcr.io/project/test/cache"),
            ("https://index.docker.io/v1/", "team/app", "docker.io/team/app"),
            ("r.example", "other.example/app", "other.example/app"),
        ] {
            assert_eq!(in_registry(registry, name), expected);
        }
    }
}
