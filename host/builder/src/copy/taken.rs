//! What a build takes of its context.
//!
//! BuildKit is sent only those files of the context that some instruction asks for. A pattern that matches nothing below a
//! directory is therefore a missing directory, unless another instruction brings that directory along.

use std::path::Path;

use windlass_dockerfile::glob::has_wildcard;

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
                let mut brings = false;
                let found = matches(source, written, &path.to_string_lossy(), &mut |found| {
                    brings |= is_near(&found);
                    Ok(())
                });
                return found.is_ok() && brings;
            }
            let resolved = resolve(&path, |path| source.step(path));
            resolved.is_ok_and(|taken| is_near(&taken) && source.step(&taken).is_ok_and(|step| step != Step::Missing))
        })
    }
}
