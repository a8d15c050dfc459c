//! What registry adapters do for a destination.

use windlass_core::{ExitCode, Finding, chain};
use windlass_runtime::registry_adapter;

use super::Run;
use crate::failure::Failure;
use crate::planning::Destination;
use crate::plugins::refused;
use crate::report::{ImageReport, Link};

impl Run<'_> {
    pub(super) async fn prepare(&self, destination: &Destination) -> Result<Vec<String>, Failure> {
        let Some((plugin, settings)) = &destination.adapter else { return Ok(Vec::new()) };
        let prepared = registry_adapter::prepare(plugin, &self.context(plugin), settings, &destination.resolved).await;
        let done = prepared.map_err(|error| {
            let failure = refused(ExitCode::Push, error);
            let credentials = failure.findings.iter().any(|finding| finding.rule.ends_with("credentials"));
            if credentials { Failure { code: ExitCode::Credentials, ..failure } } else { failure }
        })?;
        done.iter().for_each(|text| self.surroundings.events.notice(Finding::inform("push/prepared", text.clone())));
        Ok(done)
    }

    /// Links are a service; an adapter that cannot give them does not spoil a push that was done.
    pub(super) async fn links(&self, destination: &Destination, image: &ImageReport) -> Vec<Link> {
        let Some((plugin, settings)) = &destination.adapter else { return Vec::new() };
        match registry_adapter::links(plugin, &self.context(plugin), settings, &destination.resolved, &image.digest).await {
            Ok(links) => links.into_iter().map(|link| Link { title: link.title, url: link.url }).collect(),
            Err(error) => {
                self.surroundings.events.notice(Finding::warn("push/links", chain(&error)));
                Vec::new()
            }
        }
    }
}
