//! Records as bytes, for selections that are too large for the memory. Nobody but the same process reads them.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_layer::{Content, Timestamp};

use super::item::{FileItem, Item, ItemKind, Origin, Pick, Record};
use crate::context::FileState;

pub(super) fn write_record(file: &mut impl Write, record: &Record) -> io::Result<()> {
    let mut bytes = Bytes(Vec::with_capacity(256));
    match record {
        Record::Pick(pick) => bytes.pick(pick),
        Record::Item(item) => bytes.item(item),
    }
    file.write_all(&bytes.0)
}

/// The next record; nothing at the end.
pub(super) fn read_record(file: &mut impl BufRead) -> io::Result<Option<Record>> {
    if file.fill_buf()?.is_empty() {
        return Ok(None);
    }
    Ok(Some(match byte(file)? {
        0 => Record::Pick(pick(file)?),
        _ => Record::Item(item(file)?),
    }))
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.0.extend_from_slice(&number.to_le_bytes()));
    }

    fn text(&mut self, text: &[u8]) {
        self.numbers(&[text.len() as u64]);
        self.0.extend_from_slice(text);
    }

    fn time(&mut self, time: Timestamp) {
        self.0.extend_from_slice(&time.seconds.to_le_bytes());
        self.numbers(&[u64::from(time.nanoseconds)]);
    }

    fn pick(&mut self, pick: &Pick) {
        self.0.push(0);
        self.text(pick.source.as_bytes());
        self.text(pick.name.as_bytes());
        self.flag(pick.context.is_some());
        self.text(pick.context.as_deref().unwrap_or(Path::new("")).as_os_str().as_bytes());
        self.text(pick.place.as_os_str().as_bytes());
        self.flag(pick.is_settled);
        self.flag(pick.unpacks);
    }

    fn item(&mut self, item: &Item) {
        self.0.push(1);
        self.text(item.path.as_os_str().as_bytes());
        self.numbers(&[item.mode, item.uid, item.gid].map(u64::from));
        self.time(item.modified);
        self.flag(item.included);
        self.numbers(&[item.xattrs.len() as u64]);
        for (name, value) in &item.xattrs {
            self.text(name.as_bytes());
            self.text(value);
        }
        match &item.kind {
            ItemKind::Directory => self.0.push(0),
            ItemKind::Fifo => self.0.push(1),
            ItemKind::Symlink(target) => {
                self.0.push(2);
                self.text(target.as_os_str().as_bytes());
            }
            ItemKind::CharacterDevice(major, minor) => {
                self.0.push(3);
                self.numbers(&[u64::from(*major), u64::from(*minor)]);
            }
            ItemKind::BlockDevice(major, minor) => {
                self.0.push(4);
                self.numbers(&[u64::from(*major), u64::from(*minor)]);
            }
            ItemKind::File(file) => {
                self.0.push(5);
                self.file(file);
            }
        }
    }

    fn file(&mut self, file: &FileItem) {
        self.numbers(&[file.size]);
        self.flag(file.file.is_some());
        self.numbers(&[file.file.unwrap_or(0)]);
        self.0.extend_from_slice(&file.digest);
        match &file.origin {
            Origin::Context(state) => {
                self.0.push(0);
                self.numbers(&[state.inode, state.device, state.size]);
                self.time(state.modified);
                self.time(state.changed);
            }
            Origin::Content(Content::File(path)) => {
                self.0.push(1);
                self.text(path.as_os_str().as_bytes());
            }
            Origin::Content(Content::Inline(bytes)) => {
                self.0.push(2);
                self.text(bytes);
            }
            Origin::Content(Content::Absent) => self.0.push(3),
        }
    }
}

fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn byte(file: &mut impl Read) -> io::Result<u8> {
    Ok(array::<1>(file)?[0])
}

fn flag(file: &mut impl Read) -> io::Result<bool> {
    Ok(byte(file)? != 0)
}

fn number(file: &mut impl Read) -> io::Result<u64> {
    Ok(u64::from_le_bytes(array(file)?))
}

fn small(file: &mut impl Read) -> io::Result<u32> {
    u32::try_from(number(file)?).map_err(io::Error::other)
}

fn text(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = number(file)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn name(file: &mut impl Read) -> io::Result<OsString> {
    Ok(OsString::from_vec(text(file)?))
}

fn path(file: &mut impl Read) -> io::Result<PathBuf> {
    Ok(PathBuf::from(name(file)?))
}

fn time(file: &mut impl Read) -> io::Result<Timestamp> {
    Ok(Timestamp { seconds: i64::from_le_bytes(array(file)?), nanoseconds: small(file)? })
}

fn pick(file: &mut impl Read) -> io::Result<Pick> {
    let source = String::from_utf8(text(file)?).map_err(io::Error::other)?;
    let name = name(file)?;
    let (has_context, context) = (flag(file)?, path(file)?);
    let context = has_context.then(|| Arc::from(context));
    Ok(Pick { source, name, context, place: path(file)?, is_settled: flag(file)?, unpacks: flag(file)? })
}

fn item(file: &mut impl Read) -> io::Result<Item> {
    let path_below = path(file)?;
    let [mode, uid, gid] = [small(file)?, small(file)?, small(file)?];
    let (modified, included) = (time(file)?, flag(file)?);
    let xattrs = (0..number(file)?).map(|_| Ok((name(file)?, text(file)?))).collect::<io::Result<_>>()?;
    let kind = match byte(file)? {
        0 => ItemKind::Directory,
        1 => ItemKind::Fifo,
        2 => ItemKind::Symlink(path(file)?),
        3 => ItemKind::CharacterDevice(small(file)?, small(file)?),
        4 => ItemKind::BlockDevice(small(file)?, small(file)?),
        _ => ItemKind::File(file_item(file)?),
    };
    Ok(Item { path: path_below, kind, mode, uid, gid, modified, xattrs, included })
}

fn file_item(file: &mut impl Read) -> io::Result<FileItem> {
    let size = number(file)?;
    let (is_shared, shared) = (flag(file)?, number(file)?);
    let digest = array(file)?;
    let origin = match byte(file)? {
        0 => Origin::Context(FileState {
            inode: number(file)?,
            device: number(file)?,
            size: number(file)?,
            modified: time(file)?,
            changed: time(file)?,
        }),
        1 => Origin::Content(Content::File(Arc::from(path(file)?))),
        2 => Origin::Content(Content::Inline(Arc::from(text(file)?))),
        _ => Origin::Content(Content::Absent),
    };
    Ok(FileItem { size, origin, file: is_shared.then_some(shared), digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind) -> Record {
        Record::Item(Item {
            path: PathBuf::from(OsString::from_vec(b"d/\xff\n".to_vec())),
            kind,
            mode: 0o4755,
            uid: 1,
            gid: u32::MAX,
            modified: Timestamp { seconds: -5, nanoseconds: 999_999_999 },
            xattrs: vec![("security.capability".into(), vec![0, 1, 2])],
            included: false,
        })
    }

    #[test]
    fn records_come_back_as_they_were() {
        let time = Timestamp { seconds: i64::MAX, nanoseconds: 7 };
        let state = FileState { inode: u64::MAX, device: 2, size: 3, modified: time, changed: time };
        let pick = Pick {
            source: "sö".to_owned(),
            name: OsString::new(),
            context: Some(Arc::from(Path::new("/c"))),
            place: PathBuf::from("p"),
            is_settled: true,
            unpacks: false,
        };
        let mut records = vec![Record::Pick(Pick { context: None, ..pick.clone() }), Record::Pick(pick)];
        for (origin, file) in [
            (Origin::Context(state), Some(0)),
            (Origin::Content(Content::File(Arc::from(Path::new("/x")))), None),
            (Origin::Content(Content::Inline(Arc::from(&b"text"[..]))), Some(9)),
            (Origin::Content(Content::Absent), None),
        ] {
            records.push(item(ItemKind::File(FileItem { size: 1 << 40, origin, file, digest: [7; 32] })));
        }
        records.extend([ItemKind::Directory, ItemKind::Fifo, ItemKind::Symlink("../x".into())].map(item));
        records.extend([ItemKind::CharacterDevice(1, 2), ItemKind::BlockDevice(u32::MAX, 0)].map(item));
        let mut bytes = Vec::new();
        records.iter().for_each(|record| write_record(&mut bytes, record).unwrap());
        let mut file = bytes.as_slice();
        let read: Vec<Record> = std::iter::from_fn(|| read_record(&mut file).unwrap()).collect();
        assert_eq!(read, records);
        let mut cut = &bytes[..bytes.len() - 1];
        assert!((0..records.len()).any(|_| read_record(&mut cut).is_err()));
    }
}
