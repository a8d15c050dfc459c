//! Names as archives have them, made into paths below the image's root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The longest path of an image, in bytes, as Linux has it (`PATH_MAX`).
pub(crate) const LONGEST_PATH: usize = 4096;

/// How many directories deep a path may lead. Real images stay far below, and the work for one path grows with it.
const DEEPEST_PATH: usize = 255;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameProblem {
    #[error("it holds a zero byte")]
    Nul,
    #[error("it is longer than {LONGEST_PATH} bytes")]
    TooLong,
    #[error("it leads through more than {DEEPEST_PATH} directories")]
    TooDeep,
}

/// The path below the root that a name of an archive means: `.`, doubled slashes and a leading slash go away, and `..`
/// takes one name back but never climbs above the root. Empty for the root itself.
pub(crate) fn clamp(name: &[u8]) -> Result<PathBuf, NameProblem> {
    if name.contains(&0) {
        return Err(NameProblem::Nul);
    }
    if name.len() > LONGEST_PATH {
        return Err(NameProblem::TooLong);
    }
    let path = clean(Path::new(OsStr::from_bytes(name)));
    if path.iter().count() > DEEPEST_PATH { Err(NameProblem::TooDeep) } else { Ok(path) }
}

/// As [`clamp`], for a path that has been checked before.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// The parent (empty for the root) and the last name of a clean path, or nothing for the root.
pub(crate) fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// How many symbolic links a path may lead through, as in Linux.
const MOST_LINKS: usize = 40;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Missing,
    Directory,
    Symlink(PathBuf),
    Other,
}

/// Why a path leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost<E> {
    /// It goes through more links than allowed, or has become too long by them.
    Links,
    /// Something on the way is no directory.
    NotADirectory,
    /// Looking failed.
    Failed(E),
}

/// Follows the symbolic links of `path` inside the root, and its last name's too when `last` is true.
///
/// `look` is asked for paths without links only. What is missing is kept as it is, so the result may name what is to be made.
pub(crate) fn follow<E>(path: &Path, last: bool, mut look: impl FnMut(&Path) -> Result<Found, E>) -> Result<PathBuf, Lost<E>> {
    let mut done = PathBuf::new();
    let mut pending: Vec<Step> = Vec::new();
    push_steps(&mut pending, path);
    let (mut links, mut depth) = (0, 0usize);
    while let Some(step) = pending.pop() {
        let name = match step {
            Step::Root => {
                done.clear();
                depth = 0;
                continue;
            }
            Step::Up => {
                done.pop();
                depth = depth.saturating_sub(1);
                continue;
            }
            Step::Name(name) => name,
        };
        done.push(name);
        depth += 1;
        if done.as_os_str().len() > LONGEST_PATH || depth > DEEPEST_PATH {
            return Err(Lost::Links);
        }
        if pending.is_empty() && !last {
            break;
        }
        match look(&done).map_err(Lost::Failed)? {
            Found::Missing | Found::Directory => {}
            Found::Other if pending.is_empty() => {}
            Found::Other => return Err(Lost::NotADirectory),
            Found::Symlink(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Lost::Links);
                }
                done.pop();
                depth -= 1;
                push_steps(&mut pending, &target);
            }
        }
    }
    Ok(done)
}

/// One step of a path that is being followed.
enum Step {
    Root,
    Up,
    Name(std::ffi::OsString),
}

fn push_steps(pending: &mut Vec<Step>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => pending.push(Step::Name(name.to_owned())),
            Component::ParentDir => pending.push(Step::Up),
            Component::RootDir => pending.push(Step::Root),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clamped_to_the_root() {
        for (name, expected) in [
            ("a/b", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("./x//y/./", "x/y"),
            ("../../../escape", "escape"),
            ("a/../../b", "b"),
            ("", ""),
            ("./", ""),
            ("..", ""),
        ] {
            assert_eq!(clamp(name.as_bytes()).unwrap(), Path::new(expected), "{name}");
        }
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        let look = |path: &Path| {
            Ok::<_, ()>(match path.to_str().unwrap() {
                "abs" => Found::Symlink("/usr/lib".into()),
                "up" => Found::Symlink("../../../etc".into()),
                "loop" => Found::Symlink("loop".into()),
                "usr/lib/rel" => Found::Symlink("../share".into()),
                "file" => Found::Other,
                "usr" | "usr/lib" | "etc" | "usr/share" => Found::Directory,
                _ => Found::Missing,
            })
        };
        let follow = |path: &str, last| follow(Path::new(path), last, look).map(|p| p.to_str().unwrap().to_owned());
        assert_eq!(follow("abs/rel/x", true).unwrap(), "usr/share/x");
        assert_eq!(follow("up/passwd", true).unwrap(), "etc/passwd");
        assert_eq!(follow("/new/../usr/./lib", true).unwrap(), "usr/lib");
        assert_eq!(follow("usr/lib/rel", false).unwrap(), "usr/lib/rel");
        assert_eq!(follow("file", true).unwrap(), "file");
        assert_eq!(follow("loop/x", true), Err(Lost::Links));
        assert_eq!(follow("file/x", true), Err(Lost::NotADirectory));
    }

    #[test]
    fn links_that_grow_the_path_come_to_an_end() {
        let look = |_: &Path| Ok::<_, ()>(Found::Symlink(PathBuf::from("a/".repeat(2000))));
        assert_eq!(follow(Path::new("a"), true, look), Err(Lost::Links));
    }

    #[test]
    fn zero_bytes_and_endless_names_are_refused() {
        assert_eq!(clamp(b"a\0b"), Err(NameProblem::Nul));
        assert_eq!(clamp(&[b'a'; 5000]), Err(NameProblem::TooLong));
        assert_eq!(clamp(&b"a/".repeat(256)), Err(NameProblem::TooDeep));
    }
}
