//! `build-request`: what is to be built by an outside engine.

use wasmtime::component::Resource;
use windlass_core::Platform;

use crate::bindings::host::build_request::{Host, HostBuildRequest};
use crate::call::HostState;
use crate::host::handle::BuildRequestHandle;

/// A build for an outside engine. Paths and secret values are not here: the mapper names slots, which the caller fills.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildRequest {
    /// The stage to build, when it is not the last one.
    pub target: Option<String>,
    /// The platforms; empty for the engine's own.
    pub platforms: Vec<Platform>,
    /// The build arguments that are no secrets.
    pub arguments: Vec<(String, String)>,
    /// The names of those whose values are secret.
    pub secret_arguments: Vec<String>,
    /// The labels to set on the image.
    pub labels: Vec<(String, String)>,
    /// The annotations to set on the manifest.
    pub annotations: Vec<(String, String)>,
    /// The ids of the secrets that `RUN --mount=type=secret` may use.
    pub secrets: Vec<String>,
    /// The ids of the SSH keys that `RUN --mount=type=ssh` may use.
    pub ssh: Vec<String>,
    /// The names of further contexts.
    pub named_contexts: Vec<String>,
    /// The references that the image is pushed to.
    pub references: Vec<String>,
    /// The images that the build begins with or copies from: as the Dockerfile names them, and in full.
    pub bases: Vec<(String, String)>,
    /// Where to read a cache from.
    pub cache_from: Vec<String>,
    /// Where to write a cache to.
    pub cache_to: Vec<String>,
    /// Whether no cache is used.
    pub no_cache: bool,
    /// Whether base images are asked for anew.
    pub pull: bool,
    /// The network of RUN steps: `default`, `none` or `host`.
    pub network: Option<String>,
    /// Host names and addresses to add to RUN steps.
    pub add_hosts: Vec<(String, String)>,
    /// The name servers of RUN steps.
    pub dns: Vec<String>,
    /// The search domains of RUN steps.
    pub dns_search: Vec<String>,
    /// Registries that are reached somewhere else: host and address.
    pub registry_map: Vec<(String, String)>,
    /// Registries without TLS, or with certificates that are not verified.
    pub insecure_registries: Vec<String>,
    /// Whether the engine prints as little as it can.
    pub quiet: bool,
    /// Whether all that the build adds becomes one layer.
    pub squash: bool,
    /// The most memory that RUN steps may use, in bytes.
    pub memory: Option<u64>,
    /// How much processor time RUN steps may use, in thousandths of a processor.
    pub processor: Option<u32>,
    /// The time that a reproducible build sets everywhere, in seconds since 1970-01-01T00:00:00Z.
    pub source_date_epoch: Option<u64>,
}

impl Host for HostState {}

/// Getters that hand out a copy of a field.
macro_rules! getters {
    ($($method:ident -> $type:ty = $field:ident;)*) => {
        $(
            fn $method(&mut self, handle: Resource<BuildRequestHandle>) -> wasmtime::Result<$type> {
                Ok(self.get(&handle)?.0.$field.clone())
            }
        )*
    };
}

impl HostBuildRequest for HostState {
    getters! {
        target -> Option<String> = target;
        arguments -> Vec<(String, String)> = arguments;
        secret_arguments -> Vec<String> = secret_arguments;
        labels -> Vec<(String, String)> = labels;
        annotations -> Vec<(String, String)> = annotations;
        secrets -> Vec<String> = secrets;
        ssh -> Vec<String> = ssh;
        named_contexts -> Vec<String> = named_contexts;
        references -> Vec<String> = references;
        bases -> Vec<(String, String)> = bases;
        cache_from -> Vec<String> = cache_from;
        cache_to -> Vec<String> = cache_to;
        no_cache -> bool = no_cache;
        pull -> bool = pull;
        network -> Option<String> = network;
        add_hosts -> Vec<(String, String)> = add_hosts;
        dns -> Vec<String> = dns;
        dns_search -> Vec<String> = dns_search;
        registry_map -> Vec<(String, String)> = registry_map;
        insecure_registries -> Vec<String> = insecure_registries;
        is_quiet -> bool = quiet;
        squash -> bool = squash;
        memory -> Option<u64> = memory;
        processor -> Option<u32> = processor;
        source_date_epoch -> Option<u64> = source_date_epoch;
    }

    fn platforms(&mut self, handle: Resource<BuildRequestHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.0.platforms.iter().map(Platform::to_string).collect())
    }

    fn drop(&mut self, handle: Resource<BuildRequestHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
