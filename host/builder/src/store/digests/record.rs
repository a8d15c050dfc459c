//! The records of a file of digests, and how they are read one after the other.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::{Fingerprint, Remembered};

/// The size of a record: a fingerprint, a digest, flags, and the number of saves since it was last used.
pub(super) const SIZE: usize = 16 + 32 + 1 + 1;

/// One read, in bytes: small, as many runs are read at the same time.
const BUFFER: usize = 32 * 1024;

/// What is remembered of one file, as it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record([u8; SIZE]);

impl Record {
    pub(super) fn new(fingerprint: &Fingerprint, value: &Remembered) -> Self {
        let mut record = [0u8; SIZE];
        record[..16].copy_from_slice(&fingerprint.0);
        record[16..48].copy_from_slice(&value.digest);
        record[48] = u8::from(value.has_capabilities);
        Self(record)
    }

    pub(super) fn bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = [0u8; 16];
        fingerprint.copy_from_slice(&self.0[..16]);
        Fingerprint(fingerprint)
    }

    pub(super) fn value(&self) -> Remembered {
        let mut digest = [0u8; 32];
        digest.copy_from_slice(&self.0[16..48]);
        Remembered { digest, has_capabilities: self.0[48] & 1 == 1 }
    }

    pub(super) fn age(&self) -> u8 {
        self.0[49]
    }

    /// The record one save later.
    pub(super) fn aged(mut self, used: bool) -> Self {
        self.0[49] = if used { 0 } else { self.0[49].saturating_add(1) };
        self
    }
}

impl From<[u8; SIZE]> for Record {
    fn from(bytes: [u8; SIZE]) -> Self {
        Self(bytes)
    }
}

/// The records that stand one after the other in a part of a file. Its position is left alone: others read there too.
#[derive(Debug)]
pub(super) struct Records<'a> {
    reader: BufReader<Part<'a>>,
    left: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(file: &'a File, position: u64, count: usize) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER, Part { file, position }), left: count }
    }
}

impl Iterator for Records<'_> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut bytes = [0u8; SIZE];
        Some(self.reader.read_exact(&mut bytes).map(|()| Record(bytes)))
    }
}

#[derive(Debug)]
struct Part<'a> {
    file: &'a File,
    position: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.position)?;
        self.position += length as u64;
        Ok(length)
    }
}
