//! Compression of one block, independent of all others.

use std::io;

use libdeflater::{CompressionLvl, Compressor};

use super::blocks::Block;

/// How a layer blob is compressed.
///
/// Every block of 1 MiB becomes a gzip member (RFC 1952, section 2.2) or a zstd frame (RFC 8878, section 3.1) of its own; both
/// formats let any number of them follow one another.
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
            Self::Gzip(compressor) => {
                output.resize(compressor.gzip_compress_bound(block.input().len()), 0);
                let size = compressor
                    .gzip_compress(block.input(), &mut output)
                    .map_err(|_| io::Error::other("the gzip compressor ran out of room that it had asked for"))?;
                output.truncate(size);
            }
            Self::Zstd(compressor) => {
                output.reserve(zstd::zstd_safe::compress_bound(block.input().len()));
                compressor.compress_to_buffer(block.input(), &mut output)?;
            }
        }
        block.output = output;
        Ok(())
    }
}
