//! Where something is mounted in the container.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The places of all mounts but the root's.
pub(crate) struct MountPoints(BTreeSet<PathBuf>);

impl MountPoints {
    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read("/proc/self/mountinfo")?))
    }

    /// `mountinfo` has the place in its fifth field, with blanks and the like as three octal digits.
    fn parse(table: &[u8]) -> Self {
        let places = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
        Self(places.map(|place| PathBuf::from(OsString::from_vec(unescaped(place)))).filter(|place| place != "/").collect())
    }

    /// Whether this very path is one.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.0.contains(path)
    }

    /// Whether the path lies in one.
    pub(crate) fn cover(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.0.contains(above))
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_with_their_blanks_and_without_the_root() {
        let table = b"1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /a\\040b rw - tmpfs tmpfs rw\n\
                      3 1 0:3 / /proc rw,nosuid shared:3 - proc proc rw\n";
        let mounts = MountPoints::parse(table);
        assert!(mounts.contains(Path::new("/a b")) && mounts.contains(Path::new("/proc")) && !mounts.contains(Path::new("/")));
        assert!(mounts.cover(Path::new("/a b/c/d")) && !mounts.cover(Path::new("/a")) && !mounts.contains(Path::new("/proc/1")));
    }
}
