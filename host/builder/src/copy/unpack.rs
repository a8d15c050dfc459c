//! ADD of archives.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use windlass_layer::{Addition, Content, Layer, Limits, Snapshot, SnapshotError, SnapshotFormat, View, materialise};

use super::error::absolute;
use super::item::{Item, ItemKind, Pick};
use super::place::{Attributes, Destination};
use super::target::{Owner, Target};
use super::{CopiedLayer, CopyError};

/// A layer in the making: a listing; once an archive has been unpacked for it, or the listing is large, a snapshot with all that
/// came before.
#[derive(Debug)]
pub(super) struct Laid<'a> {
    lower: View,
    target: Target,
    root: &'a Path,
    format: SnapshotFormat,
    snapshot: Option<Snapshot>,
    /// How many entries the listing may have, when there are more in all.
    most: Option<usize>,
}

impl<'a> Laid<'a> {
    /// A layer on top of `lower`; archives, and more than `most` entries, make it a snapshot at `root`.
    pub(super) fn new(lower: Option<&'a View>, root: &'a Path, format: SnapshotFormat, most: Option<usize>) -> Self {
        let lower = lower.cloned().unwrap_or_default();
        Self { target: Target::new(Some(lower.clone())), lower, root, format, snapshot: None, most }
    }

    /// What takes further sources.
    pub(super) fn target(&mut self) -> &mut Target {
        &mut self.target
    }

    /// Keeps the listing small: to be called after each object.
    pub(super) fn spill(&mut self) -> Result<(), CopyError> {
        if self.most.is_none_or(|most| self.target.len() <= most) {
            return Ok(());
        }
        let snapshot = self.flushed()?;
        self.go_on_above(snapshot)
    }

    /// Unpacks an archive. The destination is a directory then, whatever it is written like.
    pub(super) fn unpack(
        &mut self,
        archive: Archive<'_>,
        destination: &Destination,
        attributes: &Attributes,
    ) -> Result<(), CopyError> {
        let place = self.target.resolve(&destination.path)?;
        self.target.make_directories(&place, &attributes.plain_parents())?;
        let snapshot = self.flushed()?;
        let addition = Addition {
            destination: &place,
            lower: Some(&self.lower),
            owner: attributes.owner.map(|Owner { uid, gid }| (uid, gid)),
            refuses_devices: false,
            limits: Limits::default(),
        };
        windlass_layer::unpack_archive(archive.stream, &snapshot, &addition)
            .map_err(|source| CopyError::Archive { source_path: archive.name.to_owned(), source })?;
        self.go_on_above(snapshot)
    }

    fn go_on_above(&mut self, snapshot: Snapshot) -> Result<(), CopyError> {
        let layer = Layer::directory(&snapshot)?;
        self.target = Target::new(Some(self.lower.with(layer)));
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// The layer: a listing, or a snapshot.
    pub(super) fn finish(mut self) -> Result<CopiedLayer, CopyError> {
        if self.snapshot.is_none() {
            return Ok(CopiedLayer::Listed(self.target.into_changes()?));
        }
        Ok(CopiedLayer::Unpacked(self.flushed()?))
    }

    /// The snapshot with what the target has taken.
    fn flushed(&mut self) -> Result<Snapshot, SnapshotError> {
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => Snapshot::create(self.root, self.format)?,
        };
        let entries = std::mem::replace(&mut self.target, Target::new(None)).into_listing();
        materialise(&entries, &snapshot, Some(&self.lower))?;
        Ok(snapshot)
    }
}

/// An archive that is copied from.
pub(super) struct Archive<'p> {
    /// As the instruction names it.
    name: &'p str,
    stream: Box<dyn Read + Send>,
}

/// The first object of a source as an archive, if it is one and is to be unpacked.
pub(super) fn archive<'p>(pick: &'p Pick, first: &Item) -> Result<Option<Archive<'p>>, CopyError> {
    let ItemKind::File(file) = &first.kind else { return Ok(None) };
    let content = pick.content(first, file);
    if !pick.unpacks || !windlass_layer::is_archive(open(pick, &content)?) {
        return Ok(None);
    }
    Ok(Some(Archive { name: &pick.source, stream: open(pick, &content)? }))
}

fn open(pick: &Pick, content: &Content) -> Result<Box<dyn Read + Send>, CopyError> {
    match content {
        Content::Inline(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
        Content::Absent => Err(CopyError::NotUnpacked { path: absolute(Path::new(&pick.source)) }),
        Content::File(path) => {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
            let file = File::options().read(true).custom_flags(flags).open(path);
            let path = PathBuf::from(&pick.source);
            let file = file.map_err(|source| CopyError::Read { place: "the sources", path, source })?;
            Ok(Box::new(io::BufReader::with_capacity(64 * 1024, file)))
        }
    }
}
