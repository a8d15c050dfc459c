//! Finding the sources of an instruction.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_dockerfile::glob::{self, PathPatterns, has_wildcard, split_wildcards};
use windlass_dockerfile::remote::without_credentials;

use super::error::absolute;
use super::item::{Identity, Item, Pick};
use super::pattern::matches;
use super::resolve::{Step, clean, resolve};
use super::source::{Source, Visit, base_name};
use super::{CopyError, Request, Selection, digest};
use crate::context::Context;
use crate::store::DigestMemory;

/// Something that was fetched for a source that lies elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The directory that it was fetched into. Nothing else writes there.
    pub context: &'a Context,
    /// The name of the file that is meant; else all that is in the directory.
    pub file: Option<&'a str>,
}

/// Finds the sources of an instruction in `source`, those that lie elsewhere in `parts` in their order, and digests them.
/// Digests that `memory` knows are not computed again.
///
/// # Errors
/// When a source is missing or cannot be read, or a pattern is malformed.
pub fn select(
    request: Arc<Request>,
    source: Source<'_>,
    parts: &[Part<'_>],
    memory: &DigestMemory,
) -> Result<Selection, CopyError> {
    let (mut picks, mut parts) = (Vec::new(), parts.iter());
    // What lies in one place is digested at once, which is done by several threads.
    let mut local = Vec::new();
    let digested = |mut found: Vec<Pick>, source| {
        drop_lone_identities(&mut found);
        digest::digest_files(source, &mut found, memory).map(|()| found)
    };
    for (index, path) in request.paths.iter().enumerate() {
        let part = if request.remotes.contains_key(&index) { parts.next() } else { None };
        let Some(part) = part else {
            find(&request, source, path, &mut local)?;
            continue;
        };
        picks.extend(digested(std::mem::take(&mut local), source)?);
        let source = Source::Context(part.context);
        picks.extend(digested(vec![fetched(&request, path, part)?], source)?.into_iter().map(without_origins));
    }
    picks.extend(digested(local, source)?);
    let digest = digest::digest(&picks);
    Ok(Selection { request, picks, digest })
}

/// The pick of a source that was fetched.
fn fetched(request: &Request, written: &str, part: &Part<'_>) -> Result<Pick, CopyError> {
    let wanted = Wanted::new(request, "")?;
    let mut filter = Filter::new(&wanted);
    let path = Path::new(part.file.unwrap_or_default());
    let items = Source::Context(part.context).items(path, &mut |path, is_directory| filter.judge(path, is_directory))?;
    Ok(Pick { source: without_credentials(written), name: base_name(path), items, unpacks: request.unpacks_remotes })
}

/// A fetched file needs no second look: nobody changes it.
fn without_origins(mut pick: Pick) -> Pick {
    pick.items.iter_mut().filter_map(Item::file_mut).for_each(|file| file.origin = None);
    pick
}

fn find(request: &Request, source: Source<'_>, written: &str, picks: &mut Vec<Pick>) -> Result<(), CopyError> {
    let wanted = Wanted::new(request, written)?;
    let paths = if has_wildcard(&wanted.path) {
        let pattern = clean(Path::new(&wanted.path));
        let found = matches(source, written, &pattern.to_string_lossy())?;
        if found.is_empty() {
            allow_nothing(request, source, written, &pattern)?;
        }
        found
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
        picks.push(Pick { source: written.to_owned(), name: base_name(&path), items, unpacks: request.unpacks });
    }
    Ok(())
}

/// A pattern below a directory may match nothing only where the build takes something else of that directory.
fn allow_nothing(request: &Request, source: Source<'_>, written: &str, pattern: &Path) -> Result<(), CopyError> {
    let pattern = pattern.to_string_lossy();
    let (directory, _) = split_wildcards(&pattern);
    let Some(taken) = request.taken.as_ref().filter(|_| !directory.is_empty()) else { return Ok(()) };
    let place = resolve(Path::new(directory), |path| source.step(path))?;
    if taken.brings(source, &place) {
        return Ok(());
    }
    Err(CopyError::NothingMatches { source_path: written.to_owned(), place: source.place(), directory: absolute(&place) })
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
