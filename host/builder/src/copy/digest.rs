//! Digests of what has been selected.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use windlass_layer::Content;

use super::CopyError;
use super::item::{FileItem, Item, ItemKind, Origin, Pick};
use super::source::Source;
use crate::context::{FileDigest, FileState, Pending};
use crate::store::DigestMemory;

/// Digests the content of every included file of `picks`.
pub(super) fn digest_files(source: Source<'_>, picks: &mut [Pick], memory: &DigestMemory) -> Result<(), CopyError> {
    let mut files: Vec<(&mut Item, Origin)> = Vec::new();
    for item in picks.iter_mut().flat_map(|pick| &mut pick.items).filter(|item| item.included) {
        let ItemKind::File(file) = &mut item.kind else { continue };
        if let Content::Inline(bytes) = &file.content {
            file.digest = *blake3::hash(bytes).as_bytes();
        } else {
            let origin = origin(source, file, &item.path)?;
            files.push((item, origin));
        }
    }
    let pending: Vec<Pending<'_>> = files.iter().map(|(_, origin)| Pending { path: &origin.path, state: origin.state }).collect();
    let digests = match source {
        Source::Context(context) => context.digests(&pending, memory)?,
        Source::View(_) => crate::context::digests(&pending, memory, &open_content)?,
    };
    for ((item, _), FileDigest { digest, capabilities }) in files.into_iter().zip(digests) {
        if let ItemKind::File(file) = &mut item.kind {
            file.digest = digest;
        }
        // Files of a stage have told their attributes already.
        if let (Source::Context(_), Some(value)) = (source, capabilities) {
            item.xattrs.push(("security.capability".into(), value));
        }
    }
    Ok(())
}

fn origin(source: Source<'_>, file: &FileItem, path: &Path) -> Result<Origin, CopyError> {
    if let Some(origin) = &file.origin {
        return Ok(origin.clone());
    }
    let Content::File(content) = &file.content else {
        return Err(CopyError::NotUnpacked { path: path.to_path_buf() });
    };
    let read =
        |errno: rustix::io::Errno| CopyError::Read { place: source.place(), path: path.to_path_buf(), source: errno.into() };
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statx(rustix::fs::CWD, &**content, flags, StatxFlags::BASIC_STATS).map_err(read)?;
    Ok(Origin { path: content.to_path_buf(), state: FileState::from(&stat) })
}

fn open_content(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// The digest of all that the picks bring. Every field carries its length.
pub(super) fn digest(picks: &[Pick]) -> [u8; 32] {
    let mut hasher = Fields(blake3::Hasher::new_derive_key("windlass copy inputs 1"));
    let mut first_names: HashMap<_, Arc<Path>> = HashMap::new();
    for pick in picks {
        hasher.bytes(b"pick");
        hasher.bytes(pick.name.as_bytes());
        first_names.clear();
        for item in &pick.items {
            hasher.item(item);
            if let ItemKind::File(FileItem { identity: Some(identity), .. }) = &item.kind {
                let first = first_names.entry(identity).or_insert_with(|| Arc::from(PathBuf::from(&item.path)));
                hasher.bytes(first.as_os_str().as_bytes());
            }
        }
    }
    *hasher.0.finalize().as_bytes()
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
                self.numbers(&[u32::from(file.identity.is_some())]);
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
