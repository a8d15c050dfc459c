//! Digests of what has been selected.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use windlass_layer::Content;

use super::CopyError;
use super::error::absolute;
use super::item::{FileItem, Item, ItemKind, Origin, Pick, Record};
use super::source::Source;
use crate::context::{FileDigest, FileState, Pending};
use crate::store::DigestMemory;

/// Digests the content of every included file among `records`, a part of all that were found in `source`. `pick` is the source
/// that they go on with.
pub(super) fn digest_files(
    source: Source<'_>,
    records: &mut [Record],
    pick: &mut Option<Pick>,
    memory: &DigestMemory,
) -> Result<(), CopyError> {
    let mut files: Vec<(&mut Item, PathBuf, FileState)> = Vec::new();
    for record in records {
        let item = match record {
            Record::Pick(next) => {
                *pick = Some(next.clone());
                continue;
            }
            Record::Item(item) => item,
        };
        let ItemKind::File(file) = &mut item.kind else { continue };
        if let Origin::Content(Content::Inline(bytes)) = &file.origin {
            file.digest = *blake3::hash(bytes).as_bytes();
        } else {
            let (path, state) = looked_at(source, pick.as_ref(), item)?;
            files.push((item, path, state));
        }
    }
    let pending: Vec<Pending<'_>> = files.iter().map(|(_, path, state)| Pending { path, state: *state }).collect();
    let digests = match source {
        Source::Context(context) => context.digests(&pending, memory)?,
        Source::View(_) => crate::context::digests(&pending, memory, &open_content)?,
    };
    for ((item, ..), FileDigest { digest, capabilities }) in files.into_iter().zip(digests) {
        if let Some(file) = item.file_mut() {
            file.digest = digest;
        }
        // Files of a stage have told their attributes already.
        if let (Source::Context(_), Some(value)) = (source, capabilities) {
            item.xattrs.push(("security.capability".into(), value));
        }
    }
    Ok(())
}

/// The path of a file as the memory of digests is for, and its state.
fn looked_at(source: Source<'_>, pick: Option<&Pick>, item: &Item) -> Result<(PathBuf, FileState), CopyError> {
    let path = || pick.map_or_else(|| item.path.clone(), |pick| pick.path_of(item));
    let content = match &item.kind {
        ItemKind::File(FileItem { origin: Origin::Context(state), .. }) => return Ok((path(), *state)),
        ItemKind::File(FileItem { origin: Origin::Content(Content::File(content)), .. }) => content,
        _ => return Err(CopyError::NotUnpacked { path: absolute(&path()) }),
    };
    let read = |errno: rustix::io::Errno| CopyError::Read { place: source.place(), path: path(), source: errno.into() };
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statx(rustix::fs::CWD, &**content, flags, StatxFlags::BASIC_STATS).map_err(read)?;
    Ok((content.to_path_buf(), FileState::from(&stat)))
}

fn open_content(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// The digest of all that is selected. Every field carries its length.
pub(super) struct Inputs {
    fields: Fields,
    first_names: HashMap<u64, PathBuf>,
    count: usize,
    sources: usize,
}

impl Inputs {
    pub(super) fn new() -> Self {
        let fields = Fields(blake3::Hasher::new_derive_key("windlass copy inputs 1"));
        Self { fields, first_names: HashMap::new(), count: 0, sources: 0 }
    }

    /// Adds the next record.
    pub(super) fn take(&mut self, record: &Record) {
        match record {
            Record::Pick(pick) => {
                self.sources += 1;
                self.fields.bytes(b"pick");
                self.fields.bytes(pick.name.as_bytes());
                self.first_names.clear();
            }
            Record::Item(item) => {
                self.count += usize::from(item.included);
                self.fields.item(item);
                if let ItemKind::File(FileItem { file: Some(file), .. }) = &item.kind {
                    let first = self.first_names.entry(*file).or_insert_with(|| item.path.clone());
                    self.fields.bytes(first.as_os_str().as_bytes());
                }
            }
        }
    }

    /// How many objects were selected.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many sources there are.
    pub(super) fn sources(&self) -> usize {
        self.sources
    }

    pub(super) fn finish(&self) -> [u8; 32] {
        *self.fields.0.finalize().as_bytes()
    }
}

/// A short digest of one item.
pub(super) fn short(item: &Item) -> u64 {
    let mut hasher = Fields(blake3::Hasher::new());
    hasher.item(item);
    let mut short = [0u8; 8];
    short.copy_from_slice(&hasher.0.finalize().as_bytes()[..8]);
    u64::from_le_bytes(short)
}

struct Fields(blake3::Hasher);

impl Fields {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn numbers(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.0.update(&number.to_le_bytes());
        }
    }

    fn item(&mut self, item: &Item) {
        self.bytes(item.path.as_os_str().as_bytes());
        self.numbers(&[u32::from(item.included), item.mode, item.uid, item.gid]);
        self.numbers(&[u32::try_from(item.xattrs.len()).unwrap_or(u32::MAX)]);
        for (name, value) in &item.xattrs {
            self.bytes(name.as_bytes());
            self.bytes(value);
        }
        match &item.kind {
            ItemKind::Directory => self.bytes(b"directory"),
            ItemKind::Fifo => self.bytes(b"fifo"),
            ItemKind::File(file) => {
                self.bytes(b"file");
                self.bytes(&file.digest);
                self.numbers(&[u32::from(file.file.is_some())]);
            }
            ItemKind::Symlink(target) => {
                self.bytes(b"link");
                self.bytes(target.as_os_str().as_bytes());
            }
            ItemKind::CharacterDevice(major, minor) => {
                self.bytes(b"character");
                self.numbers(&[*major, *minor]);
            }
            ItemKind::BlockDevice(major, minor) => {
                self.bytes(b"block");
                self.numbers(&[*major, *minor]);
            }
        }
    }
}
