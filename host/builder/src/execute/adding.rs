//! ADD, whose sources may lie elsewhere.

use std::sync::Arc;

use windlass_dockerfile::history;
use windlass_dockerfile::instruction::AddInstruction;
use windlass_dockerfile::remote::{RemoteSource, without_credentials};

use super::error::BuildError;
use super::explain;
use super::remote::Fetched;
use super::stage::{Titles, Walk, wrong};
use crate::copy::Request;
use crate::store::{KeyBuilder, StepKey};

/// A source of ADD that lies elsewhere, and what stands for its content as far as that is known without fetching it.
struct Known {
    source: RemoteSource,
    identity: Option<String>,
}

impl Walk<'_> {
    /// Carries out an ADD.
    pub(super) async fn add(&mut self, add: &AddInstruction, text: &str, title: String) -> Result<(), Arc<BuildError>> {
        let request = Request::add(add).map_err(|error| wrong(&error))?;
        let told = history::add(add);
        if request.remotes().next().is_none() {
            return self.copy(request, None, Vec::new(), None, Titles { text, title, told }).await;
        }
        let mut known = Vec::new();
        for source in request.remotes() {
            let session = self.executor.session();
            let identity = session.fetches.identify(session, source).await;
            let identity = identity.map_err(|problem| Arc::new(BuildError::Unplaced(problem)))?;
            known.push(Known { source: source.clone(), identity });
        }
        let shortcut = self.add_key(&request, &known).map(|key| {
            let inputs = |session: &_, state: &_| {
                let sources = known.iter().zip(request.remote_names());
                sources.fold(explain::of_request(session, state, text, &request), |inputs, (known, path)| {
                    inputs.and(without_credentials(path), known.identity.as_deref().unwrap_or_default())
                })
            };
            (key, self.note_inputs(&key, text, inputs))
        });
        if let Some((key, _)) = &shortcut
            && let Some(cached) = self.cached_by_shortcut(key).await
        {
            let key = cached.record.continues.unwrap_or(*key);
            return self.take_cached(title, told, key, cached);
        }
        self.must_carry_out()?;
        let mut fetched: Vec<Arc<Fetched>> = Vec::new();
        for Known { source, identity } in &known {
            fetched.push(self.executor.fetch(source, identity.as_deref()).await?);
        }
        self.copy(request, None, fetched, shortcut, Titles { text, title, told }).await
    }

    /// The key of an ADD whose sources are all known without a look into them.
    fn add_key(&self, request: &Request, known: &[Known]) -> Option<StepKey> {
        let identities: Option<Vec<&str>> = known.iter().map(|known| known.identity.as_deref()).collect();
        let identities = identities.filter(|_| !request.needs_context())?;
        let builder = KeyBuilder::new("add-remote").field("below", self.state.key.as_bytes()).list("identities", identities);
        Some(request.key(builder, &self.state.image.config.working_dir).finish())
    }
}
