//! ADD of archives.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use windlass_layer::{Addition, Content, Layer, Limits, Listing, Snapshot, SnapshotError, SnapshotFormat, View, materialise};

use super::CopyError;
use super::error::absolute;
use super::item::{ItemKind, Pick};
use super::place::{Attributes, Destination};
use super::target::{Owner, Target};

/// A layer in the making: a listing, and once an archive has been unpacked for it, a snapshot with all that came before.
#[derive(Debug)]
pub(super) struct Laid<'a> {
    lower: View,
    target: Target,
    root: &'a Path,
    format: SnapshotFormat,
    snapshot: Option<Snapshot>,
}

impl<'a> Laid<'a> {
    /// A layer on top of `lower`; archives make it a snapshot at `root`.
    pub(super) fn new(lower: Option<&'a View>, root: &'a Path, format: SnapshotFormat) -> Self {
        let lower = lower.cloned().unwrap_or_default();
        Self { target: Target::new(Some(lower.clone())), lower, root, format, snapshot: None }
    }

    /// What takes further sources.
    pub(super) fn target(&mut self) -> &mut Target {
        &mut self.target
    }

    /// Unpacks what has been picked. The destination is a directory then, whatever it is written like.
    pub(super) fn unpack(&mut self, pick: &Pick, destination: &Destination, attributes: &Attributes) -> Result<(), CopyError> {
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
        if let Some(stream) = open(pick)? {
            windlass_layer::unpack_archive(stream, &snapshot, &addition)
                .map_err(|source| CopyError::Archive { source_path: pick.source.clone(), source })?;
        }
        let layer = Layer::directory(&snapshot)?;
        self.target = Target::new(Some(self.lower.with(layer)));
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// The layer: a listing, or a snapshot and nothing in the listing.
    pub(super) fn finish(mut self) -> Result<(Listing, Option<Snapshot>), CopyError> {
        if self.snapshot.is_none() {
            return Ok((self.target.into_changes()?, None));
        }
        Ok((Listing::new(), Some(self.flushed()?)))
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

/// Whether what has been picked is an archive.
pub(super) fn is_archive(pick: &Pick) -> Result<bool, CopyError> {
    Ok(open(pick)?.is_some_and(windlass_layer::is_archive))
}

/// The content of a file that has been picked; nothing for anything else.
fn open(pick: &Pick) -> Result<Option<Box<dyn Read + Send>>, CopyError> {
    let Some(ItemKind::File(file)) = pick.items.first().map(|item| &item.kind) else { return Ok(None) };
    match &file.content {
        Content::Inline(bytes) => Ok(Some(Box::new(Cursor::new(bytes.clone())))),
        Content::Absent => Err(CopyError::NotUnpacked { path: absolute(Path::new(&pick.source)) }),
        Content::File(path) => {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
            let file = File::options().read(true).custom_flags(flags).open(path);
            let path = PathBuf::from(&pick.source);
            let file = file.map_err(|source| CopyError::Read { place: "the sources", path, source })?;
            Ok(Some(Box::new(io::BufReader::with_capacity(64 * 1024, file))))
        }
    }
}
