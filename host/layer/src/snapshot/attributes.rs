//! Extended attributes: which ones belong to an image, and how they are read and set.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::OverlayXattrs;

/// The largest list of names and the largest value that Linux has, in bytes.
const LARGEST: usize = 64 << 10;

/// The attribute with the owner that a file is to have in the image, such as `1000:1000`, where the process that writes it
/// has one id only. It goes along when the overlay copies a file or a step moves it.
pub const OWNER_MARK: &str = "user.windlass.owner";

/// Whether an attribute is a mark of the overlay file system or of ours, which no layer may bring along.
pub(crate) fn is_mark(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    name == OWNER_MARK || bytes.starts_with(b"trusted.overlay.") || bytes.starts_with(b"user.overlay.")
}

/// The owner that a file is marked with.
pub(crate) fn owner_mark(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let parse = |value: Vec<u8>| {
        let (uid, gid) = std::str::from_utf8(&value).ok()?.split_once(':')?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    };
    Ok(read_one(path, OsStr::new(OWNER_MARK))?.and_then(parse).filter(|(uid, gid)| *uid != u32::MAX && *gid != u32::MAX))
}

/// Whether an attribute of a file on disk belongs into an image: file capabilities and what users set, but not what
/// this machine's security modules, access lists and storage drivers keep for themselves.
pub(crate) fn belongs_to_image(name: &OsStr) -> bool {
    !is_mark(name) && (name == "security.capability" || name.as_bytes().starts_with(b"user."))
}

/// The attributes of a file on disk that belong into an image, in the order of their names. Links are not followed.
pub(crate) fn read_xattrs(path: &Path) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut small = [0; 1024];
    let names = match rustix::fs::llistxattr(path, &mut small) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Ok(size) => small[..size].to_vec(),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LARGEST];
            let size = rustix::fs::llistxattr(path, large.as_mut_slice())?;
            large.truncate(size);
            large
        }
        Err(error) => return Err(error.into()),
    };
    let mut xattrs = Vec::new();
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        if belongs_to_image(name)
            && let Some(value) = read_one(path, name)?
        {
            let value = if name == "security.capability" { without_namespace(value) } else { value };
            xattrs.push((name.to_owned(), value));
        }
    }
    xattrs.sort();
    Ok(xattrs)
}

pub(super) fn read_one(path: &Path, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let mut small = [0; 256];
    match rustix::fs::lgetxattr(path, name, &mut small) {
        Ok(size) => Ok(Some(small[..size].to_vec())),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LARGEST];
            let size = rustix::fs::lgetxattr(path, name, large.as_mut_slice())?;
            large.truncate(size);
            Ok(Some(large))
        }
        Err(error) => Err(error.into()),
    }
}

/// File capabilities of revision 3 name the root of a user namespace, which means nothing elsewhere; revision 2 is the
/// same without it (capabilities(7), "File capability extended attribute versioning").
fn without_namespace(value: Vec<u8>) -> Vec<u8> {
    if value.len() == 24 && value[3] == 3 {
        let mut value = value;
        value.truncate(20);
        value[3] = 2;
        return value;
    }
    value
}

/// The overlay's mark on a directory: `y` when it is opaque, `x` when it holds whiteouts that are marked files.
pub(crate) fn opaque_mark(path: &Path, names: OverlayXattrs) -> io::Result<Option<u8>> {
    Ok(read_one(path, OsStr::new(names.opaque()))?.and_then(|value| value.first().copied()))
}

/// Whether a file is marked as a whiteout.
pub(crate) fn has_whiteout_mark(path: &Path, names: OverlayXattrs) -> io::Result<bool> {
    Ok(read_one(path, OsStr::new(names.whiteout()))?.is_some())
}

/// Sets an attribute of an open file.
pub(crate) fn set(fd: impl AsFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())?)
}

/// Takes an attribute from an open file, if it has it.
pub(crate) fn unset(fd: impl AsFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::fremovexattr(fd, name) {
        Err(Errno::NODATA) => Ok(()),
        result => Ok(result?),
    }
}

/// Sets an attribute without following a link.
pub(crate) fn set_at(path: &Path, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())?)
}

/// Whether an error says that this attribute cannot be set here by this process, rather than that the disk failed.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL | Errno::ACCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_a_user_namespace_become_plain_ones() {
        let mut value = vec![0x01, 0, 0, 3];
        value.extend_from_slice(&[7; 16]);
        value.extend_from_slice(&1000u32.to_le_bytes());
        let plain = without_namespace(value.clone());
        assert_eq!(plain.len(), 20);
        assert_eq!(plain[..4], [0x01, 0, 0, 2]);
        assert_eq!(plain[4..], value[4..20]);
    }

    #[test]
    fn only_an_images_own_attributes_are_taken() {
        for (name, expected) in [
            ("security.capability", true),
            ("user.note", true),
            ("user.overlay.opaque", false),
            (OWNER_MARK, false),
            ("trusted.overlay.opaque", false),
            ("security.selinux", false),
            ("system.posix_acl_access", false),
        ] {
            assert_eq!(belongs_to_image(OsStr::new(name)), expected, "{name}");
        }
    }
}
