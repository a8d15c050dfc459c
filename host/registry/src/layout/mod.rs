//! Images in files: the OCI image layout, as a directory or a tar archive, and docker's `save` archive.

mod archive;
mod container;
mod copy;
mod directory;
mod docker;
mod error;
mod oci;
mod read;

pub use archive::{Archive, write_archive};
pub use directory::write_directory;
pub use error::LayoutError;
pub use read::{Imported, blob_bytes, copy_blob, manifests, read};
