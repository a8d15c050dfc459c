//! What a build takes of its context.
//!
//! BuildKit is sent only those files of the context that some instruction asks for. A pattern that matches nothing below a
//! directory is therefore a missing directory, unless another instruction brings that directory along.

use std::path::Path;

use windlass_dockerfile::glob::{has_wildcard, split_wildcards};

use super::pattern::matches;
use super::resolve::{Step, clean, resolve};
use super::source::Source;

/// The paths and patterns that all instructions of a build name in the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// These.
    Paths(Vec<String>),
    /// All of it, or what cannot be told before the build.
    All,
}

impl Taken {
    /// Whether anything that is taken of `source` brings the directory `place` along.
    pub(super) fn brings(&self, source: Source<'_>, place: &Path) -> bool {
        let Self::Paths(paths) = self else { return true };
        let is_near = |taken: &Path| place.starts_with(taken) || taken.starts_with(place);
        paths.iter().any(|written| {
            let path = clean(Path::new(written));
            if has_wildcard(written) {
                return pattern_brings(source, written, &path.to_string_lossy(), is_near);
            }
            let resolved = resolve(&path, |path| source.step(path));
            resolved.is_ok_and(|taken| is_near(&taken) && source.step(&taken).is_ok_and(|step| step != Step::Missing))
        })
    }
}

/// Whether something that a pattern asks for is near. Where the first part of it with a wildcard matches a link, all that this
/// part matches is asked for, whatever comes after it: BuildKit follows the links before it looks for what is below them.
fn pattern_brings(source: Source<'_>, written: &str, pattern: &str, is_near: impl Fn(&Path) -> bool) -> bool {
    let looked_for = |pattern: &str| {
        let (mut brings, mut has_link) = (false, false);
        let found = matches(source, written, pattern, &mut |found| {
            brings |= is_near(&found);
            has_link |= matches!(source.step(&found)?, Step::Link(_));
            Ok(())
        });
        found.map(|()| (brings, has_link)).unwrap_or_default()
    };
    let (directory, wildcards) = split_wildcards(pattern);
    let first = wildcards.split_once('/').map(|(first, _)| Path::new(directory).join(first));
    looked_for(pattern).0 || first.is_some_and(|first| looked_for(&first.to_string_lossy()) == (true, true))
}
