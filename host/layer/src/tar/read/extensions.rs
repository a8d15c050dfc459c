//! What PAX headers say of the entries that follow.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::{TarReader, broken};
use crate::Timestamp;
use crate::stream::ReadError;
use crate::tar::sparse::SparseRecords;
use crate::tar::{XATTR_RECORD, padding, pax};

/// The most that a PAX header or a long name may take, in bytes.
const LARGEST_EXTENSION: u64 = 1 << 20;
/// The most that global PAX records may take, in bytes: they are applied to every entry that follows.
const LARGEST_GLOBAL: usize = 16 << 10;
/// The most extended attributes of an entry.
const MOST_XATTRS: usize = 200;
/// The largest extended attribute of Linux, in bytes.
const LARGEST_XATTR: usize = 64 << 10;

/// What the headers before an entry tell of it.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) modified: Option<Timestamp>,
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
    pub(super) sparse: Option<SparseRecords>,
}

impl TarReader<'_> {
    /// The content of a header that extends the next one.
    pub(super) fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > LARGEST_EXTENSION {
            return Err(broken(
                self.offset,
                format!("an extended header claims {size} bytes, at most {LARGEST_EXTENSION} are allowed"),
            ));
        }
        let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
        self.read_exact(&mut text, "an extended header")?;
        self.skip(padding(size) as u64, "an extended header")?;
        Ok(text)
    }

    pub(super) fn local_records(&self, extensions: &mut Extensions, mut text: &[u8], start: u64) -> Result<(), ReadError> {
        while !text.is_empty() {
            pax::read_record(&mut text)
                .and_then(|(key, value)| apply_record(extensions, key, value))
                .map_err(|problem| broken(start, problem))?;
        }
        Ok(())
    }

    /// Records for all entries that follow; a later header's records come on top.
    pub(super) fn global_records(&mut self, extensions: &mut Extensions, size: u64, start: u64) -> Result<(), ReadError> {
        let text = self.extension(size)?;
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let (key, value) = pax::read_record(&mut rest).map_err(|problem| broken(start, problem))?;
            if key == b"comment" {
                continue;
            }
            self.global.retain(|(known, _)| known != key);
            self.global.push((key.to_vec(), value.to_vec()));
            let held: usize = self.global.iter().map(|(key, value)| key.len() + value.len()).sum();
            if held > LARGEST_GLOBAL {
                return Err(broken(start, format!("the global PAX records take more than {LARGEST_GLOBAL} bytes")));
            }
        }
        self.local_records(extensions, &text, start)
    }
}

pub(super) fn apply_record(extensions: &mut Extensions, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
    let some = (!value.is_empty()).then_some(value);
    match key {
        b"path" => extensions.name = some.map(<[u8]>::to_vec),
        b"linkpath" => extensions.link = some.map(<[u8]>::to_vec),
        b"size" => extensions.size = some.map(|v| pax::number(v).ok_or("the PAX record `size` is not a number")).transpose()?,
        b"uid" => extensions.uid = some.map(|v| pax::number(v).ok_or("the PAX record `uid` is not an id")).transpose()?,
        b"gid" => extensions.gid = some.map(|v| pax::number(v).ok_or("the PAX record `gid` is not an id")).transpose()?,
        b"mtime" => extensions.modified = some.map(|v| pax::time(v).ok_or("the PAX record `mtime` is not a time")).transpose()?,
        _ => {
            if let Some(sparse) = key.strip_prefix(b"GNU.sparse.") {
                extensions.sparse.get_or_insert_default().record(sparse, value)?;
            } else if let Some(name) = key.strip_prefix(XATTR_RECORD) {
                if name.is_empty() || name.len() > 255 || name.contains(&0) || value.len() > LARGEST_XATTR {
                    return Err("an extended attribute's name or value is too long, or the name empty");
                }
                if extensions.xattrs.len() >= MOST_XATTRS {
                    return Err("it has too many extended attributes");
                }
                let name = OsString::from_vec(name.to_vec());
                extensions.xattrs.retain(|(known, _)| *known != name);
                extensions.xattrs.push((name, value.to_vec()));
            }
        }
    }
    Ok(())
}
