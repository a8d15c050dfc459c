//! The images that stages begin with and take files from.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use windlass_core::{Place, Platform};
use windlass_dockerfile::graph::{Origin, Stage};

use super::{Executor, dockerfile};
use crate::execute::base::{self, BaseImage};
use crate::execute::error::BuildError;
use crate::execute::request::NamedContext;

impl Executor {
    /// Resolves images until no trigger of one asks for another.
    pub(super) async fn resolve_images(&mut self) -> Result<(), Arc<BuildError>> {
        loop {
            let missing: Vec<_> = self.wanted_images().into_iter().filter(|(key, _)| !self.images.contains_key(key)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let found = try_join_all(missing.iter().map(|((text, platform), place)| self.resolve(text, platform, place))).await?;
            let keys: Vec<_> = missing.into_iter().map(|(key, _)| key).collect();
            for (key, image) in keys.iter().cloned().zip(found) {
                self.images.insert(key, image);
            }
            self.add_triggers(&keys)?;
        }
    }

    /// An image of a registry, or of a layout that the user named. What a Dockerfile names is never a layout.
    async fn resolve(&self, text: &str, platform: &Platform, place: &Place) -> Result<BaseImage, Arc<BuildError>> {
        let layout = self.session.request.named_contexts.values().find_map(|context| match context {
            NamedContext::Layout(layout) if layout.to_string() == text => Some(layout),
            _ => None,
        });
        match layout {
            Some(layout) => base::of_layout(&self.session, layout, platform, place).await,
            None => base::resolve(&self.session, text, platform, place).await,
        }
    }

    /// Every image that a needed stage begins with or takes files from, with the place that names it.
    fn wanted_images(&self) -> BTreeMap<(String, Platform), Place> {
        let mut wanted = BTreeMap::new();
        for &index in self.graph.needed() {
            let stage = &self.graph.stages()[index];
            let sources =
                stage.steps.iter().flat_map(|step| step.sources.iter().flatten().map(|origin| (origin, &step.statement.place)));
            for (origin, place) in std::iter::once((&stage.base, &stage.statement.place)).chain(sources) {
                if let Some(text) = self.image_text(origin) {
                    wanted.entry((text, self.platform(stage))).or_insert_with(|| place.clone());
                }
            }
        }
        wanted
    }

    fn add_triggers(&mut self, new: &[(String, Platform)]) -> Result<(), Arc<BuildError>> {
        let based: Vec<(usize, Vec<String>)> = (self.graph.needed().iter())
            .map(|&index| &self.graph.stages()[index])
            .filter_map(|stage| {
                let key = (self.image_text(&stage.base)?, self.platform(stage));
                let triggers = &self.images.get(&key)?.config.config.on_build;
                (new.contains(&key) && !triggers.is_empty()).then(|| (stage.index, triggers.clone()))
            })
            .collect();
        for (stage, triggers) in based {
            self.graph.add_image_triggers(stage, &triggers).map_err(dockerfile)?;
        }
        Ok(())
    }

    pub(super) fn image_text(&self, origin: &Origin) -> Option<String> {
        match origin {
            Origin::Image(text) => Some(text.clone()),
            Origin::Context(name) => match self.session.request.named_contexts.get(name)? {
                NamedContext::Image(reference) => Some(reference.to_string()),
                NamedContext::Layout(layout) => Some(layout.to_string()),
                NamedContext::Directory(_) | NamedContext::Remote(_) | NamedContext::Nothing => None,
            },
            Origin::Stage(_) | Origin::Scratch => None,
        }
    }

    /// The images that were resolved.
    pub(crate) fn images(&self) -> impl Iterator<Item = &BaseImage> {
        self.images.values()
    }

    pub(super) fn image(&self, text: &str, stage: &Stage) -> Result<&BaseImage, Arc<BuildError>> {
        let key = (text.to_owned(), self.platform(stage));
        self.images.get(&key).ok_or_else(|| Arc::new(BuildError::Internal(format!("image {text} was not resolved"))))
    }
}
