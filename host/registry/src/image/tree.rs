//! An image or index with everything that it is made of.

use std::collections::BTreeMap;
use std::collections::HashSet;

use windlass_core::digest::DigestError;
use windlass_core::{Digest, Platform};

use super::descriptor::Descriptor;
use super::manifest::{Document, DocumentError, IndexEntry, Manifest};
use super::media::{Format, manifest_kind};

/// More manifests than any published index has; a bound for hostile ones.
const MOST_MANIFESTS: usize = 1000;

/// A manifest, the manifests below it, and the blobs that all of them need.
#[derive(Debug, Clone)]
pub struct Tree {
    manifests: Vec<Manifest>,
    blobs: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
}

/// An image that an index lists.
#[derive(Debug, Clone)]
pub struct IndexMember {
    /// Its manifest.
    pub manifest: Manifest,
    /// The platform that its entry names.
    pub platform: Platform,
    /// The annotations of its entry.
    pub annotations: BTreeMap<String, String>,
}

impl From<(Manifest, Platform)> for IndexMember {
    fn from((manifest, platform): (Manifest, Platform)) -> Self {
        Self { manifest, platform, annotations: BTreeMap::new() }
    }
}

/// Why a tree could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A manifest in it is none.
    #[error("the manifest {digest} cannot be used")]
    Document {
        /// Which.
        digest: Digest,
        /// Why.
        source: DocumentError,
    },
    /// A manifest that an index lists could not be read.
    #[error("the manifest {digest} cannot be read")]
    Read {
        /// Which.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest's bytes have another digest.
    #[error("the manifest {expected} has the digest {found}")]
    Mismatch {
        /// By which it was asked for.
        expected: Digest,
        /// What was found.
        found: Digest,
    },
    /// More manifests than are allowed.
    #[error("the index lists more than {MOST_MANIFESTS} manifests")]
    TooMany,
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Tree {
    /// The tree of one image.
    ///
    /// # Errors
    /// When the manifest is an index or cannot be read.
    pub fn image(manifest: Manifest) -> Result<Self, TreeError> {
        Self::load(manifest, |_| Err(std::io::Error::other("an index stands where an image was expected")))
    }

    /// An index over `members`, in their order.
    ///
    /// # Errors
    /// When one of the manifests cannot be read.
    pub fn index(format: Format, members: Vec<IndexMember>, annotations: BTreeMap<String, String>) -> Result<Self, TreeError> {
        let entry = |member: &IndexMember| IndexEntry {
            descriptor: Descriptor { annotations: member.annotations.clone(), ..member.manifest.descriptor() },
            platform: Some(member.platform.clone()),
        };
        let root = Manifest::index(format, &members.iter().map(entry).collect::<Vec<_>>(), annotations);
        let by_digest: BTreeMap<Digest, Manifest> =
            members.into_iter().map(|member| (member.manifest.digest().clone(), member.manifest)).collect();
        Self::load(root, |wanted| {
            by_digest.get(&wanted.digest).map(|m| m.bytes().to_vec()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })
    }

    /// The tree below `root`; `read` gives the bytes of the manifests that an index lists, which are verified here.
    ///
    /// # Errors
    /// When one cannot be read, is no manifest, or has another digest, and when there are too many.
    pub fn load(root: Manifest, mut read: impl FnMut(&Descriptor) -> std::io::Result<Vec<u8>>) -> Result<Self, TreeError> {
        let mut tree = Self { manifests: Vec::new(), blobs: Vec::new(), annotations: BTreeMap::new() };
        let mut seen = HashSet::from([root.digest().clone()]);
        let mut blobs = HashSet::new();
        let mut waiting = vec![root];
        while let Some(manifest) = waiting.pop() {
            let digest = manifest.digest().clone();
            match manifest.document().map_err(|source| TreeError::Document { digest, source })? {
                Document::Image(image) => {
                    let needed = std::iter::once(image.config).chain(image.layers);
                    tree.blobs.extend(needed.filter(|blob| blobs.insert(blob.digest.clone())));
                }
                Document::Index(index) => {
                    for entry in index.entries.into_iter().rev().filter(|e| manifest_kind(&e.descriptor.media_type).is_some()) {
                        if seen.insert(entry.descriptor.digest.clone()) {
                            waiting.push(child(&entry.descriptor, &mut read)?);
                        }
                        if seen.len() > MOST_MANIFESTS {
                            return Err(TreeError::TooMany);
                        }
                    }
                }
            }
            tree.manifests.push(manifest);
        }
        tree.manifests.reverse();
        Ok(tree)
    }

    /// The manifest that the tree is named by.
    #[must_use]
    pub fn root(&self) -> &Manifest {
        self.manifests.last().expect("a tree is made from its root")
    }

    /// Every manifest, what is pointed to before what points to it; the root is the last.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The tree with annotations for what points to its root, such as the `index.json` of a layout.
    #[must_use]
    pub fn annotated(self, annotations: BTreeMap<String, String>) -> Self {
        Self { annotations, ..self }
    }

    /// The descriptor of the root, with the annotations that were given to it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { annotations: self.annotations.clone(), ..self.root().descriptor() }
    }

    /// The configurations and layers, each once.
    #[must_use]
    pub fn blobs(&self) -> &[Descriptor] {
        &self.blobs
    }
}

fn child(wanted: &Descriptor, read: &mut impl FnMut(&Descriptor) -> std::io::Result<Vec<u8>>) -> Result<Manifest, TreeError> {
    let bytes = read(wanted).map_err(|source| TreeError::Read { digest: wanted.digest.clone(), source })?;
    let found = crate::checksum::Checksum::of(&bytes, &wanted.digest);
    if found != wanted.digest {
        return Err(TreeError::Mismatch { expected: wanted.digest.clone(), found });
    }
    Manifest::new(bytes, Some(&wanted.media_type)).map_err(|source| TreeError::Document { digest: wanted.digest.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(byte: u8) -> Manifest {
        let blob = |byte| Descriptor::new("x", Digest::from_sha256([byte; 32]), 1);
        Manifest::image(Format::Oci, &blob(byte), &[blob(100), blob(100)], BTreeMap::new())
    }

    #[test]
    fn an_index_comes_after_its_images_and_shared_blobs_are_listed_once() {
        let images = [(image(1), Platform::parse("amd64").unwrap()), (image(2), Platform::parse("arm64").unwrap())];
        let images = images.into_iter().map(IndexMember::from).collect();
        let tree = Tree::index(Format::Oci, images, BTreeMap::new()).unwrap();
        assert_eq!(tree.manifests().len(), 3);
        assert_eq!(tree.root().media_type(), Format::Oci.index());
        assert_eq!(tree.blobs().len(), 3);
    }

    #[test]
    fn a_manifest_with_another_digest_is_refused() {
        let entry = IndexEntry { descriptor: image(1).descriptor(), platform: None };
        let root = Manifest::index(Format::Oci, &[entry], BTreeMap::new());
        let error = Tree::load(root, |_| Ok(image(2).bytes().to_vec())).unwrap_err();
        assert!(matches!(error, TreeError::Mismatch { .. }), "{error}");
    }
}
