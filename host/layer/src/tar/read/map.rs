//! Where the pieces of a sparse file lie.

use super::extensions::Extensions;
use super::{TarReader, broken, field};
use crate::stream::ReadError;
use crate::tar::sparse::{self, Segment};
use crate::tar::{BLOCK, pax};

impl TarReader<'_> {
    /// The size of the file at hand, after its map has been read when it is sparse.
    pub(super) fn sparse_size(
        &mut self,
        block: &[u8; BLOCK],
        extensions: &mut Extensions,
        stored: u64,
        start: u64,
    ) -> Result<u64, ReadError> {
        let (segments, size) = if block[156] == b'S' {
            self.old_map(block, start)?
        } else if let Some(sparse) = &mut extensions.sparse {
            let size = sparse.size.ok_or_else(|| broken(start, "a sparse file has no size"))?;
            match sparse.map_in_content {
                true => (self.map_from_content(start)?, size),
                false => (std::mem::take(&mut sparse.segments), size),
            }
        } else {
            return Ok(stored);
        };
        sparse::check(&segments, size, self.content.left).map_err(|problem| broken(start, problem))?;
        self.content.segments = Some(segments.into_iter().rev().collect());
        Ok(size)
    }

    fn old_map(&mut self, block: &[u8; BLOCK], start: u64) -> Result<(Vec<Segment>, u64), ReadError> {
        let mut segments = Vec::new();
        sparse::read_old(&block[386..482], &mut segments).map_err(|problem| broken(start, problem))?;
        let size = field(&block[483..495]).ok_or_else(|| broken(start, "the size of a sparse file is not a number"))?;
        let mut more = block[482] != 0;
        while more {
            let mut extension = [0; BLOCK];
            self.read_exact(&mut extension, "the map of a sparse file")?;
            sparse::read_old(&extension[..504], &mut segments).map_err(|problem| broken(start, problem))?;
            more = extension[504] != 0;
        }
        Ok((segments, size))
    }

    /// The map of PAX version 1.0: decimal numbers, one a line, padded to a block, before the content.
    fn map_from_content(&mut self, start: u64) -> Result<Vec<Segment>, ReadError> {
        let mut map = MapText { block: [0; BLOCK], position: BLOCK };
        let count = map.number(self, start)?;
        let mut segments = Vec::new();
        for _ in 0..count {
            let offset = map.number(self, start)?;
            let length = map.number(self, start)?;
            sparse::push(&mut segments, offset, length).map_err(|problem| broken(start, problem))?;
        }
        Ok(segments)
    }
}

/// The text of a sparse map that stands before the content.
struct MapText {
    block: [u8; BLOCK],
    position: usize,
}

impl MapText {
    fn number(&mut self, reader: &mut TarReader<'_>, start: u64) -> Result<u64, ReadError> {
        let mut digits = Vec::with_capacity(20);
        loop {
            if self.position == BLOCK {
                let rest = reader.content.left.checked_sub(BLOCK as u64);
                reader.content.left = rest.ok_or_else(|| broken(start, "the map of a sparse file has no end"))?;
                reader.read_exact(&mut self.block, "the map of a sparse file")?;
                self.position = 0;
            }
            let byte = self.block[self.position];
            self.position += 1;
            if byte == b'\n' {
                return pax::number(&digits).ok_or_else(|| broken(start, "the map of a sparse file is not a number"));
            }
            if digits.len() == 20 {
                return Err(broken(start, "the map of a sparse file is not a number"));
            }
            digits.push(byte);
        }
    }
}
