//! Which image of an index is the one for a platform.

use windlass_core::{Platform, Reference};

use crate::error::Error;
use crate::image::{IndexDocument, IndexEntry};
use crate::text::clean;

/// The entry for `wanted`: the same platform, else the nearest that it can run, else the only one that names none.
pub(crate) fn choose<'a>(index: &'a IndexDocument, wanted: &Platform, reference: &Reference) -> Result<&'a IndexEntry, Error> {
    let images = || index.entries.iter().filter(|entry| !is_attestation(entry));
    let with_platform = || images().filter_map(|entry| entry.platform.as_ref().map(|platform| (platform, entry)));
    if let Some((_, entry)) = with_platform().find(|(platform, _)| *platform == wanted) {
        return Ok(entry);
    }
    // Variants sort by their number: the highest that is accepted is the nearest.
    if let Some((_, entry)) =
        with_platform().filter(|(platform, _)| wanted.accepts(platform)).max_by_key(|(platform, _)| *platform)
    {
        return Ok(entry);
    }
    let mut unnamed = images().filter(|entry| entry.platform.is_none());
    if let (Some(entry), None) = (unnamed.next(), unnamed.next()) {
        return Ok(entry);
    }
    let mut available: Vec<Platform> = Vec::new();
    for (platform, _) in with_platform() {
        if !available.contains(platform) && available.len() < 50 {
            let shown = |text: &str| clean(text, 40);
            available.push(Platform::new(
                &shown(platform.os()),
                &shown(platform.architecture()),
                platform.variant().map(shown).as_deref(),
            ));
        }
    }
    Err(Error::NoPlatform { reference: Box::new(reference.clone()), wanted: Box::new(wanted.clone()), available })
}

/// BuildKit lists attestations among the images, for a platform that is none.
fn is_attestation(entry: &IndexEntry) -> bool {
    entry.platform.as_ref().is_some_and(|p| p.os() == "unknown" || p.architecture() == "unknown")
        || entry.descriptor.annotations.contains_key("vnd.docker.reference.type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Descriptor;
    use windlass_core::Digest;

    fn index(platforms: &[Option<&str>]) -> IndexDocument {
        let entry = |(at, platform): (usize, &Option<&str>)| IndexEntry {
            descriptor: Descriptor::new("x", Digest::from_sha256([at as u8; 32]), 1),
            platform: platform.map(|text| Platform::parse(text).unwrap()),
        };
        IndexDocument { entries: platforms.iter().enumerate().map(entry).collect(), annotations: Default::default() }
    }

    fn chosen(platforms: &[Option<&str>], wanted: &str) -> Result<u8, String> {
        let reference = Reference::parse("r.example/a:1").unwrap();
        choose(&index(platforms), &Platform::parse(wanted).unwrap(), &reference)
            .map(|entry| u8::from_str_radix(&entry.descriptor.digest.hex()[..2], 16).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_same_platform_is_taken_before_one_that_runs_too() {
        assert_eq!(chosen(&[Some("linux/arm/v6"), Some("linux/arm/v7"), Some("linux/amd64")], "linux/arm/v7"), Ok(1));
        assert_eq!(chosen(&[Some("linux/arm/v5"), Some("linux/arm/v6")], "linux/arm/v7"), Ok(1));
        assert_eq!(chosen(&[Some("linux/arm64/v8")], "linux/arm64"), Ok(0));
    }

    #[test]
    fn an_error_lists_what_there_is_without_attestations() {
        let error = chosen(&[Some("linux/amd64"), Some("unknown/unknown"), Some("linux/arm/v7")], "linux/s390x").unwrap_err();
        assert!(error.contains("linux/s390x; it has linux/amd64, linux/arm/v7"), "{error}");
        assert!(!error.contains("unknown"), "{error}");
    }

    #[test]
    fn a_single_image_without_a_platform_stands_for_any() {
        assert_eq!(chosen(&[None, Some("unknown/unknown")], "linux/amd64"), Ok(0));
        assert!(chosen(&[None, None], "linux/amd64").is_err());
        assert!(chosen(&[], "linux/amd64").unwrap_err().contains("no images"));
    }
}
