//! The host's build request as plain values.

use windlass_plugin_sdk::engine_mapper::{BuildRequest, Settings};

/// The plugin's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) program: String,
    pub(crate) isolation: String,
    pub(crate) storage_driver: String,
    pub(crate) keeps_docker_format: bool,
}

/// What is to be built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) target: Option<String>,
    pub(crate) platforms: Vec<String>,
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) secret_arguments: Vec<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) secrets: Vec<String>,
    pub(crate) ssh: Vec<String>,
    pub(crate) named_contexts: Vec<String>,
    pub(crate) cache_from: Vec<String>,
    pub(crate) cache_to: Vec<String>,
    pub(crate) no_cache: bool,
    pub(crate) network: Option<String>,
    pub(crate) add_hosts: Vec<(String, String)>,
    pub(crate) dns: Vec<String>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) registry_map: Vec<(String, String)>,
    pub(crate) insecure_registries: Vec<String>,
    pub(crate) quiet: bool,
    pub(crate) squash: bool,
    pub(crate) processor: Option<u32>,
    pub(crate) memory: Option<u64>,
    pub(crate) source_date_epoch: Option<u64>,
}

/// Reads the plugin's own settings.
pub(crate) fn options(settings: &Settings) -> Options {
    let text = |name: &str, default: &str| settings.text(name).unwrap_or_else(|| default.to_owned());
    Options {
        program: text("program", "buildah"),
        isolation: text("isolation", "chroot"),
        storage_driver: text("storage-driver", "vfs"),
        keeps_docker_format: text("format", "oci") == "docker",
    }
}

/// Reads the request. Whether base images are pulled anew does not matter: buildah's storage is empty in every run.
pub(crate) fn build(request: &BuildRequest) -> Build {
    Build {
        target: request.target(),
        platforms: request.platforms(),
        arguments: request.arguments(),
        secret_arguments: request.secret_arguments(),
        labels: request.labels(),
        annotations: request.annotations(),
        secrets: request.secrets(),
        ssh: request.ssh(),
        named_contexts: request.named_contexts(),
        cache_from: request.cache_from(),
        cache_to: request.cache_to(),
        no_cache: request.no_cache(),
        network: request.network(),
        add_hosts: request.add_hosts(),
        dns: request.dns(),
        dns_search: request.dns_search(),
        registry_map: request.registry_map(),
        insecure_registries: request.insecure_registries(),
        quiet: request.is_quiet(),
        squash: request.squash(),
        processor: request.processor(),
        memory: request.memory(),
        source_date_epoch: request.source_date_epoch(),
    }
}
