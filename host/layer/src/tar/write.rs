//! Entries as tar headers, as containerd's differ writes them: whole seconds, no names of owners, no access times.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::header::{Header, Record};
use super::{OPAQUE_NAME, WHITEOUT_PREFIX, XATTR_RECORD};
use crate::{Entry, EntryKind};

/// Why an entry cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryProblem {
    #[error("its path is empty, absolute, or holds `.`, `..` or a zero byte")]
    Path,
    #[error("its link target is empty or holds a zero byte")]
    Target,
    #[error("the name of an extended attribute holds `=` or a zero byte, which a PAX record cannot")]
    Attribute,
}

/// Appends the header blocks of `entry`, its times at most `latest`; the content follows them.
pub(crate) fn headers(entry: &Entry, latest: Option<i64>, out: &mut Vec<u8>) -> Result<(), EntryProblem> {
    let path = entry.path.as_os_str().as_bytes();
    check_path(&entry.path)?;
    let records = records(&entry.xattrs)?;
    let seconds = entry.modified.seconds;
    let header = Header {
        name: path,
        link: b"",
        flag: b'0',
        mode: entry.mode & 0o7777,
        uid: entry.uid,
        gid: entry.gid,
        size: 0,
        modified: latest.map_or(seconds, |latest| latest.min(seconds)),
        device: (0, 0),
        records: &records,
    };
    match &entry.kind {
        EntryKind::Directory { opaque } => directory(path, *opaque, header, out),
        EntryKind::File { size, .. } => Header { size: *size, ..header }.encode(out),
        EntryKind::Symlink { target } => Header { flag: b'2', link: link_text(target)?, ..header }.encode(out),
        EntryKind::HardLink { target } => Header { flag: b'1', link: link_text(target)?, ..header }.encode(out),
        EntryKind::Fifo => Header { flag: b'6', ..header }.encode(out),
        EntryKind::CharacterDevice { major, minor } => Header { flag: b'3', device: (*major, *minor), ..header }.encode(out),
        EntryKind::BlockDevice { major, minor } => Header { flag: b'4', device: (*major, *minor), ..header }.encode(out),
        EntryKind::Whiteout => whiteout(&entry.path, header, out),
    }
    Ok(())
}

fn directory(path: &[u8], opaque: bool, header: Header<'_>, out: &mut Vec<u8>) {
    let name = [path, b"/"].concat();
    Header { name: &name, flag: b'5', ..header }.encode(out);
    if opaque {
        let mark = [&name, OPAQUE_NAME].concat();
        Header { name: &mark, mode: 0, uid: 0, gid: 0, records: &[], ..header }.encode(out);
    }
}

fn whiteout(path: &Path, header: Header<'_>, out: &mut Vec<u8>) {
    let last = path.file_name().unwrap_or_default().as_bytes();
    let parent = path.parent().map(|p| p.as_os_str().as_bytes()).unwrap_or_default();
    let separator: &[u8] = if parent.is_empty() { b"" } else { b"/" };
    let name = [parent, separator, WHITEOUT_PREFIX, last].concat();
    Header { name: &name, mode: 0, uid: 0, gid: 0, records: &[], ..header }.encode(out);
}

fn check_path(path: &Path) -> Result<(), EntryProblem> {
    let bytes = path.as_os_str().as_bytes();
    let clean = bytes.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0));
    if clean { Ok(()) } else { Err(EntryProblem::Path) }
}

fn link_text(target: &Path) -> Result<&[u8], EntryProblem> {
    let bytes = target.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) { Err(EntryProblem::Target) } else { Ok(bytes) }
}

fn records(xattrs: &[(OsString, Vec<u8>)]) -> Result<Vec<Record<'_>>, EntryProblem> {
    let mut records = Vec::with_capacity(xattrs.len());
    for (name, value) in xattrs {
        let name = name.as_bytes();
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
            return Err(EntryProblem::Attribute);
        }
        records.push(([XATTR_RECORD, name].concat(), value.as_slice()));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn names(entry: &Entry) -> Vec<String> {
        let mut out = Vec::new();
        headers(entry, None, &mut out).unwrap();
        out.resize(out.len() + 1024, 0);
        let mut archive = tar::Archive::new(out.as_slice());
        archive.entries().unwrap().map(|e| String::from_utf8(e.unwrap().path_bytes().into_owned()).unwrap()).collect()
    }

    #[test]
    fn removals_and_opaque_directories_have_the_names_of_the_specification() {
        assert_eq!(names(&Entry::whiteout("gone")), [".wh.gone"]);
        assert_eq!(names(&Entry::whiteout("a/b/gone")), ["a/b/.wh.gone"]);
        let mut directory = Entry::directory("a/b", Timestamp::default());
        assert_eq!(names(&directory), ["a/b/"]);
        directory.kind = EntryKind::Directory { opaque: true };
        assert_eq!(names(&directory), ["a/b/", "a/b/.wh..wh..opq"]);
    }

    #[test]
    fn times_are_cut_at_the_source_date_epoch() {
        let entry = Entry::directory("d", Timestamp { seconds: 2_000_000_000, nanoseconds: 7 });
        let mut out = Vec::new();
        headers(&entry, Some(1_000_000), &mut out).unwrap();
        assert_eq!(tar::Header::from_byte_slice(&out[..512]).mtime().unwrap(), 1_000_000);
    }

    #[test]
    fn entries_that_no_reader_would_understand_are_refused() {
        for path in ["", "/abs", "a/../b", "a//b", "./a", "a\0b"] {
            let entry = Entry::directory(path, Timestamp::default());
            assert_eq!(headers(&entry, None, &mut Vec::new()), Err(EntryProblem::Path), "{path}");
        }
        let mut entry = Entry::directory("a", Timestamp::default());
        entry.xattrs = vec![("user.a=b".into(), vec![])];
        assert_eq!(headers(&entry, None, &mut Vec::new()), Err(EntryProblem::Attribute));
    }
}
