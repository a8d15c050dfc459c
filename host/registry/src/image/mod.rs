//! Image documents: descriptors, manifests, indexes and configurations, of the OCI image specification and of
//! docker's schema 2.

mod config;
mod descriptor;
mod manifest;
mod media;
mod tree;

pub use config::{Healthcheck, History, ImageConfig, RootFs, RunConfig};
pub use descriptor::Descriptor;
pub use manifest::{Document, DocumentError, ImageDocument, IndexDocument, IndexEntry, Manifest};
pub(crate) use media::ACCEPTED_MANIFESTS;
pub use media::{Compression, Format};
pub use tree::{IndexMember, Tree, TreeError};
