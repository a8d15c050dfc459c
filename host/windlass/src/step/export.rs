//! `--output`: where an image goes, and in what form.

use std::path::PathBuf;

use windlass_layer::Compression;

use super::fields::{flag, split};

/// The image, written somewhere on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// As what.
    pub kind: ExportKind,
    /// Where.
    pub place: Place,
    /// In what form.
    pub encoding: Encoding,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// An OCI layout, a directory.
    OciLayout,
    /// An OCI layout as a tar file.
    OciArchive,
    /// What `docker load` reads.
    DockerArchive,
    /// The root file system, as a directory.
    Directory,
    /// The root file system, as a tar file.
    Tar,
}

impl ExportKind {
    /// The name in plans and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OciLayout => "oci",
            Self::OciArchive => "oci-tar",
            Self::DockerArchive => "docker-tar",
            Self::Directory => "local",
            Self::Tar => "tar",
        }
    }

    /// What it is, in words.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::OciLayout => "the OCI layout",
            Self::OciArchive => "the OCI archive",
            Self::DockerArchive => "the docker archive",
            Self::Directory => "the root file system to",
            Self::Tar => "the root file system as the tar archive",
        }
    }
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To a file or directory.
    Path(PathBuf),
    /// To standard output.
    StandardOutput,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::StandardOutput => f.write_str("-"),
        }
    }
}

/// The form of an image's manifests and layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoding {
    /// How layers are compressed; as the build leaves them when absent.
    pub compression: Option<Compression>,
    /// Whether that is so for the layers of base images too.
    pub is_forced: bool,
    /// Whether media types are those of docker's image manifest, version 2.
    pub has_docker_types: bool,
}

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Something is written.
    Export(Export),
    /// The image is made, and pushed where that is said.
    Image {
        /// Its names; those of the build when there are none.
        names: Vec<String>,
        /// Whether it is pushed.
        push: bool,
        /// In what form.
        encoding: Encoding,
    },
    /// Only the cache is filled.
    CacheOnly,
}

/// Reads an output in docker's form (`type=oci,dest=FILE,…`, a directory alone, `-`), or as `oci:DIR`, `oci-tar:FILE` or
/// `docker-tar:FILE`.
///
/// # Errors
/// When a part is unknown, missing, or has no meaning for its type.
pub fn parse_output(text: &str) -> Result<Output, String> {
    if text == "-" {
        return Ok(export(ExportKind::Tar, Place::StandardOutput));
    }
    if text.contains("type=") {
        return Fields::read(text)?.output();
    }
    let (prefix, path) = text.split_once(':').unwrap_or(("", text));
    let kind = match prefix {
        "" => ExportKind::Directory,
        "oci" => ExportKind::OciLayout,
        "oci-tar" => ExportKind::OciArchive,
        "docker-tar" => ExportKind::DockerArchive,
        _ if prefix.contains(['/', '.']) => return Ok(export(ExportKind::Directory, Place::Path(PathBuf::from(text)))),
        _ => return Err(format!("`{text}` is not an output")),
    };
    if path.is_empty() { Err(format!("`{text}` names no path")) } else { Ok(export(kind, Place::Path(PathBuf::from(path)))) }
}

fn export(kind: ExportKind, place: Place) -> Output {
    Output::Export(Export { kind, place, encoding: Encoding::default() })
}

/// What was written in docker's form.
#[derive(Default)]
struct Fields {
    kind: String,
    destination: Option<Place>,
    names: Vec<String>,
    push: Option<bool>,
    /// `tar=false`: a directory.
    is_archive: Option<bool>,
    compression: Option<String>,
    level: Option<u8>,
    is_forced: bool,
    has_oci_types: Option<bool>,
    /// Every name that was given, to tell those that have no meaning.
    given: Vec<String>,
}

/// What each type takes besides `type`.
const IMAGE_FIELDS: &[&str] =
    &["name", "push", "compression", "compression-level", "force-compression", "oci-mediatypes", "rewrite-timestamp"];
const ARCHIVE_FIELDS: &[&str] =
    &["dest", "tar", "name", "compression", "compression-level", "force-compression", "oci-mediatypes", "rewrite-timestamp"];

impl Fields {
    fn read(text: &str) -> Result<Self, String> {
        let mut fields = Self::default();
        for field in split(text)? {
            let (name, value) = match field.split_once('=') {
                Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim())),
                None => (field.trim().to_ascii_lowercase(), None),
            };
            fields.set(&name, value)?;
            if name != "type" {
                fields.given.push(if name == "output" { "dest".to_owned() } else { name });
            }
        }
        Ok(fields)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let text = || value.filter(|text| !text.is_empty()).ok_or_else(|| format!("{name} needs a value"));
        match name {
            "type" => self.kind = text()?.to_owned(),
            "dest" | "output" => {
                self.destination = Some(if text()? == "-" { Place::StandardOutput } else { Place::Path(PathBuf::from(text()?)) });
            }
            "name" => self.names = text()?.split(',').map(|name| name.trim().to_owned()).collect(),
            "push" => self.push = Some(flag(name, value)?),
            "tar" => self.is_archive = Some(flag(name, value)?),
            "compression" => self.compression = Some(text()?.to_owned()),
            "compression-level" => self.level = Some(level(text()?)?),
            "force-compression" => self.is_forced = flag(name, value)?,
            "oci-mediatypes" => self.has_oci_types = Some(flag(name, value)?),
            // With SOURCE_DATE_EPOCH no time of a new layer is later, whether this is asked for or not.
            "rewrite-timestamp" => drop(flag(name, value)?),
            _ => return Err(format!("`{name}` is not known as a part of an output")),
        }
        Ok(())
    }

    fn output(self) -> Result<Output, String> {
        match self.kind.as_str() {
            "local" => self.plain(ExportKind::Directory),
            "tar" => self.plain(ExportKind::Tar),
            "oci" if self.is_archive == Some(false) => self.archive(ExportKind::OciLayout),
            "oci" => self.archive(ExportKind::OciArchive),
            "docker" if self.is_archive == Some(false) => {
                Err("type=docker is written as an archive; write a directory with type=oci,tar=false".to_owned())
            }
            "docker" => self.archive(ExportKind::DockerArchive),
            "image" | "registry" => self.image(),
            "cacheonly" => self.takes("cacheonly", &[]).map(|()| Output::CacheOnly),
            kind => {
                Err(format!("`{kind}` is not a type of output: there are image, registry, oci, docker, local, tar, cacheonly"))
            }
        }
    }

    /// Refuses what has no meaning for the type.
    fn takes(&self, kind: &str, known: &[&str]) -> Result<(), String> {
        match self.given.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("`{name}` has no meaning for type={kind}")),
            None => Ok(()),
        }
    }

    fn plain(self, kind: ExportKind) -> Result<Output, String> {
        self.takes(kind.name(), &["dest"])?;
        let place = match (self.destination, kind) {
            (Some(Place::StandardOutput), ExportKind::Directory) => return Err("type=local needs a directory as dest".to_owned()),
            (Some(place), _) => place,
            (None, ExportKind::Tar) => Place::StandardOutput,
            (None, _) => return Err("type=local needs dest=DIR".to_owned()),
        };
        Ok(export(kind, place))
    }

    fn archive(self, kind: ExportKind) -> Result<Output, String> {
        self.takes(&self.kind, ARCHIVE_FIELDS)?;
        let encoding = self.encoding()?;
        let place = match (self.destination, kind) {
            (Some(Place::StandardOutput) | None, ExportKind::OciLayout) => {
                return Err("type=oci,tar=false needs dest=DIR".to_owned());
            }
            (None, ExportKind::DockerArchive) => {
                return Err("type=docker needs dest=FILE, or dest=- to pipe it into `docker load`: no daemon is asked".to_owned());
            }
            (place, _) => place.unwrap_or(Place::StandardOutput),
        };
        Ok(Output::Export(Export { kind, place, encoding }))
    }

    fn image(self) -> Result<Output, String> {
        self.takes(&self.kind, IMAGE_FIELDS)?;
        let encoding = self.encoding()?;
        let push = self.push.unwrap_or(self.kind == "registry");
        Ok(Output::Image { names: self.names, push, encoding })
    }

    fn encoding(&self) -> Result<Encoding, String> {
        Ok(Encoding {
            compression: compression(self.compression.as_deref(), self.level)?,
            is_forced: self.is_forced,
            has_docker_types: self.has_oci_types == Some(false),
        })
    }
}

fn level(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|level| *level <= 22).ok_or_else(|| format!("a compression level is 0 to 22, not `{text}`"))
}

/// The compression of that name, at `level` or at the usual one.
pub(crate) fn compression(name: Option<&str>, level: Option<u8>) -> Result<Option<Compression>, String> {
    let gzip = || match level {
        Some(level) => Compression::Gzip { level },
        None => Compression::default(),
    };
    match name {
        None if level.is_some() => Ok(Some(gzip())),
        None => Ok(None),
        Some("gzip") => Ok(Some(gzip())),
        Some("zstd") => Ok(Some(Compression::Zstd { level: level.unwrap_or(3) })),
        Some("uncompressed") => Ok(Some(Compression::None)),
        Some(other) => Err(format!("`{other}` is not a compression: there are gzip, zstd and uncompressed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse_output(text) {
            Ok(Output::Export(export)) => format!("{} {}", export.kind.name(), export.place),
            Ok(Output::Image { names, push, .. }) => format!("image {names:?} {push}"),
            Ok(Output::CacheOnly) => "cache".to_owned(),
            Err(message) => message,
        }
    }

    #[test]
    fn every_form_of_docker_and_our_own_are_read() {
        for (text, meaning) in [
            ("oci:/x:y", "oci /x:y"),
            ("docker-tar:a", "docker-tar a"),
            ("out", "local out"),
            ("./a:b", "local ./a:b"),
            ("-", "tar -"),
            ("type=local,dest=out", "local out"),
            ("type=tar", "tar -"),
            ("type=oci,dest=a.tar", "oci-tar a.tar"),
            ("type=oci,tar=false,dest=a", "oci a"),
            ("type=docker,dest=-", "docker-tar -"),
            ("type=registry", "image [] true"),
            ("type=image,\"name=a,b\",push=true", "image [\"a\", \"b\"] true"),
            ("type=image,name=a", "image [\"a\"] false"),
            ("type=cacheonly", "cache"),
        ] {
            assert_eq!(parsed(text), meaning, "{text}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for (text, message) in [
            ("oci:", "names no path"),
            ("docker:x", "is not an output"),
            ("type=nothing", "is not a type of output"),
            ("type=local", "needs dest"),
            ("type=local,dest=x,compression=zstd", "has no meaning for type=local"),
            ("type=oci,dest=x,compresion=zstd", "is not known"),
            ("type=oci,dest=x,compression=lz4", "is not a compression"),
            ("type=docker", "needs dest=FILE"),
        ] {
            assert!(parsed(text).contains(message), "{text}: {}", parsed(text));
        }
    }

    #[test]
    fn the_form_of_layers_is_read() {
        let Ok(Output::Export(export)) =
            parse_output("type=oci,dest=x,compression=zstd,compression-level=9,force-compression=true,oci-mediatypes=false")
        else {
            panic!("it is an export")
        };
        let compression = Some(Compression::Zstd { level: 9 });
        assert_eq!(export.encoding, Encoding { compression, is_forced: true, has_docker_types: true });
    }
}
