//! What a snapshot's files cannot hold: owners, modes and devices that this process may not set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::SnapshotError;

/// The recorded truth about one path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// What the file stands for when it could not be made.
    pub device: Option<RecordedDevice>,
    /// Extended attributes that could not be set, in the order of their names.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// A device whose place an empty file takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedDevice {
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// All that is recorded of a snapshot, by path below its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    paths: BTreeMap<PathBuf, Recorded>,
}

impl Owners {
    /// What is recorded of a path.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Recorded> {
        self.paths.get(path)
    }

    /// All that is recorded, parents first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Path, &Recorded)> {
        self.paths.iter().map(|(path, recorded)| (path.as_path(), recorded))
    }

    /// Records a path, in place of what was recorded before.
    pub fn insert(&mut self, path: PathBuf, recorded: Recorded) {
        self.paths.insert(path, recorded);
    }

    /// Forgets a path and all below it.
    pub fn remove(&mut self, path: &Path) {
        if self.paths.is_empty() {
            return;
        }
        let gone: Vec<_> =
            self.paths.range(path.to_owned()..).map(|(p, _)| p).take_while(|p| p.starts_with(path)).cloned().collect();
        for path in gone {
            self.paths.remove(&path);
        }
    }

    /// Forgets one path.
    pub(super) fn forget(&mut self, path: &Path) {
        self.paths.remove(path);
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(super) fn load(file: &Path) -> Result<Self, SnapshotError> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(SnapshotError::System { action: "read", path: file.to_owned(), source }),
        };
        let mut owners = Self::default();
        for (number, line) in text.split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let (path, recorded) =
                read_line(line).ok_or_else(|| SnapshotError::Owners { path: file.to_owned(), line: number + 1 })?;
            owners.insert(path, recorded);
        }
        Ok(owners)
    }

    pub(super) fn save(&self, file: &Path) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::System { action: "write", path: file.to_owned(), source };
        if self.is_empty() {
            return match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let mut text = Vec::new();
        for (path, recorded) in &self.paths {
            write_line(&mut text, path, recorded);
        }
        let directory = file.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        new.write_all(&text).map_err(failed)?;
        new.persist(file).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// `UID GID MODE DEVICE PATH [NAME VALUE]...`: fields with tabs between them, bytes that would disturb that in hexadecimal.
fn write_line(out: &mut Vec<u8>, path: &Path, recorded: &Recorded) {
    let device = match recorded.device {
        None => "-".to_owned(),
        Some(RecordedDevice::Character { major, minor }) => format!("c{major}:{minor}"),
        Some(RecordedDevice::Block { major, minor }) => format!("b{major}:{minor}"),
    };
    out.extend_from_slice(format!("{}\t{}\t{:o}\t{device}\t", recorded.uid, recorded.gid, recorded.mode).as_bytes());
    escape(out, path.as_os_str().as_bytes());
    for (name, value) in &recorded.xattrs {
        out.push(b'\t');
        escape(out, name.as_bytes());
        out.push(b'\t');
        escape(out, value);
    }
    out.push(b'\n');
}

fn read_line(line: &[u8]) -> Option<(PathBuf, Recorded)> {
    let mut fields = line.split(|&b| b == b'\t');
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (uid, gid) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let mode = u32::from_str_radix(text()?, 8).ok()?;
    let device = read_device(text()?)?;
    let path = PathBuf::from(OsString::from_vec(unescape(fields.next()?)?));
    let mut xattrs = Vec::new();
    while let Some(name) = fields.next() {
        xattrs.push((OsString::from_vec(unescape(name)?), unescape(fields.next()?)?));
    }
    Some((path, Recorded { uid, gid, mode, device, xattrs }))
}

fn read_device(text: &str) -> Option<Option<RecordedDevice>> {
    if text == "-" {
        return Some(None);
    }
    let (major, minor) = text.get(1..)?.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    match text.as_bytes()[0] {
        b'c' => Some(Some(RecordedDevice::Character { major, minor })),
        b'b' => Some(Some(RecordedDevice::Block { major, minor })),
        _ => None,
    }
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_whatever_the_names_hold() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("owners");
        let mut owners = Owners::default();
        let odd = PathBuf::from(OsString::from_vec(b"a\tb\nc%/\xff ".to_vec()));
        let xattrs = vec![("security.capability".into(), vec![0, 1, 10, 255])];
        owners.insert(odd, Recorded { uid: 1, gid: 4_000_000_000, mode: 0o4755, device: None, xattrs });
        let device = Some(RecordedDevice::Block { major: 8, minor: 1 });
        owners.insert("dev/x".into(), Recorded { mode: 0o600, device, ..Recorded::default() });
        owners.save(&file).unwrap();
        assert_eq!(Owners::load(&file).unwrap(), owners);
        Owners::default().save(&file).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn removal_takes_what_is_below_and_no_neighbour() {
        let mut owners = Owners::default();
        for path in ["a", "a/b", "a/b/c", "a-b", "b"] {
            owners.insert(path.into(), Recorded::default());
        }
        owners.remove(Path::new("a"));
        assert_eq!(owners.paths.keys().map(|p| p.to_str().unwrap()).collect::<Vec<_>>(), ["a-b", "b"]);
    }

    #[test]
    fn a_damaged_record_is_an_error_that_names_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("owners");
        std::fs::write(&file, "0\t0\t755\t-\ta\n0\tx\t755\t-\tb\n").unwrap();
        assert!(matches!(Owners::load(&file), Err(SnapshotError::Owners { line: 2, .. })));
    }
}
