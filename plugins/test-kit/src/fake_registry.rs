//! A destination with tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_core::{Digest, Tag};
use windlass_runtime::host::registry_view::{RegistryError, RegistryView};

/// A repository that answers from memory, or always with the same error.
#[derive(Debug, Default)]
pub struct FakeRegistry {
    tags: BTreeMap<String, Digest>,
    error: Option<RegistryError>,
}

impl FakeRegistry {
    /// A repository with these tags. The digest of the first one is `sha256:0000…`, of the second `sha256:0101…`, and so on.
    #[must_use]
    pub fn with_tags(names: &[&str]) -> Arc<Self> {
        let digest = |index: usize| Digest::from_sha256([u8::try_from(index).unwrap_or(u8::MAX); 32]);
        let tags = names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), digest(index))).collect();
        Arc::new(Self { tags, error: None })
    }

    /// A repository that cannot be looked at.
    #[must_use]
    pub fn failing(error: RegistryError) -> Arc<Self> {
        Arc::new(Self { tags: BTreeMap::new(), error: Some(error) })
    }

    fn check(&self) -> Result<(), RegistryError> {
        self.error.clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl RegistryView for FakeRegistry {
    async fn tags(&self, prefix: &str) -> Result<Vec<Tag>, RegistryError> {
        self.check()?;
        let names = self.tags.keys().filter(|name| name.starts_with(prefix));
        Ok(names.filter_map(|name| Tag::parse(name).ok()).collect())
    }

    async fn digest(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.check()?;
        Ok(self.tags.get(tag.as_str()).cloned())
    }
}
