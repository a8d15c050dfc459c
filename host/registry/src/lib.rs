//! Pull, push, mirrors, authentication challenges and OCI layouts.
//!
//! - [`Registry`] speaks the OCI distribution protocol; [`Options`] says how registries are reached and
//!   [`CredentialSource`] who asks.
//! - [`image`] has the documents: [`image::Manifest`], [`image::ImageConfig`], [`image::Tree`].
//! - [`Blobs`] is the content store; [`BlobSource`] is where pushes and exports read from.
//! - [`layout`] writes and reads OCI layouts and `docker save` archives.
//!
//! What a registry says is never trusted: sizes and digests are checked, texts are clipped and stripped of control
//! characters, waits are bounded, and credentials go to the origin that demanded them and to no other.

mod answer;
mod arriving;
mod auth;
mod checksum;
mod credential;
mod download;
mod error;
pub mod image;
pub mod layout;
mod options;
mod pull;
mod push;
mod registry;
mod source;
mod store;
mod text;
mod transport;

pub use answer::Told;
pub use arriving::{Arrival, Arriving, ArrivingReader, arriving};
pub use checksum::sha256;
pub use credential::{Action, Anonymous, Credential, CredentialError, CredentialSource};
pub use download::{DownloadError, Downloaded, Downloads};
pub use error::Error;
pub use options::{ClientCertificate, EVERY_HOST, Hosts, Limits, Mirror, OptionError, Options};
pub use pull::Resolved;
pub use push::{Mounts, Placed, Pushed, Sent};
pub use registry::Registry;
pub use source::{BlobSource, LazyBlobs};
pub use store::{BlobWriter, Blobs, StoreError};
pub use transport::host::is_on_this_machine;
pub use transport::tls::system_tls;
