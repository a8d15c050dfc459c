//! Following symbolic links below a root that is no directory on disk.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::CopyError;
use super::error::absolute;

/// As many links as the kernel and other builders follow at most, with room to spare.
const MOST_LINKS: usize = 255;

/// What stands at a path whose parents are no links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Missing,
    Directory,
    Link(PathBuf),
    Other,
}

/// A path without `.` and `..`, relative to the root; `..` never climbs above it.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// The place that `path` means when every link in it is followed, the last one too. Absolute links start at the root,
/// and `..` stops there. What is missing is taken as it is written. The result is clean and has no link in it.
///
/// # Errors
/// When a part that is no directory has something below it, when there are too many links, and what `look` fails with.
pub(super) fn resolve(path: &Path, mut look: impl FnMut(&Path) -> Result<Step, CopyError>) -> Result<PathBuf, CopyError> {
    let mut rest: VecDeque<OsString> = clean(path).iter().map(OsString::from).collect();
    let mut resolved = PathBuf::new();
    let mut links = 0;
    // How long `resolved` is where it began to be missing: nothing below needs a look.
    let mut missing: Option<usize> = None;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            resolved.pop();
            let length = resolved.as_os_str().len();
            missing = missing.filter(|start| length >= *start);
            continue;
        }
        resolved.push(&name);
        if missing.is_some() {
            continue;
        }
        match look(&resolved)? {
            Step::Directory => {}
            Step::Missing => missing = Some(resolved.as_os_str().len()),
            Step::Other if rest.is_empty() => {}
            Step::Other => return Err(CopyError::NotADirectory { path: absolute(&resolved) }),
            Step::Link(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(CopyError::TooManyLinks { path: absolute(path) });
                }
                resolved.pop();
                follow(&target, &mut resolved, &mut rest);
            }
        }
    }
    Ok(resolved)
}

/// Puts the parts of a link's text before what is left to walk.
fn follow(target: &Path, resolved: &mut PathBuf, rest: &mut VecDeque<OsString>) {
    if target.is_absolute() {
        resolved.clear();
    }
    for component in target.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_os_string()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn look<'a>(tree: &'a HashMap<&str, Step>) -> impl FnMut(&Path) -> Result<Step, CopyError> + 'a {
        |path| Ok(tree.get(path.to_str().unwrap()).cloned().unwrap_or(Step::Missing))
    }

    fn link(target: &str) -> Step {
        Step::Link(PathBuf::from(target))
    }

    #[test]
    fn links_are_followed_within_the_root() {
        let tree = HashMap::from([
            ("run", Step::Directory),
            ("var", Step::Directory),
            ("var/run", link("/run")),
            ("usr", Step::Directory),
            ("usr/lib", link("../lib")),
            ("lib", Step::Directory),
            ("up", link("../../../../lib")),
            ("file", Step::Other),
            ("dangling", link("nowhere/at/all")),
            ("chain", link("usr/lib")),
        ]);
        for (path, expected) in [
            ("/var/run/x", "run/x"),
            ("usr/lib", "lib"),
            ("/up/y", "lib/y"),
            ("dangling/z", "nowhere/at/all/z"),
            ("chain/a/b", "lib/a/b"),
            ("a/../lib/./c", "lib/c"),
            ("../../etc", "etc"),
            ("file", "file"),
            ("/", ""),
        ] {
            assert_eq!(resolve(Path::new(path), look(&tree)).unwrap(), Path::new(expected), "{path}");
        }
        let error = resolve(Path::new("file/below"), look(&tree)).unwrap_err();
        assert!(matches!(error, CopyError::NotADirectory { path } if path == Path::new("/file")));
    }

    #[test]
    fn looking_goes_on_when_a_link_leaves_what_is_missing() {
        let tree =
            HashMap::from([("d", Step::Directory), ("d/l", link("gone/../../e")), ("e", link("f")), ("f", Step::Directory)]);
        assert_eq!(resolve(Path::new("d/l/x"), look(&tree)).unwrap(), Path::new("f/x"));
    }

    #[test]
    fn links_in_a_circle_end() {
        let tree = HashMap::from([("a", link("b")), ("b", link("/a")), ("self", link("self/x"))]);
        for path in ["a", "b/c", "self"] {
            assert!(matches!(resolve(Path::new(path), look(&tree)), Err(CopyError::TooManyLinks { .. })), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_and_no_links_leave_the_root(
            path in "[ab./]{0,20}",
            links in proptest::collection::hash_map("[ab]", "(/)?[ab./]{1,12}", 0..3),
        ) {
            let result = resolve(Path::new(&path), |at| {
                let text = at.to_str().unwrap();
                // Whoever looks is never asked for anything but clean paths below the root.
                assert!(!text.starts_with('/') && at.components().all(|part| matches!(part, Component::Normal(_))), "{text}");
                Ok(links.get(text).map_or(Step::Directory, |target| Step::Link(PathBuf::from(target))))
            });
            if let Ok(result) = result {
                prop_assert_eq!(clean(&result), result);
            }
        }
    }
}
