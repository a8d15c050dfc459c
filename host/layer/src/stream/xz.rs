//! The `.xz` container (version 1.2.1 of its specification) around LZMA2, read in constant memory: the dictionary's
//! size has a limit, and neither blocks, streams nor index records are kept.

use std::io::{self, BufRead, Read};

use lzma_rust2::Lzma2Reader;
use sha2::{Digest as _, Sha256};

/// The largest dictionary; `xz -9` asks for half of it.
const LARGEST_DICTIONARY: u32 = 128 << 20;
const HEADER_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const LZMA2_FILTER: u64 = 0x21;

/// A decompressor.
pub(crate) struct XzDecoder<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    /// Before a stream's header; `first` is false when another stream has ended before.
    Stream { source: Counting<R>, first: bool },
    /// Before a block or the index.
    Block { source: Counting<R>, check: u8, blocks: u64 },
    /// Inside a block.
    Data { reader: Box<Lzma2Reader<Counting<R>>>, start: u64, sum: Check, check: u8, blocks: u64 },
    /// After the last stream, or after an error.
    End,
}

fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

impl<R: BufRead> XzDecoder<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { state: State::Stream { source: Counting { inner: source, count: 0 }, first: true } }
    }
}

impl<R: BufRead> Read for XzDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Stream { source, first } => self.state = next_stream(source, first)?,
                State::Block { source, check, blocks } => self.state = next_block(source, check, blocks)?,
                State::Data { mut reader, start, mut sum, check, blocks } => {
                    let count = reader.read(buffer)?;
                    if count > 0 {
                        sum.update(&buffer[..count]);
                        self.state = State::Data { reader, start, sum, check, blocks };
                        return Ok(count);
                    }
                    let mut source = reader.into_inner();
                    source.skip_padding(start)?;
                    sum.verify(&mut source)?;
                    self.state = State::Block { source, check, blocks: blocks + 1 };
                }
            }
        }
    }
}

fn next_stream<R: BufRead>(mut source: Counting<R>, first: bool) -> io::Result<State<R>> {
    if !first && source.skip_stream_padding()? {
        return Ok(State::End);
    }
    let header: [u8; 12] = source.array()?;
    if header[..6] != HEADER_MAGIC || header[6] != 0 || header[7] > 15 {
        return Err(invalid("not an xz stream header"));
    }
    check_crc32(&header[6..8], &header[8..12])?;
    Ok(State::Block { source, check: header[7], blocks: 0 })
}

fn next_block<R: BufRead>(mut source: Counting<R>, check: u8, blocks: u64) -> io::Result<State<R>> {
    let [size] = source.array()?;
    if size == 0 {
        read_index(&mut source, blocks)?;
        read_footer(&mut source, check)?;
        return Ok(State::Stream { source, first: false });
    }
    let mut header = vec![0; (usize::from(size) + 1) * 4];
    header[0] = size;
    source.read_exact(&mut header[1..])?;
    let dictionary = dictionary_size(&header)?;
    let start = source.count;
    let reader = Box::new(Lzma2Reader::new(source, dictionary, None));
    Ok(State::Data { reader, start, sum: Check::new(check), check, blocks })
}

/// Reads a block header; what it tells of sizes is not needed.
fn dictionary_size(header: &[u8]) -> io::Result<u32> {
    let (header, crc) = header.split_at(header.len() - 4);
    check_crc32(header, crc)?;
    let flags = header[1];
    if flags & 0x3c != 0 {
        return Err(invalid("an xz block has flags that are not known"));
    }
    let mut rest = &header[2..];
    for present in [flags & 0x40, flags & 0x80] {
        if present != 0 {
            variable_integer(&mut rest)?;
        }
    }
    let filter = variable_integer(&mut rest)?;
    if flags & 3 != 0 || filter != LZMA2_FILTER {
        return Err(invalid(format!("the xz filter {filter:#x} is not supported, only LZMA2 alone is")));
    }
    match (variable_integer(&mut rest)?, rest.first()) {
        (1, Some(&property @ 0..=40)) => limit_dictionary(property),
        _ => Err(invalid("an xz block has broken LZMA2 properties")),
    }
}

fn limit_dictionary(property: u8) -> io::Result<u32> {
    let size = if property == 40 { u64::from(u32::MAX) } else { u64::from(2 | (property & 1)) << (property / 2 + 11) };
    match u32::try_from(size) {
        Ok(size) if size <= LARGEST_DICTIONARY => Ok(size),
        _ => {
            Err(invalid(format!("the xz stream asks for a dictionary of {size} bytes, at most {LARGEST_DICTIONARY} are allowed")))
        }
    }
}

/// Reads the index after its first byte; its records must be as many as the blocks were.
fn read_index<R: BufRead>(source: &mut Counting<R>, blocks: u64) -> io::Result<()> {
    let start = source.count - 1;
    let mut crc = libdeflater::Crc::new();
    crc.update(&[0]);
    if source.variable_integer(&mut crc)? != blocks {
        return Err(invalid("the xz index does not fit its blocks"));
    }
    for _ in 0..blocks {
        source.variable_integer(&mut crc)?;
        source.variable_integer(&mut crc)?;
    }
    while !(source.count - start).is_multiple_of(4) {
        let [padding] = source.array()?;
        crc.update(&[padding]);
    }
    let sum: [u8; 4] = source.array()?;
    if crc.sum() == u32::from_le_bytes(sum) { Ok(()) } else { Err(invalid("the xz index has a wrong checksum")) }
}

fn read_footer<R: BufRead>(source: &mut Counting<R>, check: u8) -> io::Result<()> {
    let footer: [u8; 12] = source.array()?;
    if &footer[10..] != b"YZ" || footer[8..10] != [0, check] {
        return Err(invalid("not an xz stream footer"));
    }
    check_crc32(&footer[4..10], &footer[..4])
}

fn check_crc32(bytes: &[u8], expected: &[u8]) -> io::Result<()> {
    if libdeflater::crc32(bytes).to_le_bytes() == expected { Ok(()) } else { Err(invalid("an xz header has a wrong checksum")) }
}

fn variable_integer(rest: &mut &[u8]) -> io::Result<u64> {
    let mut value = 0;
    for shift in 0..9 {
        let (&byte, after) = rest.split_first().ok_or_else(|| invalid("an xz header is too short"))?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << (shift * 7);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(invalid("a number of an xz header is too long"))
}

/// The checksum over a block's content.
enum Check {
    Crc32(libdeflater::Crc),
    Crc64(u64),
    Sha256(Box<Sha256>),
    /// One that is not known, of so many bytes.
    Unverified(usize),
}

impl Check {
    fn new(kind: u8) -> Self {
        match kind {
            1 => Self::Crc32(libdeflater::Crc::new()),
            4 => Self::Crc64(!0),
            10 => Self::Sha256(Box::new(Sha256::new())),
            0 => Self::Unverified(0),
            other => Self::Unverified(4 << ((other - 1) / 3)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(crc) => crc.update(bytes),
            Self::Crc64(crc) => {
                for byte in bytes {
                    *crc = CRC64[usize::from(*crc as u8 ^ byte)] ^ (*crc >> 8);
                }
            }
            Self::Sha256(hash) => hash.update(bytes),
            Self::Unverified(_) => {}
        }
    }

    fn verify(self, source: &mut impl Read) -> io::Result<()> {
        let expected = match self {
            Self::Crc32(crc) => crc.sum().to_le_bytes().to_vec(),
            Self::Crc64(crc) => (!crc).to_le_bytes().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Unverified(size) => return source.read_exact(&mut vec![0; size]),
        };
        let mut found = vec![0; expected.len()];
        source.read_exact(&mut found)?;
        if found == expected { Ok(()) } else { Err(invalid("an xz block has a wrong checksum")) }
    }
}

/// The table of CRC-64/XZ (ECMA-182, reflected).
const CRC64: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xc96c_5795_d787_0f42 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// Counts what is read, for paddings.
struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> Counting<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn variable_integer(&mut self, crc: &mut libdeflater::Crc) -> io::Result<u64> {
        let mut bytes = Vec::with_capacity(9);
        loop {
            let [byte] = self.array()?;
            bytes.push(byte);
            if byte & 0x80 == 0 || bytes.len() == 9 {
                break;
            }
        }
        crc.update(&bytes);
        variable_integer(&mut bytes.as_slice())
    }

    /// Skips what brings the bytes since `start` to a multiple of four.
    fn skip_padding(&mut self, start: u64) -> io::Result<()> {
        while !(self.count - start).is_multiple_of(4) {
            if self.array()? != [0] {
                return Err(invalid("an xz block has a broken padding"));
            }
        }
        Ok(())
    }

    /// Skips zeros between streams; true at the end of everything.
    fn skip_stream_padding(&mut self) -> io::Result<bool> {
        loop {
            match self.inner.fill_buf()? {
                [] => return Ok(true),
                [0, ..] => self.inner.consume(1),
                _ => return Ok(false),
            }
        }
    }
}

impl<R: BufRead> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A well-formed stream header and a block header that claims a dictionary of 4 GiB.
    #[test]
    fn a_huge_dictionary_is_refused_before_it_is_made() {
        let mut stream = HEADER_MAGIC.to_vec();
        stream.extend_from_slice(&[0, 0]);
        stream.extend_from_slice(&libdeflater::crc32(&[0, 0]).to_le_bytes());
        let block = [2, 0, 0x21, 1, 40, 0, 0, 0];
        stream.extend_from_slice(&block);
        stream.extend_from_slice(&libdeflater::crc32(&block).to_le_bytes());
        let error = XzDecoder::new(stream.as_slice()).read(&mut [0; 10]).unwrap_err();
        assert!(error.to_string().contains("dictionary of 4294967295 bytes"), "{error}");
    }

    #[test]
    fn a_million_empty_streams_need_no_stack() {
        let mut empty = HEADER_MAGIC.to_vec();
        empty.extend_from_slice(&[0, 0]);
        empty.extend_from_slice(&libdeflater::crc32(&[0, 0]).to_le_bytes());
        let index = [0, 0, 0, 0];
        empty.extend_from_slice(&index);
        empty.extend_from_slice(&libdeflater::crc32(&index).to_le_bytes());
        let tail = [1, 0, 0, 0, 0, 0];
        empty.extend_from_slice(&libdeflater::crc32(&tail).to_le_bytes());
        empty.extend_from_slice(&tail);
        empty.extend_from_slice(b"YZ");
        let many = empty.repeat(1_000_000);
        assert_eq!(XzDecoder::new(many.as_slice()).read(&mut [0; 10]).unwrap(), 0);
    }
}
