//! What of a source is copied.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use windlass_dockerfile::glob::{self, PathPatterns, has_wildcard};

use super::resolve::clean;
use super::source::Visit;
use super::{CopyError, Request};

/// One source as written, taken apart.
pub(super) struct Wanted {
    /// The path or pattern that is copied from.
    pub(super) path: String,
    /// With `--parents`: what of it is copied.
    include: Option<PathPatterns>,
    /// With `--parents` and without wildcards: what must be there, relative to the path.
    pub(super) required: Option<PathBuf>,
    exclude: Option<PathPatterns>,
}

impl Wanted {
    pub(super) fn new(request: &Request, written: &str) -> Result<Self, CopyError> {
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
pub(super) struct Filter<'a> {
    wanted: &'a Wanted,
    /// The directories that lead to where the walk is: their paths, and what the patterns said of them.
    open: Vec<(PathBuf, glob::Directory, glob::Directory)>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        let root = |patterns: &Option<PathPatterns>| patterns.as_ref().map(PathPatterns::root).unwrap_or_default();
        Self { wanted, open: vec![(PathBuf::new(), root(&wanted.include), root(&wanted.exclude))] }
    }

    pub(super) fn judge(&mut self, path: &Path, is_directory: bool) -> Visit {
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
