//! What can go wrong with images in files.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use windlass_core::Digest;

use crate::image::{DocumentError, TreeError};
use crate::store::StoreError;

/// Why an image could not be written to or read from files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file system refused.
    #[error("cannot {verb} {path}")]
    Io {
        /// What was tried, such as `write`.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is where the layout should go, or come from.
    #[error("{path} {reason}")]
    Place {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the layout is missing.
    #[error("{path} has no {what}")]
    Missing {
        /// The layout.
        path: PathBuf,
        /// The file in it.
        what: String,
    },
    /// A file of the layout is not what the specification says.
    #[error("{what} in {path} cannot be used")]
    Content {
        /// The layout.
        path: PathBuf,
        /// The file in it.
        what: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A blob has other bytes than its digest says.
    #[error("{what} is not the content that {expected} stands for: {found}")]
    Mismatch {
        /// Where it was read from.
        what: String,
        /// Its digest.
        expected: Digest,
        /// What it is instead.
        found: String,
    },
    /// A blob that is to be written cannot be read.
    #[error("cannot read blob {digest}")]
    Source {
        /// Which.
        digest: Digest,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An archive format that cannot hold the image.
    #[error("a docker archive holds one image, and this is an index of several; write an OCI layout instead")]
    IndexInDockerArchive,
    /// The manifests do not fit together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A manifest cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The content store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Turns an I/O error into one that says what was tried on which file.
pub(super) fn failed<'a>(verb: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LayoutError + 'a {
    move |source| LayoutError::Io { verb, path: path.to_owned(), source }
}
