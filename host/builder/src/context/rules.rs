//! What a context leaves out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use windlass_dockerfile::glob;
use windlass_dockerfile::ignore::IgnoreRules;

/// The patterns of a context's ignore file, if it has one.
#[derive(Debug)]
pub(super) struct Rules(pub(super) Option<IgnoreRules>);

/// What the patterns say of one path.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// Whether the path is left out.
    pub(super) is_excluded: bool,
    /// Whether nothing below it can be in the context.
    pub(super) is_closed: bool,
    directory: glob::Directory,
}

impl Rules {
    /// The context itself is never left out.
    pub(super) fn top(&self) -> Verdict {
        let directory = self.0.as_ref().map(IgnoreRules::root).unwrap_or_default();
        Verdict { directory, ..Verdict::default() }
    }

    /// What is said of `name` in the directory of which `parent` is said.
    pub(super) fn judge(&self, parent: &Verdict, name: &OsStr) -> Verdict {
        let Some(rules) = &self.0 else { return Verdict::default() };
        let entry = rules.entry(&parent.directory, name.as_bytes());
        Verdict { is_excluded: entry.is_ignored, is_closed: entry.is_closed, directory: entry.directory }
    }
}
