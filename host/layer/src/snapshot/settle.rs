//! The record of a snapshot that a process with one id has written to as the upper directory of an overlay.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::attributes::{OWNER_MARK, is_refusal, owner_mark, read_one, set_at};
use super::{Ownership, Recorded, Snapshot, SnapshotError};
use crate::{Entry, EntryKind, View};

/// Who files belong to that a RUN has left, as far as they do not tell it themselves.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The user and group of the process: what it has made is theirs.
    pub creator: (u32, u32),
    /// Paths that cannot carry a mark, with the owner and group that they were given.
    pub paths: Vec<(PathBuf, u32, u32)>,
}

/// Records whose every file is that a step has made, changed or taken over from `below`: what the mark of a file says, what
/// `wanted` says, what is recorded of the file that it is a copy of, or else its creator. Modes that the step has left as they
/// were on disk become again what is recorded of them below.
///
/// # Errors
/// When the snapshot or what lies below cannot be read, and when the record cannot be written.
pub fn settle(snapshot: &Snapshot, below: &View, wanted: &Wanted) -> Result<(), SnapshotError> {
    if snapshot.format().ownership == Ownership::Apply {
        return Ok(());
    }
    let (files, mut owners) = (snapshot.files(), snapshot.owners()?);
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let file = files.join(&path);
        let failed = |source| SnapshotError::System { action: "look at", path: path.clone(), source };
        let status = fs::symlink_metadata(&file).map_err(failed)?;
        if status.is_dir() {
            for entry in fs::read_dir(&file).map_err(failed)? {
                pending.push(path.join(entry.map_err(failed)?.file_name()));
            }
        }
        let kind = status.file_type();
        if kind.is_char_device() || kind.is_block_device() || owners.get(&path).is_some_and(|known| known.device.is_some()) {
            continue;
        }
        let mark = if status.is_symlink() { None } else { owner_mark(&file).map_err(failed)? };
        let before =
            below.lookup(&path).map_err(|source| SnapshotError::Lower { path: path.clone(), source: Box::new(source) })?;
        let is_replaced = before.as_ref().is_some_and(|before| is_replaced(before, &status, &file, mark));
        let mark = mark.filter(|_| !is_replaced);
        let source = before.filter(|before| is_replaced || path.as_os_str().is_empty() || is_same_file(before, &status, &file));
        let given = wanted.paths.iter().rev().find(|(given, ..)| *given == path).map(|(_, uid, gid)| (*uid, *gid));
        let known = source.as_ref().map(|before| (before.uid, before.gid));
        let (uid, gid) = mark.or(given).or(known).unwrap_or(wanted.creator);
        let on_disk = status.mode() & 0o7777;
        let mode = source.filter(|before| before.mode | needed(&status) == on_disk).map_or(on_disk, |before| before.mode);
        if (uid, gid) != (0, 0) && mark.is_none() && (status.is_file() || status.is_dir()) {
            match set_at(&file, OWNER_MARK.as_ref(), format!("{uid}:{gid}").as_bytes()) {
                Err(error) if is_refusal(&error) => {}
                marked => marked.map_err(failed)?,
            }
        }
        let recorded = Recorded { uid, gid, mode, device: None, xattrs: Vec::new() };
        if (uid, gid, mode) == (0, 0, on_disk) {
            owners.forget(&path);
        } else {
            owners.insert(path, recorded);
        }
    }
    snapshot.save_owners(&owners)
}

/// What a file has on disk besides its own mode, so that its only user can read and write it.
fn needed(status: &Metadata) -> u32 {
    if status.is_dir() { 0o700 } else { 0o600 }
}

/// Whether a new file has taken another's place, and was given the owner that the other one has to whoever looks: root, as
/// every file has with one id. `useradd` and `sed -i` change files like this, and mean to keep the owner.
fn is_replaced(before: &Entry, status: &Metadata, file: &Path, mark: Option<(u32, u32)>) -> bool {
    let is_file = status.is_file() && matches!(before.kind, EntryKind::File { .. });
    is_file && mark == Some((0, 0)) && !is_same_file(before, status, file)
}

/// Whether a file of the upper directory is what lies below, changed at the most. Files that the overlay has copied bear a
/// mark of it; a directory that hides what is below bears another one.
fn is_same_file(before: &Entry, status: &Metadata, file: &Path) -> bool {
    let has = |name: &str| -> io::Result<bool> { Ok(read_one(file, name.as_ref())?.is_some()) };
    match &before.kind {
        EntryKind::Directory { .. } => {
            let hides = read_one(file, "user.overlay.opaque".as_ref()).is_ok_and(|mark| mark.as_deref() == Some(b"y"));
            status.is_dir() && !hides
        }
        EntryKind::Symlink { target } => status.is_symlink() && fs::read_link(file).is_ok_and(|found| found == *target),
        _ => status.is_file() && has("user.overlay.origin").unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Layer, OverlayXattrs, SnapshotFormat, Timestamp, materialise};

    const FORMAT: SnapshotFormat = SnapshotFormat { ownership: Ownership::Recorded, overlay_xattrs: OverlayXattrs::User };

    fn told(snapshot: &Snapshot, path: &str) -> (u32, u32, u32) {
        let entry = Layer::directory(snapshot).unwrap().entry(Path::new(path)).unwrap().unwrap().0;
        assert_eq!(entry.xattrs, [], "{path}");
        (entry.uid, entry.gid, entry.mode)
    }

    #[test]
    fn each_file_has_the_owner_that_was_meant() {
        let root = tempfile::tempdir().unwrap();
        let base = Snapshot::create(root.path().join("base"), FORMAT).unwrap();
        let directory = Entry { uid: 5, gid: 6, mode: 0o2550, ..Entry::directory("d", Timestamp::default()) };
        let file = Entry { kind: EntryKind::File { size: 1, content: Content::Inline(b"x"[..].into()) }, ..directory.clone() };
        let secret = Entry { uid: 0, gid: 42, mode: 0o440, path: "secret".into(), ..file };
        materialise(&[directory, secret], &base, None).unwrap();
        let below = View::empty().with(Layer::directory(&base).unwrap());
        let upper = Snapshot::create(root.path().join("upper"), FORMAT).unwrap();
        let files = upper.files();
        // As the overlay copies a directory up.
        fs::create_dir(files.join("d")).unwrap();
        fs::set_permissions(files.join("d"), std::os::unix::fs::PermissionsExt::from_mode(0o2750)).unwrap();
        for name in ["made", "d/given"] {
            fs::write(files.join(name), "").unwrap();
            fs::set_permissions(files.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        }
        set_at(&files.join("d/given"), OWNER_MARK.as_ref(), b"7:8").unwrap();
        // As `sed -i` replaces a file.
        fs::write(files.join("secret"), "y").unwrap();
        fs::set_permissions(files.join("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        set_at(&files.join("secret"), OWNER_MARK.as_ref(), b"0:0").unwrap();
        std::os::unix::fs::symlink("x", files.join("link")).unwrap();
        let wanted = Wanted { creator: (1, 2), paths: vec![("link".into(), 9, 9), ("link".into(), 3, 4)] };
        settle(&upper, &below, &wanted).unwrap();
        assert_eq!(told(&upper, "d"), (5, 6, 0o2550));
        assert_eq!(told(&upper, "d/given"), (7, 8, 0o644));
        assert_eq!(told(&upper, "made"), (1, 2, 0o644));
        assert_eq!(told(&upper, "secret"), (0, 42, 0o440));
        assert_eq!(told(&upper, "link"), (3, 4, 0o777));
    }
}
