//! No isolation but that of the container: the step's files are moved into the root directory of this process, and out again.
//!
//! It is for a container of an image of ours that has next to nothing in it, and refuses to run anywhere else: see [`check`].

mod exchange;
mod mounted;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub(crate) use exchange::Exchange;
pub(crate) use mounted::MountPoints;

/// The directory of our image that holds all that is ours: the program, the store, and what marks the image.
const OURS: &str = "/windlass";
/// The file that marks the image: a builder of it has meant it for this.
const MARK: &str = "/windlass/in-place";
/// There is one root directory, so one step runs at a time.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

/// Whether this is a container of an image of ours, with nothing of anybody else in its root directory; else why not.
/// Nothing is moved or removed that was there before, but what lies in the way of an image would end up in it.
pub(crate) fn check(store: Option<&Path>) -> Result<(), String> {
    let mark = fs::symlink_metadata(MARK);
    if !mark.is_ok_and(|mark| mark.is_file() && mark.uid() == 0) {
        return Err(format!("this is no container of an image that is made for it: there is no file {MARK} of root's"));
    }
    let mounts = MountPoints::read().map_err(|error| format!("/proc/self/mountinfo cannot be read ({error})"))?;
    if let Some(path) = stranger(&mounts).map_err(|error| format!("the root directory cannot be looked through ({error})"))? {
        let path = path.display();
        return Err(format!(
            "{path} is in the root directory, which may hold empty directories, mounts and {OURS} only; if an earlier run was \
             killed, start a new container"
        ));
    }
    let store = store.and_then(|store| store.canonicalize().ok()).unwrap_or_default();
    if !store.starts_with(OURS) || mounts.cover(&store) {
        return Err(format!("the store {} must be below {OURS} and no mount: files move between it and `/`", store.display()));
    }
    Ok(())
}

/// Something that is neither ours nor made by a container's runtime: those make directories, links and empty files.
fn stranger(mounts: &MountPoints) -> std::io::Result<Option<PathBuf>> {
    let mut pending = vec![PathBuf::from("/")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let status = fs::symlink_metadata(&path)?;
            if path == Path::new(OURS) || mounts.contains(&path) || status.is_symlink() {
                continue;
            }
            if status.is_dir() {
                pending.push(path);
            } else if !status.is_file() || status.len() > 0 {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}
