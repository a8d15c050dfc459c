//! Where the files of COPY and ADD come from.

use std::sync::Arc;

use windlass_dockerfile::graph::{Origin, Stage};
use windlass_dockerfile::remote::RemoteSource;

use super::Executor;
use crate::context::{Context, ContextError};
use crate::copy::Taken;
use crate::execute::error::{BuildError, Problem};
use crate::execute::files::Files;
use crate::execute::remote::Fetched;
use crate::execute::request::NamedContext;
use crate::execute::taken;

impl Executor {
    /// Whether it is a named context whose files become a stage's first layer.
    pub(crate) fn is_directory(&self, origin: &Origin) -> bool {
        let Origin::Context(name) = origin else { return false };
        let context = self.session.request.named_contexts.get(name);
        matches!(context, Some(NamedContext::Directory(_) | NamedContext::Remote(_)))
    }

    /// The files that a `--from` of `stage` means.
    pub(crate) async fn files(&self, origin: &Origin, stage: &Stage) -> Result<Files, Arc<BuildError>> {
        if let Some(text) = self.image_text(origin) {
            let image = self.image(&text, stage)?;
            return Ok(Files::Layers { layers: image.layers.clone(), key: image.key });
        }
        match origin {
            Origin::Stage(index) => {
                let state = self.stage(*index).await?;
                Ok(Files::Layers { layers: state.layers.clone(), key: state.key })
            }
            Origin::Context(name) => self.named_context(name).await,
            Origin::Image(_) | Origin::Scratch => Ok(Files::nothing()),
        }
    }

    /// The build context, opened when it is first needed.
    pub(crate) async fn context(&self) -> Result<Arc<Context>, Arc<BuildError>> {
        let request = &self.session.request;
        let opened = self.context.get_or_try_init(|| async {
            let (directory, dockerfile) = (request.context.clone(), request.dockerfile_path.clone());
            self.session.blocking(move || Context::open(&directory, Some(&dockerfile)).map(Arc::new).map_err(unreadable)).await
        });
        opened.await.cloned()
    }

    /// What the build takes of the build context.
    pub(crate) fn taken(&self) -> Arc<Taken> {
        Arc::clone(self.taken.get_or_init(|| Arc::new(taken::taken(&self.graph))))
    }

    /// A source of ADD that lies elsewhere.
    pub(crate) async fn fetch(&self, source: &RemoteSource, identity: Option<&str>) -> Result<Arc<Fetched>, Arc<BuildError>> {
        self.session.fetches.get(&self.session, source, identity, false).await
    }

    async fn named_context(&self, name: &str) -> Result<Files, Arc<BuildError>> {
        if let Some(NamedContext::Remote(source)) = self.session.request.named_contexts.get(name) {
            let identity = self.session.fetches.identify(&self.session, source).await;
            let identity = identity.map_err(|problem| unreachable_context(name, problem))?;
            let fetched = self.session.fetches.get(&self.session, source, identity.as_deref(), true).await?;
            return Ok(Files::Context(Arc::clone(&fetched.context)));
        }
        let known = self.named.get(name).zip(self.session.request.named_contexts.get(name));
        let Some((cell, NamedContext::Directory(directory))) = known else { return Ok(Files::nothing()) };
        let opened = cell.get_or_try_init(|| async {
            let directory = directory.clone();
            self.session.blocking(move || Context::open(&directory, None).map(Arc::new).map_err(unreadable)).await
        });
        Ok(Files::Context(opened.await?.clone()))
    }
}

fn unreachable_context(name: &str, problem: Problem) -> Arc<BuildError> {
    Arc::new(BuildError::Unplaced(problem.about(&format!("the named context `{name}`"))))
}

fn unreadable(error: ContextError) -> Arc<BuildError> {
    Arc::new(BuildError::Context(Problem::from_error(error)))
}
