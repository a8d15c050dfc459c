//! What tells a whole snapshot from a damaged one, without reading its files.
//!
//! The file `seal` beside a snapshot's files holds the snapshot's name, the disk space that it takes, and a digest of the
//! names, kinds, modes, sizes and times in it. A file that was cut short, written to, taken away, or put in another's place
//! changes that digest; bytes that changed on the disk by themselves do not.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const FILE: &str = "seal";

/// What is below a directory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    /// The sum of the entries' digests: the order in which a directory gives its entries does not count.
    digest: u128,
    /// In bytes.
    space: u64,
}

/// Seals the snapshot `name` in `root`.
pub(super) fn write(root: &Path, name: &str) -> io::Result<()> {
    let sum = sum(root)?;
    fs::write(root.join(FILE), format!("1 {name} {:032x} {}\n", sum.digest, sum.space))
}

/// Whether the snapshot in `root` is the one that was sealed under `name`; else what is wrong with it.
pub(super) fn check(root: &Path, name: &str) -> Result<(), String> {
    let sealed = read(root).ok_or("it has no seal")?;
    if sealed.0 != name {
        return Err(format!("it is {}", sealed.0));
    }
    let found = sum(root).map_err(|error| error.to_string())?;
    if found.digest == sealed.1.digest { Ok(()) } else { Err("its files are not those that were put there".to_owned()) }
}

/// The disk space of a snapshot as its seal tells it.
pub(super) fn space(root: &Path) -> Option<u64> {
    read(root).map(|(_, sum)| sum.space)
}

fn read(root: &Path) -> Option<(String, Sum)> {
    let bytes = super::step::read_at_most(&root.join(FILE), 4096).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.strip_suffix('\n')?.split(' ');
    let (version, name, digest, space) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sum = Sum { digest: u128::from_str_radix(digest, 16).ok()?, space: space.parse().ok()? };
    (version == "1").then(|| (name.to_owned(), sum))
}

fn sum(root: &Path) -> io::Result<Sum> {
    let mut total = Sum::default();
    let mut pending = Pending::default();
    pending.push(Path::new(""));
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(root.join(&directory))? {
            let below = directory.join(entry?.file_name());
            if below == Path::new(FILE) {
                continue;
            }
            let metadata = fs::symlink_metadata(root.join(&below))?;
            total.digest = total.digest.wrapping_add(digest(&below, &metadata));
            total.space += metadata.blocks() * 512;
            if metadata.is_dir() {
                pending.push(&below);
            }
        }
    }
    Ok(total)
}

/// Directories that are still to be read, in little memory: one may have a million others in it.
#[derive(Debug, Default)]
struct Pending {
    /// Paths, each with a zero byte after it.
    paths: Vec<u8>,
}

impl Pending {
    fn push(&mut self, path: &Path) {
        self.paths.extend_from_slice(path.as_os_str().as_bytes());
        self.paths.push(0);
    }

    fn pop(&mut self) -> Option<PathBuf> {
        self.paths.pop()?;
        let start = self.paths.iter().rposition(|&byte| byte == 0).map_or(0, |end| end + 1);
        Some(PathBuf::from(OsString::from_vec(self.paths.split_off(start))))
    }
}

fn digest(path: &Path, metadata: &Metadata) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&metadata.mode().to_le_bytes()).update(&metadata.rdev().to_le_bytes());
    // A directory's size and time are the file system's own business: its entries count by themselves.
    if !metadata.is_dir() {
        hasher.update(&metadata.size().to_le_bytes());
        hasher.update(&metadata.mtime().to_le_bytes()).update(&metadata.mtime_nsec().to_le_bytes());
    }
    hasher.update(path.as_os_str().as_bytes());
    let mut short = [0u8; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_file_and_another_name_break_the_seal() {
        let changes: [fn(&Path); 6] = [
            |root| fs::File::options().write(true).open(root.join("fs/d/a")).unwrap().set_len(1).unwrap(),
            |root| fs::write(root.join("fs/d/a"), "other").unwrap(),
            |root| fs::remove_file(root.join("fs/d/a")).unwrap(),
            |root| fs::rename(root.join("fs/d/a"), root.join("fs/d/b")).unwrap(),
            |root| fs::write(root.join("fs/new"), "").unwrap(),
            |root| fs::write(root.join(FILE), "1 abc 0").unwrap(),
        ];
        for change in changes {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("fs/d")).unwrap();
            fs::write(root.path().join("fs/d/a"), "right").unwrap();
            fs::File::options().write(true).open(root.path().join("fs/d/a")).unwrap().set_modified(io_time()).unwrap();
            write(root.path(), "abc").unwrap();
            assert_eq!(check(root.path(), "abc"), Ok(()));
            assert!(check(root.path(), "other").is_err());
            change(root.path());
            assert!(check(root.path(), "abc").is_err());
        }
    }

    fn io_time() -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(7)
    }
}
