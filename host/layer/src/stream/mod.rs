//! Compressed streams as a source of uncompressed bytes, with limits and the digest of what comes out.

mod buffer;
mod chunks;
mod decode;
mod xz;

pub(crate) use chunks::{Chunks, with_uncompressed};
pub(crate) use decode::Decoder;

/// How much a stream may hold. What lies above ends in an error, before it is written anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after decompression, and bytes of all files together with the holes of sparse ones.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes after decompression for each byte before it, looked at once 64 MiB have come out.
    pub ratio: u64,
}

impl Default for Limits {
    /// 256 GiB, 4,000,000 entries, and 1,100 times: deflate cannot go above 1,032, so a file of zeros passes in a gzip layer.
    fn default() -> Self {
        Self { bytes: 256 << 30, entries: 4_000_000, ratio: 1_100 }
    }
}

/// Why a stream or the archive in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream ended in an error: the source's own, or the decompressor's.
    #[error("cannot read the {format} stream")]
    Stream {
        /// What the stream is.
        format: &'static str,
        /// What was said.
        source: std::io::Error,
    },
    /// A limit was passed.
    #[error("the archive is larger than allowed: it has more than {limit} {what}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// How much was allowed.
        limit: u64,
    },
    /// The stream ends in the middle of something.
    #[error("the archive is cut off after {offset} bytes, in the middle of {what}")]
    Truncated {
        /// Where, in bytes of the uncompressed stream.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
    /// A header that is against the format, or of a kind that is not supported.
    #[error("the archive's header at byte {offset} is broken: {problem}")]
    Header {
        /// Where, in bytes of the uncompressed stream.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
}
