//! Names in little memory: a directory may have millions.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The names in a directory, with something that is known of each.
#[derive(Debug)]
pub struct Names<T> {
    bytes: Vec<u8>,
    /// In the order of their bytes once they are [`Names::sorted`].
    names: Vec<Name<T>>,
}

/// A part of the bytes.
#[derive(Debug, Clone, Copy)]
struct Name<T> {
    start: usize,
    length: u16,
    known: T,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), names: Vec::new() }
    }
}

impl<T: Copy> Names<T> {
    /// Adds a name, in place of what was known of it before.
    pub fn insert(&mut self, name: &OsStr, known: T) {
        // No file system and no layer has names of that length: paths end at 4,096 bytes.
        let Ok(length) = u16::try_from(name.len()) else { return };
        self.names.push(Name { start: self.bytes.len(), length, known });
        self.bytes.extend_from_slice(name.as_bytes());
    }

    /// The same names, which can be asked for from now on.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        let (bytes, mut names) = (&self.bytes, std::mem::take(&mut self.names));
        // What was added later stands later among the same, and counts.
        names.sort_by(|one, other| text(bytes, one).cmp(text(bytes, other)));
        names.reverse();
        names.dedup_by(|later, kept| text(bytes, later) == text(bytes, kept));
        names.reverse();
        names.shrink_to_fit();
        self.names = names;
        self.bytes.shrink_to_fit();
        self
    }

    /// What is known of a name.
    #[must_use]
    pub fn get(&self, name: &OsStr) -> Option<T> {
        let found = self.names.binary_search_by(|known| text(&self.bytes, known).cmp(name.as_bytes())).ok()?;
        Some(self.names[found].known)
    }

    /// How many names there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The name with that number, in the order of their bytes.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<(&OsStr, T)> {
        let name = self.names.get(number)?;
        Some((OsStr::from_bytes(text(&self.bytes, name)), name.known))
    }

    /// All names in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, T)> {
        self.names.iter().map(|name| (OsStr::from_bytes(text(&self.bytes, name)), name.known))
    }
}

fn text<'b, T>(bytes: &'b [u8], name: &Name<T>) -> &'b [u8] {
    &bytes[name.start..name.start + usize::from(name.length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_order_and_the_last_of_a_name_counts() {
        let mut names = Names::default();
        for (name, known) in [("b", 1), ("a", 2), ("b", 3), ("b", 2)] {
            names.insert(OsStr::new(name), known);
        }
        let names = names.sorted();
        let all: Vec<_> = names.iter().map(|(name, known)| (name.to_str().unwrap(), known)).collect();
        assert_eq!(all, [("a", 2), ("b", 2)]);
        assert_eq!((names.get(OsStr::new("b")), names.get(OsStr::new("c"))), (Some(2), None));
        assert_eq!((names.at(1), names.at(2), names.count()), (Some((OsStr::new("b"), 2)), None, 2));
    }
}
