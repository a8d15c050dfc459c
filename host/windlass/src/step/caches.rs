//! Caches that are read and written, in docker's words: `type=registry,ref=REF,mode=max`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use windlass_core::{Reference, Repository};

use super::SharedCache;
use super::fields::{flag, split};
use super::read::Reader;
use crate::duration;

/// A cache that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheSource {
    /// An image of a registry.
    Registry(Reference),
    /// Every image of the OCI layout in a directory.
    Layout(PathBuf),
}

/// A cache that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    /// Where.
    pub place: CachePlace,
    /// Whether layers are kept that are not in the image.
    pub has_all_layers: bool,
    /// Whether the run goes on when it cannot be written.
    pub ignores_errors: bool,
}

/// Where a cache is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// In an image of a registry.
    Registry(Reference),
    /// In the OCI layout in a directory.
    Layout(PathBuf),
    /// In the image that is built.
    Inline,
}

const TYPES: &str = "registry, local and, for --cache-to, inline";

/// Reads a cache to read: `type=registry,ref=REF`, `type=local,src=DIR`, or REF alone.
///
/// # Errors
/// When a part is unknown, missing, or has no meaning for its type.
pub fn parse_cache_source(text: &str) -> Result<CacheSource, String> {
    let Some(mut fields) = Fields::read(text)? else { return reference(text).map(CacheSource::Registry) };
    let source = match fields.kind()?.as_str() {
        "registry" => CacheSource::Registry(reference(&fields.needed("registry", "ref")?)?),
        "local" => CacheSource::Layout(PathBuf::from(fields.needed("local", "src")?)),
        "inline" => return Err("a cache in an image is read with type=registry,ref=REF or by REF alone".to_owned()),
        other => return Err(unknown_type(other)),
    };
    fields.end().map(|()| source)
}

/// Reads a cache to write: `type=registry,ref=REF`, `type=local,dest=DIR`, `type=inline`, with `mode=min|max` and
/// `ignore-error`, or REF alone.
///
/// # Errors
/// As [`parse_cache_source`].
pub fn parse_cache_target(text: &str) -> Result<CacheTarget, String> {
    let Some(mut fields) = Fields::read(text)? else {
        let place = CachePlace::Registry(reference(text)?);
        return Ok(CacheTarget { place, has_all_layers: false, ignores_errors: false });
    };
    let place = match fields.kind()?.as_str() {
        "registry" => CachePlace::Registry(reference(&fields.needed("registry", "ref")?)?),
        "local" => CachePlace::Layout(PathBuf::from(fields.needed("local", "dest")?)),
        "inline" => CachePlace::Inline,
        other => return Err(unknown_type(other)),
    };
    if place != CachePlace::Inline {
        // What is written is an OCI image in any case, which is what some registries have to be asked for.
        for name in ["image-manifest", "oci-mediatypes"] {
            if !fields.flag(name)?.unwrap_or(true) {
                return Err(format!("{name}=false is not supported: a cache is written as an OCI image"));
            }
        }
    }
    let has_all_layers = match fields.take("mode").as_deref() {
        None | Some("min") => false,
        Some("max") if place == CachePlace::Inline => {
            return Err("type=inline has mode=min only: an image does not hold the layers of other stages".to_owned());
        }
        Some("max") => true,
        Some(other) => return Err(format!("mode is min or max, not `{other}`")),
    };
    let ignores_errors = fields.flag("ignore-error")?.unwrap_or(false);
    fields.end().map(|()| CacheTarget { place, has_all_layers, ignores_errors })
}

fn unknown_type(kind: &str) -> String {
    format!("caches of type={kind} are not supported; there are {TYPES}")
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| format!("`{text}` names no image: {error}"))
}

/// What was written, as far as nobody has asked for it.
struct Fields {
    kind: String,
    left: Vec<(String, Option<String>)>,
}

impl Fields {
    /// `None` for a reference alone.
    fn read(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Err(format!("a cache is missing; write such as type=registry,ref=REF. There are {TYPES}"));
        }
        if !text.contains('=') {
            return Ok(None);
        }
        let field = |field: String| match field.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim().to_owned())),
            None => (field.trim().to_ascii_lowercase(), None),
        };
        Ok(Some(Self { kind: String::new(), left: split(text)?.into_iter().map(field).collect() }))
    }

    fn kind(&mut self) -> Result<String, String> {
        self.kind = self.take("type").ok_or_else(|| format!("type= is missing; there are {TYPES}"))?;
        Ok(self.kind.clone())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.left.iter().position(|(known, value)| known == name && value.is_some())?;
        self.left.remove(at).1.filter(|value| !value.is_empty())
    }

    fn needed(&mut self, kind: &str, name: &str) -> Result<String, String> {
        self.take(name).ok_or_else(|| format!("type={kind} needs {name}="))
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        let Some(at) = self.left.iter().position(|(known, _)| known == name) else { return Ok(None) };
        flag(name, self.left.remove(at).1.as_deref()).map(Some)
    }

    /// Refuses what has no meaning.
    fn end(self) -> Result<(), String> {
        match self.left.first() {
            Some((name, _)) => Err(format!("`{name}` has no meaning for a cache of type={}", self.kind)),
            None => Ok(()),
        }
    }
}

impl CacheSource {
    /// The repository that it is in, where that is one.
    #[must_use]
    pub fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Registry(reference) => Some(reference.repository()),
            Self::Layout(_) => None,
        }
    }
}

impl CacheTarget {
    /// The repository that it goes to, where that is one.
    #[must_use]
    pub fn repository(&self) -> Option<&Repository> {
        match &self.place {
            CachePlace::Registry(reference) => Some(reference.repository()),
            CachePlace::Layout(_) | CachePlace::Inline => None,
        }
    }
}

impl fmt::Display for CacheSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for CacheTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            CachePlace::Registry(reference) => reference.fmt(f),
            CachePlace::Layout(path) => path.display().fmt(f),
            CachePlace::Inline => f.write_str("the image itself"),
        }
    }
}

impl Reader<'_> {
    /// The repository of results, where it is wanted.
    pub(super) fn shared_cache(&mut self) -> Option<SharedCache> {
        let repository = self.settings.text("cache-repo").filter(|text| !text.is_empty());
        let wanted = self.settings.flag("cache") || (repository.is_some() && self.settings.get("cache").is_none());
        if !wanted {
            return None;
        }
        let repository = repository.map(parse_repository).transpose().unwrap_or_else(|message| {
            self.problem("cache-repo", message, "name a repository, such as registry.example.com/team/cache");
            None
        });
        // No time at all meant nothing to the plugins of old.
        let max_age = match self.settings.integer("cache-ttl-hours") {
            None | Some(0) => SharedCache::MAX_AGE,
            Some(hours) => match u64::try_from(hours) {
                Ok(hours) => Duration::from_secs(hours.saturating_mul(3600)),
                Err(_) => {
                    self.problem("cache-ttl-hours", format!("`{hours}` is no number of hours"), "give a number such as 336");
                    SharedCache::MAX_AGE
                }
            },
        };
        Some(SharedCache { repository, max_age })
    }
}

/// A repository without a tag.
///
/// # Errors
/// When it is none.
pub fn parse_repository(text: &str) -> Result<Repository, String> {
    Repository::parse(text).map_err(|error| format!("`{text}` is not a repository: {error}"))
}

/// How old something may be, such as `336h`.
///
/// # Errors
/// When it is no duration.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    duration::parse(text)?.ok_or_else(|| "a duration such as `336h` is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_read_as_docker_writes_them() {
        let image = Reference::parse("r.example/app:cache").unwrap();
        for text in ["r.example/app:cache", "type=registry,ref=r.example/app:cache"] {
            assert_eq!(parse_cache_source(text), Ok(CacheSource::Registry(image.clone())));
        }
        assert_eq!(parse_cache_source("type=local,src=a/b"), Ok(CacheSource::Layout("a/b".into())));
        let target = |place, has_all_layers, ignores_errors| Ok(CacheTarget { place, has_all_layers, ignores_errors });
        let registry = CachePlace::Registry(image);
        assert_eq!(parse_cache_target("r.example/app:cache"), target(registry.clone(), false, false));
        let text = "mode=max,type=registry,ref=r.example/app:cache,ignore-error=true,image-manifest=true,oci-mediatypes";
        assert_eq!(parse_cache_target(text), target(registry, true, true));
        let local = CachePlace::Layout("x,y".into());
        assert_eq!(parse_cache_target("type=local,\"dest=x,y\",mode=min"), target(local, false, false));
        assert_eq!(parse_cache_target("type=inline"), target(CachePlace::Inline, false, false));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let says = |text: &str, words: &str| {
            let message = parse_cache_target(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        };
        says("type=gha,scope=x", "type=gha are not supported; there are registry, local");
        says("type=s3,bucket=x", "type=s3");
        says("type=registry,ref=r.example/x,compression=zstd", "`compression` has no meaning for a cache of type=registry");
        says("type=registry", "needs ref=");
        says("type=registry,ref=", "needs ref=");
        says("type=local,src=x", "needs dest=");
        says("type=inline,mode=max", "mode=min only");
        says("type=inline,mode=most", "min or max");
        says("type=registry,ref=r.example/X", "names no image");
        says("type=local,dest=x,image-manifest=false", "image-manifest=false");
        says("ref=r.example/x", "type= is missing");
        says("", "a cache is missing");
        assert!(parse_cache_source("type=inline").unwrap_err().contains("by REF alone"));
        assert!(parse_cache_source("type=azblob,name=x").unwrap_err().contains("type=azblob"));
        assert!(parse_cache_source("type=local,dest=x").unwrap_err().contains("needs src="));
    }
}
