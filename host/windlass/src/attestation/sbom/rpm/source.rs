//! A database file of an image, read in pieces. It may have been written by anybody: nothing in it is believed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Headers of packages with a hundred thousand files have a tenth of that.
const LARGEST_HEADER: usize = 64 << 20;

/// Why no more can be read of a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Wrong(String),
}

impl Damage {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

/// What a database is read from.
pub(crate) trait Source {
    fn size(&self) -> u64;
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// An open file of a known size.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) size: u64,
}

impl Source for OpenFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// A database of pages, which are counted from 0.
pub(super) struct Pages<'s> {
    source: &'s dyn Source,
    pub(super) size: usize,
    pub(super) count: u32,
    claimed: Vec<u64>,
    /// How many bytes the headers may still have: all together are no larger than the file, unless they overlap.
    left: u64,
}

impl<'s> Pages<'s> {
    pub(super) fn new(source: &'s dyn Source, size: usize) -> Result<Self, Damage> {
        let count = u32::try_from(source.size() / size as u64).map_err(|_| Damage::new("it has too many pages"))?;
        let claimed = vec![0; count as usize / 64 + 1];
        Ok(Self { source, size, count, claimed, left: source.size() })
    }

    /// Notes that a page has its place: one that is claimed twice would let a reader go round in circles.
    pub(super) fn claim(&mut self, number: u32) -> Result<(), Damage> {
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        let word = self.claimed.get_mut(word).filter(|_| number < self.count);
        let word = word.ok_or_else(|| Damage::new(format!("page {number} is behind its end")))?;
        if *word & bit != 0 {
            return Err(Damage::new(format!("page {number} is used twice")));
        }
        *word |= bit;
        Ok(())
    }

    pub(super) fn read(&self, number: u32) -> Result<Vec<u8>, Damage> {
        let mut page = vec![0; self.size];
        self.source.fill(u64::from(number) * self.size as u64, &mut page)?;
        Ok(page)
    }

    /// Allows for a header of that many bytes.
    pub(super) fn allow(&mut self, length: u64) -> Result<usize, Damage> {
        self.left = self.left.checked_sub(length.max(1)).ok_or_else(|| Damage::new("its headers overlap"))?;
        let length = usize::try_from(length).ok().filter(|length| *length <= LARGEST_HEADER);
        length.ok_or_else(|| Damage::new(format!("a header has more than {LARGEST_HEADER} bytes")))
    }
}

/// The bytes of a number that stands at `at`.
pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Damage> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or_else(|| Damage::new("something in it leads out of its page"))
}

/// `length` bytes at `at`.
pub(super) fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Damage> {
    let found = bytes.get(at..).and_then(|rest| rest.get(..length));
    found.ok_or_else(|| Damage::new("something in it leads out of its page"))
}
