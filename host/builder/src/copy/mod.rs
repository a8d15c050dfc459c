//! What COPY, ADD and WORKDIR make, as listings of layers.
//!
//! The semantics are those of BuildKit's file operations, to the point: users' Dockerfiles were written against them.
//! [`select`] finds the sources and digests them, which is all that a cache key needs; [`Selection::apply`] then
//! computes the layer on top of a stage. Nothing is written unless there is an archive to be unpacked.

mod account;
mod digest;
mod error;
mod item;
mod owner;
mod pattern;
mod place;
mod request;
mod resolve;
mod select;
mod source;
mod taken;
mod target;
mod unchanged;
mod unpack;
mod workdir;

#[cfg(test)]
mod conformance;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::Finding;
use windlass_layer::{Listing, Snapshot, SnapshotFormat, Timestamp, View};

pub use account::{Account, account};
pub use error::CopyError;
pub use request::Request;
pub use select::{Part, select};
pub(crate) use source::CONTEXT;
pub use source::Source;
pub use taken::Taken;
pub use workdir::workdir;

use crate::context::{Context, ContextError, Pending};
use crate::store::KeyBuilder;
use item::{ItemKind, Pick};
use place::{Attributes, Destination, place};
use unpack::Laid;

/// The sources of an instruction, found and digested.
#[derive(Debug)]
pub struct Selection {
    request: Arc<Request>,
    picks: Vec<Pick>,
    digest: [u8; 32],
}

/// Where a layer goes.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// The files of the stage so far; `None` for one on `scratch` that has none yet.
    pub view: Option<&'a View>,
    /// The stage's working directory, `/` when it has none.
    pub workdir: &'a str,
    /// The time of directories and heredoc files, which have none of their own.
    pub created: Timestamp,
}

/// What an instruction makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The layer, unless archives were unpacked for it.
    pub listing: Listing,
    /// The layer when archives were unpacked for it: all of it is on the disk.
    pub unpacked: Option<Snapshot>,
    /// What the user should know.
    pub warnings: Vec<Finding>,
}

impl Selection {
    /// The digest of the selected inputs: names relative to their sources, kinds, modes, owners, link targets and contents.
    /// Times are no part of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Adds what the outcome depends on, but for the stage, to the key of the step.
    #[must_use]
    pub fn key(&self, builder: KeyBuilder, workdir: &str) -> KeyBuilder {
        self.request.key(builder, workdir).field("inputs", self.digest)
    }

    /// The instruction.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether the layer is computed without a look at what is below it.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.request.stands_alone()
    }

    /// Whether an archive is unpacked, which may take contents of files that are below it.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn has_archives(&self) -> Result<bool, CopyError> {
        for pick in self.picks.iter().filter(|pick| pick.unpacks) {
            if unpack::is_archive(pick)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The layer that the instruction makes. When there are archives to be unpacked, it is made as a snapshot of that format at
    /// the path `snapshot`, where nothing is yet.
    ///
    /// # Errors
    /// When the destination cannot take what is copied, an owner is unknown, or an archive cannot be unpacked.
    pub fn apply(&self, stage: &Stage<'_>, snapshot: &Path, format: SnapshotFormat) -> Result<Copied, CopyError> {
        let lower = if self.request.stands_alone() { None } else { stage.view };
        let mut warnings = Vec::new();
        let owner = self.request.owner.as_deref().map(|text| owner::resolve(text, lower, &mut warnings)).transpose()?;
        let attributes = Attributes { owner, mode: self.request.mode.clone(), created: stage.created };
        let destination = destination(&self.request.destination, stage.workdir);
        let mut laid = Laid::new(lower, snapshot, format);
        for pick in &self.picks {
            if pick.unpacks && unpack::is_archive(pick)? {
                laid.unpack(pick, &destination, &attributes)?;
            } else {
                place(laid.target(), pick, &destination, &attributes)?;
            }
        }
        for pick in self.request.inline_picks(stage.created) {
            place(laid.target(), &pick, &destination, &attributes)?;
        }
        let (listing, unpacked) = laid.finish()?;
        Ok(Copied { listing, unpacked, warnings })
    }

    /// Makes sure that no file of `context` has changed since it was selected. To be called when the layer has been
    /// written and before it is recorded: else the cache could hold a layer that is not what its key says.
    ///
    /// # Errors
    /// When one has.
    pub fn verify(&self, context: &Context) -> Result<(), ContextError> {
        let origins = self.picks.iter().flat_map(|pick| &pick.items).filter_map(|item| match &item.kind {
            ItemKind::File(file) if item.included => file.origin.as_ref(),
            _ => None,
        });
        let files: Vec<Pending<'_>> = origins.map(|origin| Pending { path: &origin.path, state: origin.state }).collect();
        context.verify(&files)
    }

    /// What is selected: paths as they are known where they come from, and what stands for each.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let of = |pick: &Pick| -> Vec<(PathBuf, u64)> {
            let written = crate::store::shown(Path::new(&pick.source));
            let is_pattern = windlass_dockerfile::glob::has_wildcard(&pick.source);
            let base = if is_pattern { written.with_file_name(&pick.name) } else { written };
            let path = |item: &item::Item| match &item.kind {
                ItemKind::File(item::FileItem { origin: Some(origin), .. }) => origin.path.clone(),
                _ if item.path.as_os_str().is_empty() => base.clone(),
                _ => base.join(&item.path),
            };
            pick.items.iter().filter(|item| item.included).map(|item| (path(item), digest::short(item))).collect()
        };
        self.picks.iter().flat_map(of).filter(|(path, _)| !path.as_os_str().is_empty()).collect()
    }

    /// How many objects are selected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.picks.iter().map(|pick| pick.items.iter().filter(|item| item.included).count()).sum()
    }
}

/// The place that an instruction names: below the working directory unless it is absolute. A slash, or a slash and a dot,
/// at its end makes it a directory, and so do the empty path and the dot.
fn destination(text: &str, workdir: &str) -> Destination {
    let is_directory = text.is_empty() || text == "." || text.ends_with('/') || text.ends_with("/.");
    let path: PathBuf = resolve::clean(&Path::new("/").join(workdir).join(text));
    Destination { path, is_directory }
}
