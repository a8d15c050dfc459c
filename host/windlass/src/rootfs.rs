//! The files of an image, as a directory or as a tar archive on this machine.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use windlass_builder::store::Store;
use windlass_core::Platform;
use windlass_layer::{
    Compression, DiffError, Entry, EntryKind, LayerOptions, Listing, Ownership, Snapshot, SnapshotFormat, Timestamp, View,
    ViewError, materialise, write_changes,
};

use crate::images::Image;
use crate::inside::Inside;
use crate::step::{ExportKind, Place};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Writes the files of `image`; those of several platforms below a directory for each, as BuildKit names them. Gives the
/// device nodes that a directory does not get.
pub(crate) async fn write(image: &Image, kind: ExportKind, place: &Place, store: &Arc<Store>) -> Result<Vec<PathBuf>, Problem> {
    let (mut parts, mut kept) = (Vec::new(), Vec::new());
    for member in &image.members {
        let inside = Inside::new(image, member, store);
        let view = inside.view().await.map_err(|error| error.to_string())?;
        let prefix = if image.members.len() > 1 { directory_of(&member.platform) } else { PathBuf::new() };
        parts.push((prefix, view));
        kept.push(inside);
    }
    let place = place.clone();
    let written = tokio::task::spawn_blocking(move || match (kind, &place) {
        (ExportKind::Directory, Place::Path(path)) => directory(&entries(&parts).collect::<Result<Listing, _>>()?, path),
        _ => archive(&parts, &place).map(|()| Vec::new()),
    });
    let written = written.await?;
    // Whose files have been read by now.
    drop(kept);
    written
}

fn directory_of(platform: &Platform) -> PathBuf {
    PathBuf::from(platform.to_string().replace('/', "_"))
}

/// The files of all platforms, each below its prefix.
fn entries(parts: &[(PathBuf, View)]) -> impl Iterator<Item = Result<Entry, ViewError>> + '_ {
    parts.iter().flat_map(|(prefix, view)| {
        let top = (!prefix.as_os_str().is_empty()).then(|| Ok(Entry::directory(prefix, Timestamp::default())));
        top.into_iter().chain(view.entries().map(|entry| Ok(below(prefix, entry?))))
    })
}

fn below(prefix: &Path, mut entry: Entry) -> Entry {
    if !prefix.as_os_str().is_empty() {
        entry.path = prefix.join(&entry.path);
        if let EntryKind::HardLink { target } = &mut entry.kind {
            *target = prefix.join(&*target);
        }
    }
    entry
}

fn archive(parts: &[(PathBuf, View)], place: &Place) -> Result<(), Problem> {
    let options = LayerOptions { compression: Compression::None, ..LayerOptions::default() };
    let write = |sink: &mut dyn Write| {
        let entries = entries(parts).map(|entry| entry.map_err(DiffError::from));
        write_changes(entries, &options, sink).map(drop).map_err(Problem::from)
    };
    match place {
        Place::StandardOutput => write(&mut std::io::stdout().lock()),
        Place::Path(path) => crate::files::replace(path, &write),
    }
}

/// Puts the files into `target`, on top of what is there. They belong to whoever runs the build.
///
/// They are first written whole beside their places, and then moved there by way of open directories: neither a link in the
/// image nor one that stands in `target` leads anything out of it.
fn directory(listing: &[Entry], target: &Path) -> Result<Vec<PathBuf>, Problem> {
    let is_device = |entry: &&Entry| matches!(entry.kind, EntryKind::CharacterDevice { .. } | EntryKind::BlockDevice { .. });
    let (devices, files): (Vec<&Entry>, Vec<&Entry>) = listing.iter().partition(is_device);
    let files: Listing = files.into_iter().cloned().collect();
    std::fs::create_dir_all(target)?;
    let scratch = tempfile::Builder::new().prefix(".windlass-").tempdir_in(target)?;
    let format = SnapshotFormat { ownership: Ownership::Recorded, ..SnapshotFormat::default() };
    let snapshot = Snapshot::create(scratch.path().join("new").as_path(), format)?;
    materialise(&files, &snapshot, None)?;
    let to = open_directory(target)?;
    merge(&open_directory(&snapshot.files())?, &to)?;
    scratch.close()?;
    for entry in files.iter().rev() {
        finish(&to, entry)?;
    }
    Ok(devices.into_iter().map(|entry| entry.path.clone()).collect())
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Moves everything in `from` into `to`. Directories that both have become one; anything else is replaced.
fn merge(from: &OwnedFd, to: &OwnedFd) -> Result<(), Problem> {
    let names: Vec<_> =
        Dir::read_from(from)?.map(|entry| entry.map(|entry| entry.file_name().to_owned())).collect::<Result<_, _>>()?;
    let child = |parent: &OwnedFd, name: &std::ffi::CStr| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty())
    };
    for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        let kind = |parent: &OwnedFd| {
            let found = rustix::fs::statat(parent, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW);
            found.ok().map(|found| FileType::from_raw_mode(found.st_mode))
        };
        match (kind(from), kind(to)) {
            (Some(FileType::Directory), Some(FileType::Directory)) => {
                merge(&child(from, name)?, &child(to, name)?)?;
                continue;
            }
            (_, Some(FileType::Directory)) => {
                let path = format!("/proc/self/fd/{}/{}", to.as_raw_fd(), name.to_string_lossy());
                std::fs::remove_dir_all(path)?;
            }
            (_, Some(_)) => rustix::fs::unlinkat(to, name.as_c_str(), AtFlags::empty())?,
            (_, None) => {}
        }
        rustix::fs::renameat(from, name.as_c_str(), to, name.as_c_str())?;
    }
    Ok(())
}

/// Gives an entry the mode that it has in the image, and a directory its time, which changed while it was filled.
fn finish(root: &OwnedFd, entry: &Entry) -> Result<(), Problem> {
    if !matches!(entry.kind, EntryKind::Directory { .. } | EntryKind::File { .. }) {
        return Ok(());
    }
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let parent = entry.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = rustix::fs::openat2(root, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), inside)?;
    let name = entry.path.file_name().unwrap_or_default();
    rustix::fs::chmodat(parent.as_fd(), name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    if matches!(entry.kind, EntryKind::Directory { .. }) {
        let time = Timespec { tv_sec: entry.modified.seconds, tv_nsec: i64::from(entry.modified.nanoseconds) };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(parent.as_fd(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use windlass_layer::Content;

    use super::*;

    fn file(path: &str, text: &str, mode: u32) -> Entry {
        let content = Content::Inline(Arc::from(text.as_bytes()));
        let kind = EntryKind::File { size: text.len() as u64, content };
        Entry { kind, mode, ..Entry::directory(path, Timestamp { seconds: 1_000_000, nanoseconds: 0 }) }
    }

    fn link(path: &str, target: &Path) -> Entry {
        Entry { kind: EntryKind::Symlink { target: target.to_owned() }, ..Entry::directory(path, Timestamp::default()) }
    }

    #[test]
    fn what_stands_in_the_target_leads_nothing_out_of_it() {
        let place = tempfile::tempdir().unwrap();
        let (target, outside) = (place.path().join("target"), place.path().join("outside"));
        std::fs::create_dir_all(&target).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("victim"), "before").unwrap();
        std::os::unix::fs::symlink(&outside, target.join("etc")).unwrap();
        std::os::unix::fs::symlink(outside.join("victim"), target.join("file")).unwrap();
        let directory_entry = Entry { mode: 0o750, ..Entry::directory("etc", Timestamp { seconds: 1_000_000, nanoseconds: 0 }) };
        let listing = [directory_entry, file("etc/victim", "new", 0o400), file("file", "new", 0o644), link("out", &outside)];
        directory(&listing, &target).unwrap();
        assert_eq!(std::fs::read_to_string(outside.join("victim")).unwrap(), "before");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(target.join("etc/victim")).unwrap(), "new");
        let of = |name: &str| std::fs::symlink_metadata(target.join(name)).unwrap();
        assert!(of("etc").is_dir() && of("out").is_symlink() && of("file").is_file());
        assert_eq!((of("etc").permissions().mode() & 0o7777, of("etc/victim").permissions().mode() & 0o7777), (0o750, 0o400));
        assert_eq!(of("etc").modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_000_000);
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 3, "nothing of the scratch directory is left");
    }

    #[test]
    fn files_that_are_there_stay_unless_they_are_replaced() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("a/old")).unwrap();
        std::fs::create_dir_all(place.path().join("b/old")).unwrap();
        let device = Entry { kind: EntryKind::CharacterDevice { major: 1, minor: 3 }, ..file("a/null", "", 0o666) };
        let listing = [Entry::directory("a", Timestamp::default()), file("a/new", "x", 0o644), device, file("b", "x", 0o644)];
        assert_eq!(directory(&listing, place.path()).unwrap(), [PathBuf::from("a/null")]);
        assert!(place.path().join("a/old").is_dir() && place.path().join("a/new").is_file() && place.path().join("b").is_file());
    }
}
