//! The `drone-kaniko` plugin: the variables of Drone's `kaniko-ecr` and `kaniko-docker` images, as a CI sets them.

mod describe;
mod environment;

use windlass_drone_settings::written;
use windlass_plugin_sdk::dialect::{self, Dialect, RawSettings, Source, Translation};
use windlass_plugin_sdk::{Describe, Description, Finding};

struct DroneKaniko;

impl Describe for DroneKaniko {
    fn describe() -> Description {
        describe::description()
    }
}

impl Dialect for DroneKaniko {
    fn translate(raw: &RawSettings, _source: &Source) -> Result<Translation, Vec<Finding>> {
        environment::read(&written(raw))
    }
}

dialect::export!(DroneKaniko);
