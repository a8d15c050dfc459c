//! The `harness-step` plugin: Harness's build-and-push steps, as they stand in a pipeline's YAML.

mod describe;
mod expressions;
mod fields;
mod step;

use windlass_drone_settings::written;
use windlass_plugin_sdk::dialect::{self, Dialect, RawSettings, Source, Translation};
use windlass_plugin_sdk::{Describe, Description, Finding};

struct HarnessStep;

impl Describe for HarnessStep {
    fn describe() -> Description {
        describe::description()
    }
}

impl Dialect for HarnessStep {
    fn translate(raw: &RawSettings, _source: &Source) -> Result<Translation, Vec<Finding>> {
        Ok(step::read(&written(raw)))
    }
}

dialect::export!(HarnessStep);
