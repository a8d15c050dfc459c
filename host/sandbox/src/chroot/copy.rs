//! Copies of directories: what a cache holds, for a step that cannot have it mounted.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// Copies `from`, a directory or a file, to `to`, which is not there, with owners, modes and times. Links are copied as
/// links; what is neither directory, file nor link is left out, and so is what others remove meanwhile.
pub(super) fn tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    let mut directories = Vec::new();
    while let Some((from, to)) = pending.pop() {
        let Some(metadata) = present(fs::symlink_metadata(&from))? else { continue };
        if metadata.is_dir() {
            fs::create_dir(&to)?;
            for entry in present(fs::read_dir(&from))?.into_iter().flatten() {
                let name = entry?.file_name();
                pending.push((from.join(&name), to.join(&name)));
            }
            directories.push((to, metadata));
        } else if metadata.is_symlink() {
            if let Some(target) = present(fs::read_link(&from))? {
                symlink(target, &to)?;
                lchown(&to, Some(metadata.uid()), Some(metadata.gid()))?;
            }
        } else if metadata.is_file() && present(fs::copy(&from, &to))?.is_some() {
            dress(&to, &metadata)?;
        }
    }
    // What is put into a directory changes its time.
    directories.iter().rev().try_for_each(|(path, metadata)| dress(path, metadata))
}

fn dress(path: &Path, metadata: &Metadata) -> io::Result<()> {
    lchown(path, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    fs::File::open(path)?.set_modified(metadata.modified()?)
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}
