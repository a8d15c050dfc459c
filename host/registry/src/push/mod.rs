//! Writing to registries: blobs first, then manifests by their digests, then tags.

mod arriving;
mod blob;
mod image;
mod manifest;

pub use arriving::Sent;
pub use blob::Placed;
pub use image::{Mounts, Pushed};
