//! Sparse files: the old GNU form and the three PAX forms (GNU tar manual, "Storing Sparse Files").

use super::{number, pax};

/// The most segments that a sparse file may have; the map of more would take too much memory.
const MOST_SEGMENTS: usize = 1 << 20;

/// A piece of a file that is not a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What PAX records tell of a sparse file.
#[derive(Debug, Default, Clone)]
pub(crate) struct SparseRecords {
    /// Version 1.0: the map stands before the content.
    pub(crate) map_in_content: bool,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) segments: Vec<Segment>,
    offset: Option<u64>,
    version: (Option<u64>, Option<u64>),
}

impl SparseRecords {
    /// Takes note of a record whose key begins with `GNU.sparse.`.
    pub(crate) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const BROKEN: &str = "a PAX record of a sparse file is not a number";
        let value_as_number = || pax::number::<u64>(value).ok_or(BROKEN);
        match key {
            b"major" => self.version.0 = Some(value_as_number()?),
            b"minor" => self.version.1 = Some(value_as_number()?),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(value_as_number()?),
            b"offset" => self.offset = Some(value_as_number()?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or("a sparse segment has no offset")?;
                self.push(offset, value_as_number()?)?;
            }
            b"map" => self.read_map(value).ok_or(BROKEN)?,
            _ => {}
        }
        self.map_in_content = self.version == (Some(1), Some(0));
        Ok(())
    }

    fn read_map(&mut self, text: &[u8]) -> Option<()> {
        let mut numbers = text.split(|&b| b == b',').map(pax::number::<u64>);
        self.segments.clear();
        while let Some(offset) = numbers.next() {
            let length = numbers.next()??;
            self.push(offset?, length).ok()?;
        }
        Some(())
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<(), &'static str> {
        push(&mut self.segments, offset, length)
    }
}

/// Adds a segment to a map.
pub(crate) fn push(segments: &mut Vec<Segment>, offset: u64, length: u64) -> Result<(), &'static str> {
    if segments.len() >= MOST_SEGMENTS {
        return Err("a sparse file has too many segments");
    }
    segments.push(Segment { offset, length });
    Ok(())
}

/// Reads the four or twenty-one segments of an old GNU header, and whether more follow.
pub(crate) fn read_old(fields: &[u8], segments: &mut Vec<Segment>) -> Result<(), &'static str> {
    for field in fields.chunks_exact(24) {
        if field[0] == 0 {
            break;
        }
        let read = |field| number::read(field).and_then(|n| u64::try_from(n).ok()).ok_or("a sparse segment is not a number");
        push(segments, read(&field[..12])?, read(&field[12..])?)?;
    }
    Ok(())
}

/// Checks that the segments are in order, inside the file, and as long together as what is stored.
pub(crate) fn check(segments: &[Segment], size: u64, stored: u64) -> Result<(), &'static str> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for segment in segments {
        if segment.offset < end {
            return Err("the segments of a sparse file overlap or are not in order");
        }
        end = segment.offset.checked_add(segment.length).ok_or("a sparse segment is too large")?;
        sum = sum.checked_add(segment.length).ok_or("a sparse segment is too large")?;
    }
    if end > size {
        return Err("a segment of a sparse file lies behind its end");
    }
    if sum != stored {
        return Err("the segments of a sparse file do not fit what is stored of it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_that_lie_are_refused() {
        let segment = |offset, length| Segment { offset, length };
        assert_eq!(check(&[segment(0, 5), segment(10, 5)], 15, 10), Ok(()));
        assert!(check(&[segment(0, 5), segment(4, 5)], 15, 10).is_err());
        assert!(check(&[segment(10, 5)], 12, 5).is_err());
        assert!(check(&[segment(u64::MAX, 5)], u64::MAX, 5).is_err());
        assert!(check(&[segment(0, 5)], 10, 6).is_err());
    }
}
