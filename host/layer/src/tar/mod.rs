//! The tar format: POSIX.1-2024 `pax`, with what GNU tar and old archives add to it.

pub(crate) mod header;
pub(crate) mod number;
pub(crate) mod pax;
pub(crate) mod read;
pub(crate) mod sparse;
pub(crate) mod write;

/// The size that everything in an archive is padded to.
pub(crate) const BLOCK: usize = 512;

/// The zero bytes after `size` bytes of content.
pub(crate) fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// The prefix of a name that removes what a lower layer has (OCI image specification, "Whiteouts").
pub(crate) const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name that hides all that lower layers have in a directory.
pub(crate) const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// The prefix of names that are some storage driver's own business.
pub(crate) const WHITEOUT_META_PREFIX: &[u8] = b".wh..wh.";

/// The prefix of PAX records that hold extended attributes.
pub(crate) const XATTR_RECORD: &[u8] = b"SCHILY.xattr.";
