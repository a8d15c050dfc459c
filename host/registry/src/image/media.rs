//! Media types, by family.

use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE,
    IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};

const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const SCHEMA_1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// What the client asks registries for, in the order of preference.
pub(crate) const ACCEPTED_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Which family of media types an image is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The OCI image specification 1.1.
    #[default]
    Oci,
    /// Docker's image manifest version 2, schema 2.
    Docker,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// gzip.
    Gzip,
    /// zstd; OCI only.
    Zstd,
}

impl Format {
    /// The media type of a manifest of one image.
    #[must_use]
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_IMAGE_MEDIA_TYPE,
            Self::Docker => IMAGE_MANIFEST_MEDIA_TYPE,
        }
    }

    /// The media type of an index of images.
    #[must_use]
    pub const fn index(self) -> &'static str {
        match self {
            Self::Oci => OCI_IMAGE_INDEX_MEDIA_TYPE,
            Self::Docker => IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        }
    }

    /// The media type of an image configuration.
    #[must_use]
    pub const fn config(self) -> &'static str {
        match self {
            Self::Oci => IMAGE_CONFIG_MEDIA_TYPE,
            Self::Docker => IMAGE_DOCKER_CONFIG_MEDIA_TYPE,
        }
    }

    /// The media type of a layer. Docker's family has none for zstd; OCI's stands in, as BuildKit does it.
    #[must_use]
    pub const fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (_, Compression::Zstd) => OCI_LAYER_ZSTD,
            (Self::Oci, Compression::Gzip) => IMAGE_LAYER_GZIP_MEDIA_TYPE,
            (Self::Oci, Compression::None) => IMAGE_LAYER_MEDIA_TYPE,
            (Self::Docker, Compression::Gzip) => IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE,
            (Self::Docker, Compression::None) => IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
        }
    }
}

impl Compression {
    /// The compression that a layer's media type tells; `None` when it is no layer of a file system.
    #[must_use]
    pub fn of_layer(media_type: &str) -> Option<Self> {
        let name = media_type
            .strip_prefix("application/vnd.oci.image.layer.v1.")
            .or_else(|| media_type.strip_prefix("application/vnd.oci.image.layer.nondistributable.v1."))
            .or_else(|| media_type.strip_prefix("application/vnd.docker.image.rootfs.diff."))
            .or_else(|| media_type.strip_prefix("application/vnd.docker.image.rootfs.foreign.diff."))?;
        match name {
            "tar" => Some(Self::None),
            "tar+gzip" | "tar.gzip" => Some(Self::Gzip),
            "tar+zstd" | "tar.zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// What a manifest's media type says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestKind {
    Image,
    Index,
    Schema1,
}

/// The kind that `media_type` names; `None` for types that do not name a manifest, such as `text/plain`.
pub(crate) fn manifest_kind(media_type: &str) -> Option<ManifestKind> {
    match media_type {
        OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => Some(ManifestKind::Image),
        OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => Some(ManifestKind::Index),
        SCHEMA_1 | SCHEMA_1_SIGNED => Some(ManifestKind::Schema1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compression_of_every_written_layer_type_is_read_back() {
        for format in [Format::Oci, Format::Docker] {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                assert_eq!(Compression::of_layer(format.layer(compression)), Some(compression));
            }
        }
        assert_eq!(Compression::of_layer("application/vnd.wasm.content.layer.v1+wasm"), None);
    }
}
