//! `--annotation`: what is written where.

use windlass_core::Platform;

/// An annotation, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// On what.
    pub places: Vec<AnnotationPlace>,
    /// The platform whose manifest or descriptor it is; all when absent.
    pub platform: Option<Platform>,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What an annotation is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationPlace {
    /// The manifest of an image.
    Manifest,
    /// What points to the manifest of an image: an index's entry, or that of a layout.
    ManifestDescriptor,
    /// The index.
    Index,
    /// What points to the index: the entry of a layout.
    IndexDescriptor,
}

impl AnnotationPlace {
    /// Whether it is there only when several platforms are built.
    #[must_use]
    pub const fn is_of_index(self) -> bool {
        matches!(self, Self::Index | Self::IndexDescriptor)
    }
}

impl Annotation {
    /// An annotation of every manifest.
    #[must_use]
    pub fn of_manifest(key: String, value: String) -> Self {
        Self { places: vec![AnnotationPlace::Manifest], platform: None, key, value }
    }

    /// Whether it goes onto `place`, of the image for `platform`.
    #[must_use]
    pub fn is_for(&self, place: AnnotationPlace, platform: &Platform) -> bool {
        self.places.contains(&place) && self.platform.as_ref().is_none_or(|wanted| wanted == platform)
    }
}

/// `[TYPE[PLATFORM],…:]KEY=VALUE`, where a type is `manifest`, `manifest-descriptor`, `index` or `index-descriptor`.
///
/// # Errors
/// When there is no key, or the types or the platform are unknown.
pub fn parse_annotation(text: &str) -> Result<Annotation, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    let (types, key) = match name.rsplit_once(':') {
        Some((types, key)) if looks_like_types(types) => (types, key),
        _ => ("manifest", name),
    };
    if key.is_empty() {
        return Err(format!("`{text}` has no key"));
    }
    let mut annotation = Annotation { places: Vec::new(), ..Annotation::of_manifest(key.to_owned(), value.to_owned()) };
    for part in types.split(',') {
        let (name, platform) = match part.split_once('[') {
            Some((name, rest)) => {
                let platform = rest.strip_suffix(']').ok_or_else(|| format!("`{part}` has no closing bracket"))?;
                (name, Some(Platform::parse(platform).map_err(|error| error.to_string())?))
            }
            None => (part, None),
        };
        let place = place(name).ok_or_else(|| format!("`{name}` is not a place for an annotation: there are {PLACES}"))?;
        if platform.is_some() && place.is_of_index() {
            return Err(format!("`{part}`: an index belongs to no platform"));
        }
        if platform.is_some() && annotation.platform.is_some() && platform != annotation.platform {
            return Err(format!("`{types}` names two platforms; give an annotation for each"));
        }
        annotation.platform = platform.or(annotation.platform);
        annotation.places.push(place);
    }
    Ok(annotation)
}

const PLACES: &str = "manifest, manifest-descriptor, index and index-descriptor";

/// A key may have colons itself.
fn looks_like_types(text: &str) -> bool {
    ["manifest", "index"].iter().any(|word| text.starts_with(word))
}

fn place(name: &str) -> Option<AnnotationPlace> {
    Some(match name {
        "manifest" => AnnotationPlace::Manifest,
        "manifest-descriptor" => AnnotationPlace::ManifestDescriptor,
        "index" => AnnotationPlace::Index,
        "index-descriptor" => AnnotationPlace::IndexDescriptor,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_platforms_are_read() {
        use AnnotationPlace::{Index, Manifest, ManifestDescriptor};
        let plain = parse_annotation("a.b=c=d").unwrap();
        assert_eq!(plain, Annotation::of_manifest("a.b".to_owned(), "c=d".to_owned()));
        let several = parse_annotation("manifest,index:k=v").unwrap();
        assert_eq!((several.places, several.key.as_str()), (vec![Manifest, Index], "k"));
        let one = parse_annotation("manifest-descriptor[linux/arm64]:k=").unwrap();
        assert_eq!((one.places.clone(), one.value.as_str()), (vec![ManifestDescriptor], ""));
        let arm = Platform::parse("linux/arm64").unwrap();
        assert!(one.is_for(ManifestDescriptor, &arm) && !one.is_for(ManifestDescriptor, &Platform::new("linux", "amd64", None)));
        assert_eq!(parse_annotation("urn:x=y").unwrap().key, "urn:x");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["novalue", "=v", "manifest:=v", "manifests:k=v", "index[linux/arm64]:k=v", "manifest[linux/arm64:k=v"] {
            assert!(parse_annotation(text).is_err(), "{text}");
        }
    }
}
