//! The `buildah` plugin: the same step, built by buildah.

mod command;
mod describe;
mod registries;
mod request;

use windlass_plugin_sdk::engine_mapper::{self, BuildRequest, EngineMapper, Invocation, Settings};
use windlass_plugin_sdk::{Describe, Description, Finding};

struct Buildah;

impl Describe for Buildah {
    fn describe() -> Description {
        describe::description()
    }
}

impl EngineMapper for Buildah {
    fn map(settings: &Settings, request: &BuildRequest) -> Result<Invocation, Vec<Finding>> {
        command::invocation(&request::options(settings), &request::build(request))
    }
}

engine_mapper::export!(Buildah);
