//! Wildcards among the sources.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use windlass_dockerfile::glob::{Wildcard, split_wildcards};

use super::CopyError;
use super::resolve::{Step, clean, resolve};
use super::select::not_found;
use super::source::Source;

/// Hands to `take` the paths that a clean source pattern matches, in the order of a walk: a directory before what is below it,
/// and names in the order of their bytes. Links are followed in the part before the first wildcard and nowhere else; what
/// matches may be a link. A pattern that matches nothing gives nothing, which BuildKit allows, but the part before the first
/// wildcard must be there.
pub(super) fn matches(
    source: Source<'_>,
    written: &str,
    pattern: &str,
    take: &mut dyn FnMut(PathBuf) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let (prefix, rest) = split_wildcards(pattern);
    let wildcard = Wildcard::parse(rest.as_bytes())?;
    let base = resolve(Path::new(prefix), |path| source.step(path))?;
    if source.step(&base)? == Step::Missing {
        return Err(not_found(source, written, &clean(Path::new(prefix)), &base));
    }
    if source.step(&base)? != Step::Directory {
        return Ok(());
    }
    // The directories on the way, with their paths relative to the base.
    let mut open = vec![(source.names(&base)?, base, PathBuf::new())];
    while let Some((names, path, relative)) = open.last_mut() {
        let Some(name) = names.next().transpose()? else {
            open.pop();
            continue;
        };
        let (path, relative) = (path.join(&name), relative.join(&name));
        if wildcard.matches(relative.as_os_str().as_bytes()) {
            take(path)?;
        } else if wildcard.may_match_below(relative.as_os_str().as_bytes()) && source.step(&path)? == Step::Directory {
            open.push((source.names(&path)?, path, relative));
        }
    }
    Ok(())
}
