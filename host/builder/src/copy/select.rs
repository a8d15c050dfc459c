//! Finding the sources of an instruction.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_dockerfile::glob::{self, PathPatterns, has_wildcard};

use super::error::absolute;
use super::item::{Identity, Item, Pick};
use super::pattern::matches;
use super::resolve::{Step, clean, resolve};
use super::source::{Source, Visit, base_name};
use super::{CopyError, Request, Selection, digest};
use crate::store::DigestMemory;

/// Finds the sources of an instruction in `source` and digests them. Digests that `memory` knows are not computed again.
///
/// # Errors
/// When a source is missing or cannot be read, or a pattern is malformed.
pub fn select(request: Arc<Request>, source: Source<'_>, memory: &DigestMemory) -> Result<Selection, CopyError> {
    let mut picks = Vec::new();
    for path in &request.paths {
        find(&request, source, path, &mut picks)?;
    }
    drop_lone_identities(&mut picks);
    digest::digest_files(source, &mut picks, memory)?;
    let digest = digest::digest(&picks);
    Ok(Selection { request, picks, digest })
}

fn find(request: &Request, source: Source<'_>, written: &str, picks: &mut Vec<Pick>) -> Result<(), CopyError> {
    let wanted = Wanted::new(request, written)?;
    let paths = if has_wildcard(&wanted.path) {
        matches(source, written, &clean(Path::new(&wanted.path)).to_string_lossy())?
    } else {
        vec![clean(Path::new(&wanted.path))]
    };
    for path in paths {
        let place = follow(source, written, &path)?;
        if let Some(required) = &wanted.required {
            follow(source, written, &path.join(required))?;
        }
        let mut filter = Filter::new(&wanted);
        let items = source.items(&place, &mut |path, is_directory| filter.judge(path, is_directory))?;
        picks.push(Pick { source: written.to_owned(), name: base_name(&path), items });
    }
    Ok(())
}

/// Where a source is once its links are followed; it must be there.
fn follow(source: Source<'_>, written: &str, path: &Path) -> Result<PathBuf, CopyError> {
    let place = resolve(path, |path| source.step(path))?;
    if source.step(&place)? != Step::Missing {
        return Ok(place);
    }
    Err(not_found(source, written, path, &place))
}

/// That nothing is at `target`, to which `path` leads.
pub(super) fn not_found(source: Source<'_>, written: &str, path: &Path, target: &Path) -> CopyError {
    let is_ignored = matches!(source, Source::Context(context) if context.is_ignored(target));
    let (path, target) = (absolute(path), absolute(target));
    CopyError::NotFound { source_path: written.to_owned(), place: source.place(), path, target, is_ignored }
}

/// One source as written, taken apart.
struct Wanted {
    /// The path or pattern that is copied from.
    path: String,
    /// With `--parents`: what of it is copied.
    include: Option<PathPatterns>,
    /// With `--parents` and without wildcards: what must be there, relative to the path.
    required: Option<PathBuf>,
    exclude: Option<PathPatterns>,
}

impl Wanted {
    fn new(request: &Request, written: &str) -> Result<Self, CopyError> {
        let exclude = (!request.exclude.is_empty()).then(|| matcher(&request.exclude)).transpose()?;
        if !request.keeps_parents {
            return Ok(Self { path: written.to_owned(), include: None, required: None, exclude });
        }
        let (path, pattern) = written.split_once("/./").unwrap_or(("/", written));
        let pattern = clean(Path::new(pattern));
        let text = pattern.to_string_lossy().into_owned();
        let plain = !has_wildcard(path) && !has_wildcard(&text);
        Ok(Self { path: path.to_owned(), include: Some(matcher(&[text])?), required: plain.then_some(pattern), exclude })
    }
}

fn matcher(patterns: &[String]) -> Result<PathPatterns, CopyError> {
    Ok(PathPatterns::parse(patterns.iter().map(String::as_bytes))?)
}

/// Decides what of a source is copied, on a walk that meets directories before what is below them.
struct Filter<'a> {
    wanted: &'a Wanted,
    /// The directories that lead to where the walk is: their paths, and what the patterns said of them.
    open: Vec<(PathBuf, glob::Directory, glob::Directory)>,
}

impl<'a> Filter<'a> {
    fn new(wanted: &'a Wanted) -> Self {
        let root = |patterns: &Option<PathPatterns>| patterns.as_ref().map(PathPatterns::root).unwrap_or_default();
        Self { wanted, open: vec![(PathBuf::new(), root(&wanted.include), root(&wanted.exclude))] }
    }

    fn judge(&mut self, path: &Path, is_directory: bool) -> Visit {
        let Wanted { include, exclude, .. } = self.wanted;
        if include.is_none() && exclude.is_none() {
            return Visit { included: true, descends: true };
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Visit { included: true, descends: true };
        };
        while self.open.len() > 1 && self.open.last().is_some_and(|(path, ..)| path != parent) {
            self.open.pop();
        }
        let Some((_, included_parent, excluded_parent)) = self.open.last() else {
            return Visit { included: false, descends: false };
        };
        let included = include.as_ref().map(|patterns| (patterns, patterns.judge(included_parent, name.as_bytes())));
        let excluded = exclude.as_ref().map(|patterns| (patterns, patterns.judge(excluded_parent, name.as_bytes())));
        let is_in = included.as_ref().is_none_or(|(_, verdict)| verdict.is_matched);
        let is_out = excluded.as_ref().is_some_and(|(_, verdict)| verdict.is_matched);
        let may_be_in = |(patterns, verdict): &(&PathPatterns, glob::Verdict)| patterns.may_match_below(&verdict.directory);
        let may_come_back = |(patterns, verdict): &(&PathPatterns, glob::Verdict)| patterns.may_except_below(&verdict.directory);
        let descends = is_directory
            && (is_in || included.as_ref().is_some_and(may_be_in))
            && (!is_out || excluded.as_ref().is_some_and(may_come_back));
        if descends {
            let state = |judged: Option<(_, glob::Verdict)>| judged.map(|(_, verdict)| verdict.directory).unwrap_or_default();
            let (include, exclude) = (state(included), state(excluded));
            self.open.push((path.to_path_buf(), include, exclude));
        }
        Visit { included: is_in && !is_out, descends }
    }
}

/// A file whose other names were not selected stands alone.
fn drop_lone_identities(picks: &mut [Pick]) {
    for pick in picks {
        let mut counts: HashMap<Identity, usize> = HashMap::new();
        for file in pick.items.iter().filter_map(Item::file) {
            if let Some(identity) = &file.identity {
                *counts.entry(identity.clone()).or_default() += 1;
            }
        }
        for file in pick.items.iter_mut().filter_map(Item::file_mut) {
            if file.identity.as_ref().is_some_and(|identity| counts.get(identity) == Some(&1)) {
                file.identity = None;
            }
        }
    }
}
