//! ADD of archives.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use windlass_layer::{Content, EntryKind, Layer, Limits, View};

use super::CopyError;
use super::error::absolute;
use super::item::{ItemKind, Pick};
use super::place::{Attributes, Destination};
use super::target::{Owner, Target};

/// The directory for the contents of archives, one part of it for each.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    directory: &'a Path,
    count: usize,
}

impl<'a> Staging<'a> {
    pub(super) fn new(directory: &'a Path) -> Self {
        Self { directory, count: 0 }
    }

    fn next(&mut self) -> io::Result<PathBuf> {
        let path = self.directory.join(format!("archive-{}", self.count));
        self.count += 1;
        std::fs::create_dir(&path)?;
        Ok(path)
    }
}

/// Unpacks what has been picked, if it is an archive. The destination is a directory then, whatever it is written like.
pub(super) fn unpack(
    target: &mut Target<'_>,
    pick: &Pick,
    destination: &Destination,
    attributes: &Attributes,
    staging: &mut Staging<'_>,
) -> Result<bool, CopyError> {
    let Some(ItemKind::File(file)) = pick.items.first().map(|item| &item.kind) else { return Ok(false) };
    let failed = |source| CopyError::Read { place: "the sources", path: PathBuf::from(&pick.source), source };
    if !windlass_layer::is_archive(open(&file.content, pick)?) {
        return Ok(false);
    }
    let place = target.resolve(&destination.path)?;
    target.make_directories(&place, &attributes.plain_parents())?;
    let directory = staging.next().map_err(failed)?;
    let base = target.view();
    let stream = open(&file.content, pick)?;
    let listing = windlass_layer::unpack_archive(stream, &directory, &place, &base, Limits::default())
        .map_err(|source| CopyError::Archive { source_path: pick.source.clone(), source })?;
    for mut entry in listing {
        if matches!(entry.kind, EntryKind::Whiteout) {
            target.remove(&entry.path)?;
            continue;
        }
        if let Some(Owner { uid, gid }) = attributes.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        target.replace(entry)?;
    }
    Ok(true)
}

fn open(content: &Content, pick: &Pick) -> Result<Box<dyn Read + Send>, CopyError> {
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

/// The stage with the new layer on it.
pub(super) fn stack(lower: Option<&View>, entries: Vec<windlass_layer::Entry>) -> View {
    let base = lower.cloned().unwrap_or_else(View::empty);
    if entries.is_empty() { base } else { base.with(Layer::listing(entries)) }
}
