//! Manifests: the bytes that were hashed, and what they say.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageIndex, OciImageManifest, Platform as WirePlatform};
use windlass_core::digest::DigestError;
use windlass_core::{Digest, Platform};

use super::descriptor::{Descriptor, checked};
use super::media::{Format, ManifestKind, manifest_kind};
use crate::checksum::sha256;
use crate::text::clean;

/// A manifest or index as it is stored and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Bytes,
    media_type: String,
    digest: Digest,
}

/// What a manifest's bytes say.
#[derive(Debug, Clone)]
pub enum Document {
    /// One image.
    Image(ImageDocument),
    /// An index of images.
    Index(IndexDocument),
}

/// The manifest of one image.
#[derive(Debug, Clone)]
pub struct ImageDocument {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// Annotations; empty when there are none.
    pub annotations: BTreeMap<String, String>,
    /// The artifact type, for what is no container image.
    pub artifact_type: Option<String>,
}

/// An index of images.
#[derive(Debug, Clone)]
pub struct IndexDocument {
    /// What it lists, in its order.
    pub entries: Vec<IndexEntry>,
    /// Annotations; empty when there are none.
    pub annotations: BTreeMap<String, String>,
}

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest or index it points to.
    pub descriptor: Descriptor,
    /// The platform it is for, where it says so.
    pub platform: Option<Platform>,
}

/// Why bytes are no manifest that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or fields of the wrong kind.
    #[error("the manifest is not what the specification says")]
    Json(#[from] serde_json::Error),
    /// The format that docker gave up in 2017.
    #[error(
        "the manifest is in docker's schema 1 format, which is no longer supported; push the image again with a current tool"
    )]
    Schema1,
    /// Another schema version.
    #[error("the manifest has schema version {0}; only version 2 is known")]
    Version(u8),
    /// Neither an image nor an index.
    #[error("`{0}` is not the media type of an image manifest or an index")]
    MediaType(String),
    /// The registry and the document name different types, or the document has the fields of both.
    #[error("the manifest claims to be two things at once: {0}")]
    Ambiguous(String),
    /// A digest in it is none.
    #[error("the manifest has a bad digest")]
    Digest(#[from] DigestError),
    /// A size in it is negative.
    #[error("the manifest gives {size} bytes as the size of {digest}")]
    Size {
        /// Whose size it is.
        digest: Digest,
        /// What is given.
        size: i64,
    },
}

/// The fields by which a document's kind is told.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<serde_json::Value>,
    media_type: Option<String>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// A manifest from its bytes, whose media type is taken from `stated` (such as a `Content-Type`) or from the
    /// document itself.
    ///
    /// # Errors
    /// When the bytes are no image manifest or index, or the stated and the written type contradict each other.
    pub fn new(bytes: impl Into<Bytes>, stated: Option<&str>) -> Result<Self, DocumentError> {
        let bytes = bytes.into();
        let media_type = media_type_of(&bytes, stated)?;
        let digest = sha256(&bytes);
        Ok(Self { bytes, media_type, digest })
    }

    /// The manifest of an image made of `config` and `layers`.
    #[must_use]
    pub fn image(format: Format, config: &Descriptor, layers: &[Descriptor], annotations: BTreeMap<String, String>) -> Self {
        let wire = OciImageManifest {
            media_type: Some(format.manifest().to_owned()),
            config: OciDescriptor::from(config),
            layers: layers.iter().map(OciDescriptor::from).collect(),
            annotations: Some(annotations).filter(|a| !a.is_empty()),
            ..OciImageManifest::default()
        };
        Self::of(&wire, format.manifest())
    }

    /// An index of `entries`.
    #[must_use]
    pub fn index(format: Format, entries: &[IndexEntry], annotations: BTreeMap<String, String>) -> Self {
        let wire = OciImageIndex {
            schema_version: 2,
            media_type: Some(format.index().to_owned()),
            manifests: entries.iter().map(ImageIndexEntry::from).collect(),
            artifact_type: None,
            annotations: Some(annotations).filter(|a| !a.is_empty()),
        };
        Self::of(&wire, format.index())
    }

    fn of(wire: &impl serde::Serialize, media_type: &str) -> Self {
        let bytes = Bytes::from(serde_json::to_vec(wire).expect("strings, numbers and maps with text keys are always JSON"));
        let digest = sha256(&bytes);
        Self { bytes, media_type: media_type.to_owned(), digest }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The SHA-256 digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The descriptor that points to it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest.clone(), self.bytes.len() as u64)
    }

    /// The family of media types that it is written in.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.media_type.starts_with("application/vnd.docker.") { Format::Docker } else { Format::Oci }
    }

    /// What it says.
    ///
    /// # Errors
    /// When it is not JSON of the right form, or has digests or sizes that cannot be.
    pub fn document(&self) -> Result<Document, DocumentError> {
        if manifest_kind(&self.media_type) == Some(ManifestKind::Index) {
            index_document(&self.bytes).map(Document::Index)
        } else {
            image_document(&self.bytes).map(Document::Image)
        }
    }
}

fn media_type_of(bytes: &[u8], stated: Option<&str>) -> Result<String, DocumentError> {
    let shape: Shape = serde_json::from_slice(bytes)?;
    let stated =
        stated.map(|text| text.split(';').next().unwrap_or_default().trim()).filter(|text| manifest_kind(text).is_some());
    let written = shape.media_type.as_deref();
    if let (Some(stated), Some(written)) = (stated, written)
        && stated != written
    {
        return Err(DocumentError::Ambiguous(format!("`{stated}` by its header, `{}` by its text", clean(written, 100))));
    }
    let guessed = match (shape.manifests.is_some(), shape.layers.is_some() || shape.config.is_some(), shape.fs_layers.is_some()) {
        (true, false, false) => Some(Format::Oci.index()),
        (false, true, false) => Some(Format::Oci.manifest()),
        (false, false, true) => return Err(DocumentError::Schema1),
        (false, false, false) => None,
        _ => return Err(DocumentError::Ambiguous("it has the fields of several kinds of manifest".to_owned())),
    };
    let media_type = stated.or(written).or(guessed).unwrap_or_default();
    match manifest_kind(media_type) {
        Some(ManifestKind::Schema1) => Err(DocumentError::Schema1),
        None if shape.schema_version.and_then(|v| v.as_u64()) == Some(1) => Err(DocumentError::Schema1),
        None => Err(DocumentError::MediaType(clean(media_type, 100))),
        Some(_) => Ok(media_type.to_owned()),
    }
}

fn image_document(bytes: &[u8]) -> Result<ImageDocument, DocumentError> {
    let wire: OciImageManifest = serde_json::from_slice(bytes)?;
    version_two(wire.schema_version)?;
    Ok(ImageDocument {
        config: Descriptor::try_from(&wire.config)?,
        layers: wire.layers.iter().map(Descriptor::try_from).collect::<Result<_, _>>()?,
        annotations: wire.annotations.unwrap_or_default(),
        artifact_type: wire.artifact_type,
    })
}

fn index_document(bytes: &[u8]) -> Result<IndexDocument, DocumentError> {
    let wire: OciImageIndex = serde_json::from_slice(bytes)?;
    version_two(wire.schema_version)?;
    let entry = |wire: &ImageIndexEntry| -> Result<IndexEntry, DocumentError> {
        Ok(IndexEntry {
            descriptor: checked(&wire.media_type, &wire.digest, wire.size, wire.annotations.as_ref())?,
            platform: wire
                .platform
                .as_ref()
                .map(|p| Platform::new(&p.os.to_string(), &p.architecture.to_string(), p.variant.as_deref())),
        })
    };
    Ok(IndexDocument {
        entries: wire.manifests.iter().map(entry).collect::<Result<_, _>>()?,
        annotations: wire.annotations.unwrap_or_default(),
    })
}

fn version_two(version: u8) -> Result<(), DocumentError> {
    match version {
        2 => Ok(()),
        1 => Err(DocumentError::Schema1),
        other => Err(DocumentError::Version(other)),
    }
}

impl From<&IndexEntry> for ImageIndexEntry {
    fn from(entry: &IndexEntry) -> Self {
        let wire = OciDescriptor::from(&entry.descriptor);
        Self {
            media_type: wire.media_type,
            digest: wire.digest,
            size: wire.size,
            platform: entry.platform.as_ref().map(|platform| WirePlatform {
                architecture: platform.architecture().into(),
                os: platform.os().into(),
                os_version: None,
                os_features: None,
                variant: platform.variant().map(str::to_owned),
                features: None,
            }),
            annotations: wire.annotations,
            artifact_type: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(byte: u8) -> Descriptor {
        Descriptor::new("application/octet-stream", Digest::from_sha256([byte; 32]), 7)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let manifest = Manifest::image(Format::Docker, &descriptor(1), &[descriptor(2), descriptor(3)], BTreeMap::new());
        let again = Manifest::new(manifest.bytes().clone(), Some(manifest.media_type())).unwrap();
        assert_eq!(again, manifest);
        let Document::Image(image) = again.document().unwrap() else { panic!("an image became an index") };
        assert_eq!((image.config, image.layers), (descriptor(1), vec![descriptor(2), descriptor(3)]));
        let entry = IndexEntry { descriptor: manifest.descriptor(), platform: Some(Platform::new("linux", "arm", Some("v7"))) };
        let index = Manifest::index(Format::Oci, std::slice::from_ref(&entry), BTreeMap::new());
        let Document::Index(index) = index.document().unwrap() else { panic!("an index became an image") };
        assert_eq!(index.entries, [entry]);
    }

    #[test]
    fn a_type_that_the_header_does_not_tell_is_read_from_the_text_or_the_shape() {
        let with = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, Format::Docker.index());
        assert_eq!(Manifest::new(with.clone(), Some("text/plain; charset=utf-8")).unwrap().media_type(), Format::Docker.index());
        assert_eq!(Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#, None).unwrap().media_type(), Format::Oci.index());
    }

    #[test]
    fn documents_that_are_two_things_at_once_are_refused() {
        let both = r#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#;
        assert!(matches!(Manifest::new(both, Some(Format::Oci.index())), Err(DocumentError::Ambiguous(_))));
        let other = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, Format::Oci.index());
        assert!(matches!(Manifest::new(other, Some(Format::Oci.manifest())), Err(DocumentError::Ambiguous(_))));
    }

    #[test]
    fn schema_1_has_its_own_error() {
        for text in [r#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#, r#"{"schemaVersion":1}"#] {
            assert!(matches!(Manifest::new(text, Some("application/json")), Err(DocumentError::Schema1)), "{text}");
        }
    }

    #[test]
    fn negative_sizes_and_digests_with_paths_in_them_are_refused() {
        let with = |digest: &str, size: i64| {
            let text =
                format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":{size}}},"layers":[]}}"#);
            Manifest::new(text, None).unwrap().document()
        };
        assert!(with(&format!("sha256:{}", "0".repeat(64)), 1).is_ok());
        assert!(matches!(with(&format!("sha256:{}", "0".repeat(64)), -1), Err(DocumentError::Size { .. })));
        assert!(matches!(with("sha256:../../etc/passwd", 1), Err(DocumentError::Digest(_))));
    }
}
