//! What an entry is, and whose.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::extensions::Extensions;
use super::{field, until_zero};
use crate::path::clamp;
use crate::tar::{BLOCK, number};
use crate::{Content, EntryKind, Timestamp};

pub(super) fn header_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_zero(&block[..100]);
    let prefix = if &block[257..263] == b"ustar\0" { until_zero(&block[345..500]) } else { b"" };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

pub(super) fn kind(block: &[u8; BLOCK], name: &[u8], link: &[u8], size: u64) -> Result<EntryKind, String> {
    let device =
        || Some((u32::try_from(number::read(&block[329..337])?).ok()?, u32::try_from(number::read(&block[337..345])?).ok()?));
    let device = || device().filter(|&(major, minor)| major < 1 << 12 && minor < 1 << 20).ok_or("has a broken device number");
    Ok(match block[156] {
        0 if name.ends_with(b"/") => EntryKind::Directory { opaque: false },
        b'0' | 0 | b'7' | b'S' => EntryKind::File { size, content: Content::Absent },
        b'1' => {
            let target = clamp(link).map_err(|problem| format!("links to a broken name: {problem}"))?;
            EntryKind::HardLink { target }
        }
        b'2' if link.is_empty() || link.contains(&0) || link.len() >= 4096 => {
            return Err("is a symbolic link to a name that is empty, too long or holds a zero byte".to_owned());
        }
        b'2' => EntryKind::Symlink { target: PathBuf::from(OsString::from_vec(link.to_vec())) },
        b'3' => device().map(|(major, minor)| EntryKind::CharacterDevice { major, minor })?,
        b'4' => device().map(|(major, minor)| EntryKind::BlockDevice { major, minor })?,
        b'5' => EntryKind::Directory { opaque: false },
        b'6' => EntryKind::Fifo,
        other => return Err(format!("is an entry of the type `{}`, which is not supported", other.escape_ascii())),
    })
}

/// Owner, group, mode and time of an entry.
pub(super) fn attributes(block: &[u8; BLOCK], extensions: &Extensions) -> Result<(u32, u32, u32, Timestamp), &'static str> {
    let id = |pax: Option<u32>, bytes: &[u8]| {
        let id = match pax {
            Some(id) => Some(id),
            None => field(bytes).and_then(|id| u32::try_from(id).ok()),
        };
        id.filter(|&id| id != u32::MAX).ok_or("has an owner or group that is no id")
    };
    let mode = number::read(&block[100..108]).ok_or("has a mode that is not a number")? & 0o7777;
    let modified = match extensions.modified {
        Some(time) => time,
        None => Timestamp { seconds: number::read(&block[136..148]).ok_or("has a time that is not a number")?, nanoseconds: 0 },
    };
    Ok((id(extensions.uid, &block[108..116])?, id(extensions.gid, &block[116..124])?, mode as u32, modified))
}
