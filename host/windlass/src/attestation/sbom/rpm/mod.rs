//! The databases of RPM: one list of packages, in three forms.

mod berkeley;
mod header;
mod ndb;
mod source;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(super) use source::{Damage, OpenFile};

use self::header::Header;
use self::source::Source;
use super::installed::Distribution;
use super::package::Package;

/// Larger databases are none that rpm(8) has written.
pub(super) const LARGEST: u64 = 1 << 30;
const DIRECTORIES: &[&str] = &["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
/// What all packages together may take, counted with [`OVERHEAD`] for each.
const MOST_MEMORY: usize = 128 << 20;
const OVERHEAD: usize = 512;
/// Keys that are trusted are kept as if they were packages.
const KEY: &str = "gpg-pubkey";

/// How a database is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Sqlite,
    Ndb,
    Berkeley,
}

impl Form {
    /// That of the file at `path` in an image; nothing for any that is no database.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let parent = path.parent()?;
        if !DIRECTORIES.iter().any(|directory| parent == Path::new(directory)) {
            return None;
        }
        match path.file_name()?.to_str()? {
            "rpmdb.sqlite" => Some(Self::Sqlite),
            "Packages.db" => Some(Self::Ndb),
            "Packages" => Some(Self::Berkeley),
            _ => None,
        }
    }
}

/// Where the changes stand that SQLite has not moved to the database.
pub(super) fn log_of(form: Form, path: &Path) -> Option<PathBuf> {
    (form == Form::Sqlite).then(|| path.with_extension("sqlite-wal"))
}

/// The packages of a database. One that is damaged gives those before the damage.
pub(super) fn read(form: Form, source: &dyn Source, distribution: &Distribution) -> (Vec<Package>, Result<(), Damage>) {
    let (mut packages, mut memory) = (Vec::new(), 0);
    let mut each = |blob: &[u8]| {
        let Some(package) = package(Header::parse(blob)?, distribution)? else { return Ok(()) };
        memory += OVERHEAD + package.text_length();
        if memory > MOST_MEMORY {
            return Err(Damage::new(format!("its packages take more than {MOST_MEMORY} bytes")));
        }
        packages.push(package);
        Ok(())
    };
    let result = match form {
        Form::Sqlite => sqlite::headers(source, &mut each),
        Form::Ndb => ndb::headers(source, &mut each),
        Form::Berkeley => berkeley::headers(source, &mut each),
    };
    (packages, result)
}

/// The package of a header; nothing for a key.
fn package(header: Header, distribution: &Distribution) -> Result<Option<Package>, Damage> {
    let Header { name: Some(name), version: Some(version), release: Some(release), .. } = header else {
        return Err(Damage::new("a header has no name, version or release"));
    };
    if name == KEY {
        return Ok(None);
    }
    let kind = if distribution.id.is_empty() { "rpm".to_owned() } else { format!("rpm/{}", distribution.id) };
    let mut package = Package::new(&kind, &name, &format!("{version}-{release}"));
    package.epoch = header.epoch;
    package.qualify("arch", header.architecture);
    package.qualify("distro", distribution.full());
    package.qualify("epoch", header.epoch.map(|epoch| epoch.to_string()));
    package.supplier = header.vendor;
    package.license = header.license;
    package.source = header.source;
    Ok(Some(package))
}
