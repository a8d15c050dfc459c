//! The names that one layer has in a directory, in little memory: a directory may have millions.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::layer::Presence;

/// A directory of one layer.
#[derive(Debug, Default)]
pub(crate) struct LayerDirectory {
    /// Whether it hides what layers below have in it.
    pub(crate) opaque: bool,
    bytes: Vec<u8>,
    /// In the order of their bytes once the directory is [`LayerDirectory::sorted`].
    names: Vec<Name>,
}

/// A part of the bytes.
#[derive(Debug, Clone, Copy)]
struct Name {
    start: usize,
    length: u16,
    presence: Presence,
}

impl LayerDirectory {
    /// Adds a name, in place of what it stood for before.
    pub(crate) fn insert(&mut self, name: &OsStr, presence: Presence) {
        // No layer has names of that length: paths end at 4,096 bytes.
        let Ok(length) = u16::try_from(name.len()) else { return };
        self.names.push(Name { start: self.bytes.len(), length, presence });
        self.bytes.extend_from_slice(name.as_bytes());
    }

    /// The directory with all its names, which can be asked for from now on.
    pub(crate) fn sorted(mut self) -> Self {
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

    /// What a name stands for.
    pub(crate) fn get(&self, name: &OsStr) -> Option<Presence> {
        let found = self.names.binary_search_by(|known| text(&self.bytes, known).cmp(name.as_bytes())).ok()?;
        Some(self.names[found].presence)
    }

    /// The name with that number, in the order of their bytes.
    pub(crate) fn at(&self, number: usize) -> Option<(&OsStr, Presence)> {
        let name = self.names.get(number)?;
        Some((OsStr::from_bytes(text(&self.bytes, name)), name.presence))
    }

    /// All names in the order of their bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, Presence)> {
        self.names.iter().map(|name| (OsStr::from_bytes(text(&self.bytes, name)), name.presence))
    }
}

fn text<'b>(bytes: &'b [u8], name: &Name) -> &'b [u8] {
    &bytes[name.start..name.start + usize::from(name.length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_order_and_the_last_of_a_name_counts() {
        let mut directory = LayerDirectory::default();
        for (name, presence) in
            [("b", Presence::Other), ("a", Presence::Directory), ("b", Presence::Whiteout), ("b", Presence::Directory)]
        {
            directory.insert(OsStr::new(name), presence);
        }
        let directory = directory.sorted();
        let names: Vec<_> = directory.iter().map(|(name, presence)| (name.to_str().unwrap(), presence)).collect();
        assert_eq!(names, [("a", Presence::Directory), ("b", Presence::Directory)]);
        assert_eq!((directory.get(OsStr::new("b")), directory.get(OsStr::new("c"))), (Some(Presence::Directory), None));
        assert_eq!(directory.at(2), None);
    }
}
