//! A directory of one layer.

use super::layer::Presence;
use crate::Names;

/// The names that one layer has in a directory, and what they stand for.
#[derive(Debug, Default)]
pub(crate) struct LayerDirectory {
    /// Whether it hides what layers below have in it.
    pub(crate) opaque: bool,
    pub(crate) names: Names<Presence>,
}

impl LayerDirectory {
    /// The directory with all its names, which can be asked for from now on.
    pub(crate) fn sorted(self) -> Self {
        Self { names: self.names.sorted(), ..self }
    }
}
