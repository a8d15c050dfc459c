//! Finding the sources of an instruction.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_dockerfile::glob::{has_wildcard, split_wildcards};
use windlass_dockerfile::remote::without_credentials;

use super::digest::{self, Inputs};
use super::error::absolute;
use super::filter::{Filter, Wanted};
use super::item::{Item, Pick, Record};
use super::pattern::matches;
use super::records::{Records, Room};
use super::resolve::{Step, clean, resolve};
use super::source::{Source, base_name};
use super::{CopyError, Request, Selection};
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
/// Digests that `memory` knows are not computed again. What is too much for the memory goes into `room`.
///
/// # Errors
/// When a source is missing or cannot be read, or a pattern is malformed.
pub fn select(
    request: Arc<Request>,
    source: Source<'_>,
    parts: &[Part<'_>],
    memory: &DigestMemory,
    room: &Room,
) -> Result<Selection, CopyError> {
    let (mut inputs, mut groups, mut parts) = (Inputs::new(), Vec::new(), parts.iter());
    let mut digested = |found: Found, source| {
        if !found.records.is_empty() {
            groups.push(found.digested(source, memory, &mut inputs)?);
        }
        Ok::<(), CopyError>(())
    };
    // What lies in one place is digested at once, which is done by several threads.
    let mut local = Found::new(room);
    for (index, path) in request.paths.iter().enumerate() {
        let part = if request.remotes.contains_key(&index) { parts.next() } else { None };
        let Some(part) = part else {
            find(&request, source, path, &mut local)?;
            continue;
        };
        digested(std::mem::replace(&mut local, Found::new(room)), source)?;
        let mut remote = Found::new(room);
        fetched(&request, path, part, &mut remote)?;
        digested(remote, Source::Context(part.context))?;
    }
    digested(local, source)?;
    let (count, sources) = (inputs.count(), inputs.sources());
    Ok(Selection { request, groups, digest: inputs.finish(), count, sources, most: room.most() })
}

/// What has been found, and is still to be digested.
struct Found {
    records: Records,
    /// How many names of each file with several have been selected; more than two count as two.
    names: Vec<u8>,
}

impl Found {
    fn new(room: &Room) -> Self {
        Self { records: Records::new(room), names: Vec::new() }
    }

    /// Takes a source: what it is, and what `filter` lets through of it.
    fn take(&mut self, pick: Pick, source: Source<'_>, filter: &mut Filter<'_>) -> Result<(), CopyError> {
        let place = pick.place.clone();
        self.records.push(Record::Pick(pick))?;
        let (records, names) = (&mut self.records, &mut self.names);
        // The names of a file that are copied from different sources become different files.
        let first = names.len() as u64;
        source.items(&place, &mut |path, is_directory| filter.judge(path, is_directory), &mut |mut item| {
            if let Some(file) = item.file_mut().and_then(|file| file.file.as_mut()) {
                *file += first;
                let index = usize::try_from(*file).unwrap_or(usize::MAX);
                names.resize(names.len().max(index + 1), 0);
                names[index] = (names[index] + 1).min(2);
            }
            records.push(Record::Item(item))
        })
    }

    /// The same with the digests of all files.
    fn digested(mut self, source: Source<'_>, memory: &DigestMemory, inputs: &mut Inputs) -> Result<Records, CopyError> {
        let mut pick = None;
        self.records.change(&mut |records| {
            records.iter_mut().filter_map(Record::item_mut).for_each(|item| drop_lone_number(item, &self.names));
            digest::digest_files(source, records, &mut pick, memory)?;
            records.iter().for_each(|record| inputs.take(record));
            Ok(())
        })?;
        Ok(self.records)
    }
}

/// A file whose other names were not selected stands alone.
fn drop_lone_number(item: &mut Item, names: &[u8]) {
    if let Some(file) = item.file_mut() {
        file.file = file.file.filter(|file| usize::try_from(*file).is_ok_and(|file| names.get(file) == Some(&2)));
    }
}

/// Takes a source that was fetched. It needs no second look: nobody changes it.
fn fetched(request: &Request, written: &str, part: &Part<'_>, found: &mut Found) -> Result<(), CopyError> {
    let wanted = Wanted::new(request, "")?;
    let place = PathBuf::from(part.file.unwrap_or_default());
    let pick = Pick {
        source: without_credentials(written),
        name: base_name(&place),
        context: Some(Arc::from(part.context.path())),
        place,
        is_settled: true,
        unpacks: request.unpacks_remotes,
    };
    found.take(pick, Source::Context(part.context), &mut Filter::new(&wanted))
}

fn find(request: &Request, source: Source<'_>, written: &str, found: &mut Found) -> Result<(), CopyError> {
    let wanted = Wanted::new(request, written)?;
    let context: Option<Arc<Path>> = source.directory().map(Arc::from);
    let mut take = |path: PathBuf| {
        let place = follow(source, written, &path)?;
        if let Some(required) = &wanted.required {
            follow(source, written, &path.join(required))?;
        }
        let (name, context) = (base_name(&path), context.clone());
        let pick = Pick { source: written.to_owned(), name, context, place, is_settled: false, unpacks: request.unpacks };
        found.take(pick, source, &mut Filter::new(&wanted))
    };
    let pattern = clean(Path::new(&wanted.path));
    if !has_wildcard(&wanted.path) {
        return take(pattern);
    }
    let mut is_empty = true;
    matches(source, written, &pattern.to_string_lossy(), &mut |path| {
        is_empty = false;
        take(path)
    })?;
    if is_empty { allow_nothing(request, source, written, &pattern) } else { Ok(()) }
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
