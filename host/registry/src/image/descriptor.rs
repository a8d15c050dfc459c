//! Content descriptors whose digest and size were checked.

use std::collections::BTreeMap;

use oci_client::manifest::OciDescriptor;
use windlass_core::Digest;

use super::manifest::DocumentError;
use crate::text::clean;

/// What a piece of content is, how large, and its digest: OCI image specification, "Content Descriptors".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// Annotations; empty when there are none.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor without annotations.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest, size, annotations: BTreeMap::new() }
    }
}

impl TryFrom<&OciDescriptor> for Descriptor {
    type Error = DocumentError;

    fn try_from(wire: &OciDescriptor) -> Result<Self, DocumentError> {
        checked(&wire.media_type, &wire.digest, wire.size, wire.annotations.as_ref())
    }
}

/// A descriptor from the fields that every wire form of it shares.
pub(super) fn checked(
    media_type: &str,
    digest: &str,
    size: i64,
    annotations: Option<&BTreeMap<String, String>>,
) -> Result<Descriptor, DocumentError> {
    let digest = Digest::parse(digest)?;
    let size = u64::try_from(size).map_err(|_| DocumentError::Size { digest: digest.clone(), size })?;
    Ok(Descriptor { media_type: clean(media_type, 200), digest, size, annotations: annotations.cloned().unwrap_or_default() })
}

impl From<&Descriptor> for OciDescriptor {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.as_str().to_owned(),
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            urls: None,
            annotations: Some(descriptor.annotations.clone()).filter(|a| !a.is_empty()),
            artifact_type: None,
        }
    }
}
