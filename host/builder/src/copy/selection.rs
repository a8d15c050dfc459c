//! What an instruction takes, and the layer that it makes of that.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Listing, SnapshotFormat, View};

use super::item::{FileItem, Item, ItemKind, Origin, Pick, Record};
use super::place::{Attributes, Destination, Placing};
use super::records::{Reader, Records};
use super::unpack::{self, Laid};
use super::{Copied, CopiedLayer, CopyError, Request, Stage, Streamed, digest, owner, resolve};
use crate::context::Context;
use crate::store::KeyBuilder;

/// The sources of an instruction, found and digested.
#[derive(Debug)]
pub struct Selection {
    pub(super) request: Arc<Request>,
    /// What was found in one place each.
    pub(super) groups: Vec<Records>,
    pub(super) digest: [u8; 32],
    pub(super) count: usize,
    /// How many sources the patterns have found.
    pub(super) sources: usize,
    /// How many entries a layer may have that is kept in memory.
    pub(super) most: usize,
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

    /// Whether the layer is put together in a directory, which may take contents of files that are below it.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn is_unpacked(&self) -> Result<bool, CopyError> {
        let is_split = self.is_large() && self.only_source().is_none();
        if is_split || !self.request.unpacks && !self.request.unpacks_remotes {
            return Ok(is_split);
        }
        let mut has_archives = false;
        self.each(&mut |pick, item, is_first| {
            has_archives = has_archives || is_first && unpack::archive(pick, item)?.is_some();
            Ok(())
        })?;
        Ok(has_archives)
    }

    fn is_large(&self) -> bool {
        self.count > self.most
    }

    /// The file that has the records of a large selection, where that has one source.
    fn only_source(&self) -> Option<&Arc<File>> {
        let [group] = &self.groups[..] else { return None };
        group.file().filter(|_| self.is_large() && self.sources == 1 && self.request.files.is_empty())
    }

    /// Hands over every item with its source, and whether it is the source itself.
    fn each(&self, take: &mut dyn FnMut(&Pick, &Item, bool) -> Result<(), CopyError>) -> Result<(), CopyError> {
        for group in &self.groups {
            let (mut reader, mut pick, mut is_first) = (group.reader()?, None, true);
            while let Some(record) = reader.next()? {
                match record {
                    Cow::Borrowed(Record::Pick(next)) => (pick, is_first) = (Some(Cow::Borrowed(next)), true),
                    Cow::Owned(Record::Pick(next)) => (pick, is_first) = (Some(Cow::Owned(next)), true),
                    record => {
                        if let (Record::Item(item), Some(pick)) = (&*record, &pick) {
                            take(pick, item, is_first)?;
                            is_first = false;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The layer that the instruction makes. Where it is unpacked, it is made as a snapshot of that format at the path `snapshot`,
    /// where nothing is yet.
    ///
    /// # Errors
    /// When the destination cannot take what is copied, an owner is unknown, or an archive cannot be unpacked.
    pub fn apply(&self, stage: &Stage<'_>, snapshot: &Path, format: SnapshotFormat) -> Result<Copied, CopyError> {
        let lower = if self.request.stands_alone() { None } else { stage.view };
        let mut warnings = Vec::new();
        let owner = self.request.owner.as_deref().map(|text| owner::resolve(text, lower, &mut warnings)).transpose()?;
        let attributes = Attributes { owner, mode: self.request.mode.clone(), created: stage.created };
        let destination = destination(&self.request.destination, stage.workdir);
        let layer = match self.only_source() {
            Some(file) if !self.is_unpacked()? => stream(file, lower, &destination, &attributes)?,
            _ => self.lay(Laid::new(lower, snapshot, format, self.is_large().then_some(self.most)), &destination, &attributes)?,
        };
        Ok(Copied { layer, warnings })
    }

    /// The layer of sources that may take each other's place.
    fn lay(&self, mut laid: Laid<'_>, destination: &Destination, attributes: &Attributes) -> Result<CopiedLayer, CopyError> {
        let mut placing: Option<Placing> = None;
        let mut take = |pick: &Pick, item: &Item, is_first: bool| {
            if is_first {
                if let Some(archive) = unpack::archive(pick, item)? {
                    return laid.unpack(archive, destination, attributes);
                }
                placing = Some(Placing::begin(laid.target(), pick.clone(), item, destination, attributes.clone())?);
            }
            if let Some(placing) = &mut placing {
                placing.take(laid.target(), item)?;
            }
            laid.spill()
        };
        self.each(&mut take)?;
        self.request.heredocs(attributes.created).try_for_each(|(pick, item)| take(&pick, &item, true))?;
        laid.finish()
    }

    /// Makes sure that no file of `context` has changed since it was selected. To be called when the layer has been
    /// written and before it is recorded: else the cache could hold a layer that is not what its key says.
    ///
    /// # Errors
    /// When one has.
    pub fn verify(&self, context: &Context) -> Result<(), CopyError> {
        let mut verifier = context.verifier();
        self.each(&mut |pick, item, _| match &item.kind {
            ItemKind::File(FileItem { origin: Origin::Context(state), .. }) if !pick.is_settled => {
                Ok(verifier.verify(&pick.path_of(item), state)?)
            }
            _ => Ok(()),
        })
    }

    /// What is selected: paths as they are known where they come from, and what stands for each.
    ///
    /// # Errors
    /// When what was selected cannot be read again.
    pub fn files(&self, take: &mut dyn FnMut(PathBuf, u64)) -> Result<(), CopyError> {
        self.each(&mut |pick, item, _| {
            let is_context =
                matches!(&item.kind, ItemKind::File(FileItem { origin: Origin::Context(_), .. }) if !pick.is_settled);
            let path = if is_context { pick.path_of(item) } else { path_written(pick, item) };
            if item.included && !path.as_os_str().is_empty() {
                take(path, digest::short(item));
            }
            Ok(())
        })
    }

    /// How many objects are selected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// The layer of one large source, of which nothing is kept. It is made twice: what is wrong with it is to be known now.
fn stream(
    file: &Arc<File>,
    lower: Option<&View>,
    destination: &Destination,
    attributes: &Attributes,
) -> Result<CopiedLayer, CopyError> {
    let stream = || {
        let lower = lower.cloned().unwrap_or_default();
        Streamed::new(Reader::file(file), lower, destination.clone(), attributes.clone())
    };
    let mut is_empty = true;
    for entry in stream()?.into_iter().flatten() {
        entry?;
        is_empty = false;
    }
    let stream = stream()?.filter(|_| !is_empty);
    Ok(stream.map_or_else(|| CopiedLayer::Listed(Listing::new()), |stream| CopiedLayer::Streamed(Box::new(stream))))
}

/// The path of an item below its source as the instruction names it.
fn path_written(pick: &Pick, item: &Item) -> PathBuf {
    let written = crate::store::shown(Path::new(&pick.source));
    let is_pattern = windlass_dockerfile::glob::has_wildcard(&pick.source);
    let base = if is_pattern { written.with_file_name(&pick.name) } else { written };
    if item.path.as_os_str().is_empty() { base } else { base.join(&item.path) }
}

/// The place that an instruction names: below the working directory unless it is absolute. A slash, or a slash and a dot,
/// at its end makes it a directory, and so do the empty path and the dot.
fn destination(text: &str, workdir: &str) -> Destination {
    let is_directory = text.is_empty() || text == "." || text.ends_with('/') || text.ends_with("/.");
    let path: PathBuf = resolve::clean(&Path::new("/").join(workdir).join(text));
    Destination { path, is_directory }
}
