//! File-system layers: the listing of a layer's entries, and all that is done with one.
//!
//! | verb | from | to |
//! |---|---|---|
//! | [`write_layer`], [`write_changes`] | listing, what is read off a snapshot | compressed blob with its digests |
//! | [`recompress`] | compressed blob | the same, compressed otherwise |
//! | [`unpack`] | compressed blob | snapshot: a directory in the overlay's form |
//! | [`list`] | compressed blob | listing without contents |
//! | [`materialise`], [`materialise_each`] | listing, entries that are made one by one | snapshot |
//! | [`unpack_archive`] | any archive, for ADD | snapshot |
//! | [`diff`] | snapshot that a RUN has written | what it changes, entry by entry |
//! | [`contents`] | snapshot | all that is in it, entry by entry |
//! | [`flatten`], [`changes`] | view, directory | one directory, and the listing of what a RUN has changed in it |
//! | [`write_outline`], [`read_outline`] | entries | the same without contents, in a blob and back |
//! | [`merge`] | listings of layers on one another | the listing of one layer in their place |
//! | [`settle`] | snapshot that a process with one id has written | the same, with the owners that were meant |
//! | [`View`] | layers, on disk or listed | the merged tree, read without a mount and walked entry by entry |
//!
//! All of it is synchronous; what takes long runs on a few threads of its own and in constant memory.

mod archive;
mod beneath;
mod blob;
mod changes;
mod diff;
mod entry;
mod merge;
mod names;
mod outline;
mod path;
mod snapshot;
mod stream;
mod tar;
#[cfg(test)]
mod testing;
mod text;
mod unpack;
mod view;

pub use archive::{Addition, ArchiveError, is_archive, unpack_archive};
pub use blob::{Compression, LayerBlob, LayerOptions, WriteError, recompress, write_changes, write_layer};
pub use changes::{Metadata, changes, flatten};
pub use diff::{Changes, DiffError, contents, diff, same_content};
pub use entry::{Content, Entry, EntryKind, Listing, Timestamp};
pub use merge::{has_removals, merge, settle_removals};
pub use names::Names;
pub use outline::{LARGEST_OUTLINE, read_outline, write_outline};
pub use snapshot::{
    OWNER_MARK, OverlayXattrs, Owners, Ownership, Recorded, RecordedDevice, Snapshot, SnapshotError, SnapshotFormat, Wanted,
    materialise, materialise_each, settle,
};
pub use stream::{Limits, ReadError};
pub use unpack::{UnpackError, UnpackOptions, Unpacked, adopt, diff_id, list, unpack};
pub use view::{Layer, Resolved, View, ViewError, Walk, Walked};
