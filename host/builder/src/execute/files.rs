//! What COPY, ADD and mounts take files from.

use std::sync::Arc;

use windlass_layer::View;

use super::error::BuildError;
use super::layer::{BuildLayer, view_of};
use super::session::Session;
use crate::context::Context;
use crate::copy::{CopyError, Selection, Source};
use crate::store::{DigestMemory, StepKey, Store};

/// A source of files.
#[derive(Clone)]
pub(crate) enum Files {
    /// The build context, or a named one that is a directory.
    Context(Arc<Context>),
    /// The layers of a stage or image, and the key that stands for all of them.
    Layers { layers: Vec<Arc<BuildLayer>>, key: StepKey },
}

/// The same, ready to be looked into.
pub(crate) enum Opened {
    Context(Arc<Context>),
    View(View),
}

impl Files {
    /// Nothing: for heredocs, and for `FROM scratch`.
    pub(crate) fn nothing() -> Self {
        Self::Layers { layers: Vec::new(), key: crate::store::KeyBuilder::new("scratch").finish() }
    }

    /// The key of a stage or image.
    pub(crate) fn stage_key(&self) -> Option<&StepKey> {
        match self {
            Self::Context(_) => None,
            Self::Layers { key, .. } => Some(key),
        }
    }

    pub(crate) async fn opened(&self, session: &Arc<Session>) -> Result<Opened, Arc<BuildError>> {
        Ok(match self {
            Self::Context(context) => Opened::Context(Arc::clone(context)),
            Self::Layers { layers, .. } => Opened::View(view_of(layers, session).await?),
        })
    }

    /// The digests that are remembered of these files.
    pub(crate) fn memory(&self, store: &Store) -> DigestMemory {
        match self {
            Self::Context(context) => store.digest_memory(context.path()),
            Self::Layers { .. } => store.digest_memory(&store.root().join("snapshots")),
        }
    }

    /// Makes sure that what was selected has not changed since.
    pub(crate) fn verify(&self, selection: &Selection) -> Result<(), CopyError> {
        match self {
            Self::Context(context) => selection.verify(context),
            Self::Layers { .. } => Ok(()),
        }
    }
}

impl Opened {
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Context(context) => Source::Context(context),
            Self::View(view) => Source::View(view),
        }
    }
}
