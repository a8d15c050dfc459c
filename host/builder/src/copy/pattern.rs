//! Wildcards among the sources.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use windlass_dockerfile::glob::{Wildcard, split_wildcards};

use super::CopyError;
use super::resolve::{Step, clean, resolve};
use super::select::not_found;
use super::source::Source;

/// The paths that a clean source pattern matches, in the order of a walk. Links are followed in the part before the first
/// wildcard and nowhere else; what matches may be a link. A pattern that matches nothing gives nothing, which BuildKit
/// allows, but the part before the first wildcard must be there.
pub(super) fn matches(source: Source<'_>, written: &str, pattern: &str) -> Result<Vec<PathBuf>, CopyError> {
    let (prefix, rest) = split_wildcards(pattern);
    let wildcard = Wildcard::parse(rest.as_bytes())?;
    let base = resolve(Path::new(prefix), |path| source.step(path))?;
    if source.step(&base)? == Step::Missing {
        return Err(not_found(source, written, &clean(Path::new(prefix)), &base));
    }
    let mut found = Vec::new();
    // Directories to look into, with their paths relative to the base; the next one last.
    let mut open = vec![(base, PathBuf::new())];
    while let Some((path, relative)) = open.pop() {
        if source.step(&path)? != Step::Directory {
            continue;
        }
        let mut below = Vec::new();
        for name in source.names(&path)? {
            let (path, relative) = (path.join(&name), relative.join(&name));
            if wildcard.matches(relative.as_os_str().as_bytes()) {
                found.push(path);
            } else if wildcard.may_match_below(relative.as_os_str().as_bytes()) {
                below.push((path, relative));
            }
        }
        open.extend(below.into_iter().rev());
    }
    // A walk meets a directory before what is below it, and names in the order of their bytes.
    found.sort();
    Ok(found)
}
