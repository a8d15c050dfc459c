//! Compression of one block, independent of all others.

use std::io;

use libdeflater::{CompressionLvl, Compressor, Crc};

use super::blocks::Block;
use super::noise;

/// The head of a gzip member: no name and no time, made by the fastest method (RFC 1952, section 2.3).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff];
/// The most that a block which is stored as it is may have, in bytes (RFC 1951, section 3.2.4).
const LARGEST_STORED: usize = 65_535;

/// How a layer blob is compressed.
///
/// Every block of 1 MiB becomes a gzip member (RFC 1952, section 2.2) or a zstd frame (RFC 8878, section 3.1) of its own; both
/// formats let any number of them follow one another. Parts of a block that gzip would not make smaller are stored as they are,
/// in members of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar stream.
    None,
    /// gzip at a level from 1 (fast) to 12 (small); what lies outside is brought to the nearest.
    Gzip {
        /// The level.
        level: u8,
    },
    /// zstd at a level from 1 (fast) to 19 (small); what lies outside is brought to the nearest.
    Zstd {
        /// The level.
        level: u8,
    },
}

impl Default for Compression {
    /// gzip at level 1, which every registry and runtime takes.
    fn default() -> Self {
        Self::Gzip { level: 1 }
    }
}

impl Compression {
    /// The media type of a layer so compressed (OCI image specification, "Image layer filesystem changeset").
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip { .. } => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd { .. } => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A compressor that is used for many blocks by one thread.
pub(crate) enum BlockCompressor {
    None,
    Gzip(Box<Compressor>),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl BlockCompressor {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Gzip { level } => {
                let level = CompressionLvl::new(i32::from(level.clamp(1, 12)));
                Self::Gzip(Box::new(Compressor::new(level.unwrap_or_default())))
            }
            Compression::Zstd { level } => Self::Zstd(Box::new(zstd::bulk::Compressor::new(i32::from(level.clamp(1, 19)))?)),
        })
    }

    /// Compresses a block's input into its output; without compression the output stays empty.
    pub(crate) fn compress(&mut self, block: &mut Block) -> io::Result<()> {
        let mut output = std::mem::take(&mut block.output);
        output.clear();
        match self {
            Self::None => {}
            Self::Gzip(compressor) => gzip(compressor, block.input(), &mut output)?,
            Self::Zstd(compressor) => {
                output.reserve(zstd::zstd_safe::compress_bound(block.input().len()));
                compressor.compress_to_buffer(block.input(), &mut output)?;
            }
        }
        block.output = output;
        Ok(())
    }
}

/// Appends the gzip members of a block.
fn gzip(compressor: &mut Compressor, block: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let mut tried = Vec::new();
    let runs = noise::runs(block, |part| {
        tried.clear();
        member(compressor, part, &mut tried)?;
        Ok(tried.len() >= part.len())
    })?;
    for run in runs {
        if run.is_noise {
            stored(run.bytes, output);
        } else {
            member(compressor, run.bytes, output)?;
        }
    }
    Ok(())
}

fn member(compressor: &mut Compressor, bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let start = output.len();
    output.resize(start + compressor.gzip_compress_bound(bytes.len()), 0);
    let size = compressor
        .gzip_compress(bytes, &mut output[start..])
        .map_err(|_| io::Error::other("the gzip compressor ran out of room that it had asked for"))?;
    output.truncate(start + size);
    Ok(())
}

/// A member that holds its bytes as they are.
fn stored(bytes: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(&HEAD);
    let mut blocks = bytes.chunks(LARGEST_STORED).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        output.push(u8::from(blocks.peek().is_none()));
        output.extend_from_slice(&length.to_le_bytes());
        output.extend_from_slice(&(!length).to_le_bytes());
        output.extend_from_slice(block);
    }
    let mut sum = Crc::new();
    sum.update(bytes);
    output.extend_from_slice(&sum.sum().to_le_bytes());
    output.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
}
