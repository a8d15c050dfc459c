//! What stands for the files that one run of a command has left.
//!
//! A command may leave something else each time it runs, so its key is not enough to build on: steps that were made on top of
//! one outcome and are put on top of another, which another machine or an earlier time has made, are an image that nobody has
//! ever built. What a RUN leaves therefore gets a key of its own, from which those of all later steps follow.
//!
//! That key is made of chance, because it is wanted before the layer has been written. Where `SOURCE_DATE_EPOCH` asks for the
//! same image everywhere it is made of the layer's content, which the next step waits for.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;

use windlass_core::Digest;

use super::session::Session;
use crate::store::{KeyBuilder, StepKey, read_at_most};

/// The file beside the unpacked files that has the key. Whoever takes over the directory takes it over too.
const FILE: &str = "outcome";
/// In bytes: the digits of a key.
const LENGTH: u64 = 64;

/// The key that later steps build on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Continues {
    /// That of the step itself: it makes the same each time.
    Itself,
    /// This one.
    With(StepKey),
    /// The one that the layer's content makes.
    WithContent,
}

impl Continues {
    /// For what the step `key` has left in the directory `root`.
    pub(super) fn of_run(session: &Session, key: &StepKey, root: &Path) -> Self {
        match session.request.source_date_epoch {
            Some(_) => Self::WithContent,
            None => Self::With(noted(root).unwrap_or_else(|| by_chance(session, key))),
        }
    }

    /// The key after the step `key`, whose layer unpacks to `diff_id`; `None` for its own.
    pub(super) fn key(self, key: &StepKey, diff_id: &Digest) -> Option<StepKey> {
        match self {
            Self::Itself => None,
            Self::With(key) => Some(key),
            Self::WithContent => {
                Some(KeyBuilder::new("outcome").field("of", key.as_bytes()).field("is", diff_id.as_str()).finish())
            }
        }
    }
}

/// A key for what the step `key` leaves this time.
fn by_chance(session: &Session, key: &StepKey) -> StepKey {
    // Every hasher is seeded anew: with the process and the time that is as good as never the same twice.
    let chance = RandomState::new().hash_one(session.nonce());
    KeyBuilder::new("outcome").field("of", key.as_bytes()).field("in", session.nonce()).number("chance", chance).finish()
}

/// Notes in the unfinished directory `root` what stands for what the step `key` leaves in it.
pub(super) fn note(session: &Session, key: &StepKey, root: &Path) -> io::Result<()> {
    std::fs::write(root.join(FILE), by_chance(session, key).to_string())
}

/// What was noted; `None` where a layer was unpacked.
fn noted(root: &Path) -> Option<StepKey> {
    let bytes = read_at_most(&root.join(FILE), LENGTH).ok()?;
    StepKey::parse(std::str::from_utf8(&bytes).ok()?)
}
