//! The `ecr` plugin: Amazon's private registries.

mod describe;
mod failure;
mod host;
mod links;
mod policy_text;
mod prepare;
mod resolve;
mod session;

use windlass_plugin_sdk::registry_adapter::{self, Authorization, Basic, Destination, Link, RegistryAdapter, Settings, Source};
use windlass_plugin_sdk::{Describe, Description, Finding, log};

struct Ecr;

impl Describe for Ecr {
    fn describe() -> Description {
        describe::description()
    }
}

impl RegistryAdapter for Ecr {
    fn resolve(settings: &Settings, _source: &Source) -> Result<Destination, Vec<Finding>> {
        let (destination, warnings) = resolve::resolve(&session::location(settings))?;
        warnings.iter().for_each(|warning| log::warn(warning));
        Ok(destination)
    }

    fn authorize(settings: &Settings, destination: Destination) -> Result<Authorization, Vec<Finding>> {
        let answer = session::open(settings, &destination)?.authorize();
        let issued = answer.map_err(|error| failure::explain("get a registry password from AWS", &destination, &error))?;
        Ok(Authorization::Basic(Basic { user: issued.user(), password: issued.password(), expires: issued.expires() }))
    }

    fn prepare(settings: &Settings, destination: Destination) -> Result<Vec<String>, Vec<Finding>> {
        let wishes = session::wishes(settings)?;
        if wishes.is_empty() {
            return Ok(Vec::new());
        }
        let session = session::open(settings, &destination)?;
        prepare::prepare(&session::Api(session), &destination, &wishes)
    }

    fn links(_settings: &Settings, destination: Destination, digest: String) -> Result<Vec<Link>, Vec<Finding>> {
        Ok(links::console(&destination, &digest).into_iter().collect())
    }
}

registry_adapter::export!(Ecr);
