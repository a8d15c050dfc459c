//! What an image is made of, from the package databases and lock files in it.

mod document;
mod installed;
mod locked;
mod package;
mod rpm;

use std::collections::BTreeSet;
use std::path::Path;

use windlass_core::{Finding, chain};
use windlass_layer::{Entry, EntryKind, View, ViewError};

pub(super) use self::document::{PREDICATE, predicate};
use self::installed::Distribution;
use self::package::Package;

/// Databases and lock files are far smaller; a larger one is something else.
const LARGEST: u64 = 64 << 20;

/// What was found in an image.
#[derive(Default)]
pub(super) struct Found {
    /// Each once.
    pub(super) packages: BTreeSet<Package>,
    /// What could not be read.
    pub(super) warnings: Vec<Finding>,
}

/// Every package that a database or a lock file of the image names.
pub(super) fn packages(view: &View) -> Result<Found, ViewError> {
    let text = |path: &Path| {
        Ok::<_, ViewError>(view.read_file(path, LARGEST)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let release = match text(Path::new("etc/os-release"))? {
        Some(release) => Some(release),
        None => text(Path::new("usr/lib/os-release"))?,
    };
    let distribution = Distribution::of(release.as_deref().unwrap_or_default());
    let mut found = Found::default();
    for entry in view.entries() {
        let entry = entry?;
        let EntryKind::File { size, .. } = entry.kind else { continue };
        if let Some(form) = rpm::Form::of(&entry.path) {
            found.take_rpm(form, &entry, size, view, &distribution)?;
            continue;
        }
        let is_wanted = installed::is_database(&entry.path) || locked::is_lock_file(&entry.path);
        if !is_wanted || size > LARGEST {
            continue;
        }
        let Some(text) = text(&entry.path)? else { continue };
        found.packages.extend(installed::read(&entry.path, &text, &distribution));
        found.packages.extend(locked::read(&entry.path, &text));
    }
    Ok(found)
}

impl Found {
    fn take_rpm(
        &mut self,
        form: rpm::Form,
        entry: &Entry,
        size: u64,
        view: &View,
        distribution: &Distribution,
    ) -> Result<(), ViewError> {
        if size > rpm::LARGEST {
            self.warn(&entry.path, &format!("it has more than {} bytes", rpm::LARGEST));
            return Ok(());
        }
        let file = entry.open().map_err(|source| ViewError::System { action: "open", path: entry.path.clone(), source })?;
        let (packages, result) = rpm::read(form, &rpm::OpenFile { file, size }, distribution);
        self.packages.extend(packages);
        if let Err(damage) = result {
            self.warn(&entry.path, &chain(&damage));
        }
        if let Some(log) = rpm::log_of(form, &entry.path)
            && let Some(Entry { kind: EntryKind::File { size: 1.., .. }, .. }) = view.lookup(&log)?
        {
            self.warn(&log, "changes that have not been moved to the database yet are not read");
        }
        Ok(())
    }

    fn warn(&mut self, path: &Path, reason: &str) {
        let message = format!("the bill of materials may lack packages of /{}: {reason}", path.display());
        let help = "run `rpm --rebuilddb` in the image's last RUN";
        self.warnings.push(Finding::warn("output/sbom", message).about("--sbom").help(help));
    }
}
