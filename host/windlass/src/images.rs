//! An image that an engine has made, whichever engine it was: a tree of manifests and a source of its blobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_builder::execute::{BuiltImage, CheckedBlobs};
use windlass_core::{Digest, Platform, Reference, Repository};
use windlass_registry::image::{Format, ImageConfig, IndexMember, Manifest, Tree, TreeError};
use windlass_registry::{BlobSource, Blobs, LazyBlobs, Registry};

use crate::report::{ImageReport, PlatformReport};
use crate::step::{Annotation, AnnotationPlace};

/// One image, or an index of one for each platform, ready to be exported and pushed.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) tree: Tree,
    /// The image of each platform; one alone is the tree's root.
    pub(crate) members: Vec<Member>,
    pub(crate) annotations: IndexAnnotations,
    /// Base images that it was built from, with the digests that their names had.
    pub(crate) bases: Vec<(Reference, Digest)>,
    /// Where its blobs are.
    pub(crate) source: Arc<dyn BlobSource>,
    /// Repositories that its blobs are known to be in, for mounting.
    pub(crate) origins: BTreeMap<Digest, Repository>,
}

/// The image of one platform.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) platform: Platform,
    pub(crate) manifest: Manifest,
    pub(crate) config: ImageConfig,
    pub(crate) config_digest: Digest,
    /// Annotations of what points to the manifest.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Annotations of an index and of what points to it.
#[derive(Clone, Default)]
pub(crate) struct IndexAnnotations {
    own: BTreeMap<String, String>,
    descriptor: BTreeMap<String, String>,
}

impl Image {
    /// The embedded engine's.
    pub(crate) fn built(
        images: Vec<BuiltImage>,
        annotations: &[Annotation],
        blobs: Blobs,
        registry: Registry,
    ) -> Result<Self, TreeError> {
        let origins: BTreeMap<Digest, Repository> = images.iter().flat_map(|image| image.origins.clone()).collect();
        let mut bases: Vec<(Reference, Digest)> = Vec::new();
        for base in images.iter().flat_map(|image| &image.bases) {
            if !bases.contains(base) {
                bases.push(base.clone());
            }
        }
        let unchecked = images.iter().flat_map(|image| image.unchecked.clone()).collect();
        let source = LazyBlobs { blobs, registry, origins: origins.clone() };
        let source = Arc::new(CheckedBlobs { source, unchecked });
        let members = images.into_iter().map(|image| Member::new(image, annotations)).collect();
        let of_index = |place| {
            let there = annotations.iter().filter(|annotation| annotation.places.contains(&place));
            there.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
        };
        let annotations =
            IndexAnnotations { own: of_index(AnnotationPlace::Index), descriptor: of_index(AnnotationPlace::IndexDescriptor) };
        let image = Self::of(members, Format::Oci, annotations, source, origins)?;
        Ok(Self { bases, ..image })
    }

    /// An image of these members, whose manifests are in the family `format`.
    pub(crate) fn of(
        members: Vec<Member>,
        format: Format,
        annotations: IndexAnnotations,
        source: Arc<dyn BlobSource>,
        origins: BTreeMap<Digest, Repository>,
    ) -> Result<Self, TreeError> {
        let tree = match members.as_slice() {
            [member] => Tree::image(member.manifest.clone())?.annotated(member.annotations.clone()),
            members => {
                let listed = members.iter().map(Member::listed).collect();
                Tree::index(format, listed, annotations.own.clone())?.annotated(annotations.descriptor.clone())
            }
        };
        Ok(Self { tree, members, annotations, bases: Vec::new(), source, origins })
    }

    /// The image behind an index that lists `attestations` besides.
    pub(crate) fn with_attestations(&self, attestations: Vec<IndexMember>) -> Result<Self, TreeError> {
        let format = self.tree.root().format();
        let listed = self.members.iter().map(Member::listed).chain(attestations).collect();
        let tree = Tree::index(format, listed, self.annotations.own.clone())?.annotated(self.annotations.descriptor.clone());
        Ok(Self { tree, ..self.clone() })
    }

    /// What the layers unpack to, of every platform.
    pub(crate) fn diff_ids(&self) -> impl Iterator<Item = Digest> + '_ {
        self.members.iter().flat_map(|member| member.config.rootfs.diff_ids.iter().cloned())
    }

    pub(crate) fn report(&self) -> ImageReport {
        let root = self.tree.descriptor();
        let is_layer = |digest: &Digest| self.members.iter().all(|member| member.config_digest != *digest);
        let single = match self.members.as_slice() {
            [member] if *member.manifest.digest() == root.digest => Some(member.config_digest.clone()),
            _ => None,
        };
        ImageReport {
            digest: root.digest,
            media_type: root.media_type,
            manifest_size: root.size,
            annotations: root.annotations,
            config: single,
            size: self.tree.blobs().iter().filter(|blob| is_layer(&blob.digest)).map(|blob| blob.size).sum(),
            layers: self.members.iter().map(|member| member.config.rootfs.diff_ids.len()).sum(),
            platforms: self.members.iter().map(Member::report).collect(),
        }
    }
}

impl Member {
    fn new(image: BuiltImage, annotations: &[Annotation]) -> Self {
        let on = |place| -> BTreeMap<String, String> {
            let there = annotations.iter().filter(|annotation| annotation.is_for(place, &image.platform));
            there.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
        };
        let own = on(AnnotationPlace::Manifest);
        let annotations = on(AnnotationPlace::ManifestDescriptor);
        Self {
            manifest: Manifest::image(Format::Oci, &image.config_descriptor, &image.layers, own),
            platform: image.platform,
            config: image.config,
            config_digest: image.config_descriptor.digest,
            annotations,
        }
    }

    fn listed(&self) -> IndexMember {
        IndexMember { manifest: self.manifest.clone(), platform: self.platform.clone(), annotations: self.annotations.clone() }
    }

    fn report(&self) -> PlatformReport {
        PlatformReport {
            platform: self.platform.clone(),
            digest: self.manifest.digest().clone(),
            config: self.config_digest.clone(),
        }
    }
}
