//! What a layout's files are read from: a directory, or a tar archive, of which only the names are kept in memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tar::{EntryType, Header, PaxExtensions};

use super::error::{LayoutError, failed};

const BLOCK: u64 = 512;
/// No file name is longer.
const LONGEST_EXTENSION: u64 = 64 * 1024;
/// More entries than any archive of images has.
const MOST_ENTRIES: usize = 100_000;
const MOST_LINKS: usize = 8;
const LARGEST_DOCUMENT: u64 = 4 * 1024 * 1024;

/// A layout's files.
pub(super) struct Container {
    path: PathBuf,
    /// `None` for a directory.
    entries: Option<HashMap<String, Entry>>,
}

enum Entry {
    File { offset: u64, size: u64 },
    Link(String),
}

impl Container {
    /// Opens a directory or an archive.
    pub(super) fn open_at(path: &Path) -> Result<Self, LayoutError> {
        let kind = fs::metadata(path).map_err(failed("read", path))?;
        let place = |reason: &str| LayoutError::Place { path: path.to_owned(), reason: reason.to_owned() };
        let entries = if kind.is_dir() {
            None
        } else if kind.is_file() {
            let mut file = File::open(path).map_err(failed("read", path))?;
            Some(list(&mut file, kind.len()).map_err(|reason| place(&reason))?)
        } else {
            return Err(place("is neither a directory nor an archive"));
        };
        Ok(Self { path: path.to_owned(), entries })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.open(name).is_ok()
    }

    /// A file's content and its size.
    pub(super) fn open(&self, name: &str) -> Result<(Box<dyn Read>, u64), LayoutError> {
        let missing = || LayoutError::Missing { path: self.path.clone(), what: crate::text::clean(name, 200) };
        let Some(entries) = &self.entries else {
            if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(missing());
            }
            let path = self.path.join(name);
            // Links lead out of the layout, and opening a pipe waits for ever.
            let kind = fs::symlink_metadata(&path).map_err(|_| missing())?;
            if !kind.is_file() {
                return Err(missing());
            }
            return Ok((Box::new(File::open(&path).map_err(failed("read", &path))?), kind.len()));
        };
        let mut name = normal("", name);
        for _ in 0..MOST_LINKS {
            match entries.get(&name) {
                Some(Entry::File { offset, size }) => {
                    let mut file = File::open(&self.path).map_err(|error| self.failed(error))?;
                    file.seek(SeekFrom::Start(*offset)).map_err(|error| self.failed(error))?;
                    return Ok((Box::new(file.take(*size)), *size));
                }
                Some(Entry::Link(target)) => name.clone_from(target),
                None => break,
            }
        }
        Err(missing())
    }

    /// A file's whole content, when it has at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, LayoutError> {
        let (reader, size) = self.open(name)?;
        if size > limit {
            return Err(self.unusable(name, format!("it is larger than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        reader.take(limit).read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        Ok(bytes)
    }

    /// A small JSON document.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, LayoutError> {
        let bytes = self.read(name, LARGEST_DOCUMENT)?;
        serde_json::from_slice(&bytes).map_err(|error| self.unusable(name, error.to_string()))
    }

    pub(super) fn unusable(&self, what: &str, reason: String) -> LayoutError {
        LayoutError::Content { path: self.path.clone(), what: crate::text::clean(what, 200), source: reason.into() }
    }

    pub(super) fn failed(&self, source: io::Error) -> LayoutError {
        failed("read", &self.path)(source)
    }
}

/// Lists an archive's files and links, and where their content is. Names that nobody asks for cost nothing more.
fn list(file: &mut File, length: u64) -> Result<HashMap<String, Entry>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let broken = |what: &str| format!("is not a readable tar archive: {what}");
    let mut entries = HashMap::new();
    let (mut position, mut extension) = (0, Extension::default());
    loop {
        let mut header = Header::new_old();
        file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
        match file.read_exact(header.as_mut_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && position > 0 => return Ok(entries),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(broken("it is too short")),
            Err(error) => return Err(unreadable(error)),
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        if !has_right_sum(&header) {
            let compressed =
                position == 0 && matches!(header.as_bytes()[..2], [0x1f, 0x8b] | [0x28, 0xb5] | [0xfd, 0x37] | [0x42, 0x5a]);
            return Err(broken(if compressed { "it is compressed; decompress it first" } else { "a header is damaged" }));
        }
        let written = header.entry_size().map_err(|_| broken("a size is no number"))?;
        let kind = header.entry_type();
        let is_extension = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        let size = if is_extension { written } else { extension.size.unwrap_or(written) };
        let offset = position + BLOCK;
        let end =
            offset.checked_add(size).filter(|end| *end <= length).ok_or_else(|| broken("an entry goes on after its end"))?;
        if is_extension {
            extension.read(file, kind, size).map_err(|reason| broken(&reason))?;
        } else {
            let extension = std::mem::take(&mut extension);
            let name = normal("", &extension.path.unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned()));
            let link =
                extension.link.or_else(|| header.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()));
            if let Some(entry) = entry(kind, &name, link, offset, size) {
                entries.insert(name, entry);
            }
        }
        if entries.len() > MOST_ENTRIES {
            return Err(format!("has more than {MOST_ENTRIES} entries"));
        }
        position = end.div_ceil(BLOCK) * BLOCK;
    }
}

/// What earlier headers say about the next entry.
#[derive(Default)]
struct Extension {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl Extension {
    fn read(&mut self, file: &mut File, kind: EntryType, size: u64) -> Result<(), String> {
        if size > LONGEST_EXTENSION {
            return Err(format!("an extended header has {size} bytes"));
        }
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        if kind.is_gnu_longname() {
            self.path = Some(text(&bytes));
        } else if kind.is_gnu_longlink() {
            self.link = Some(text(&bytes));
        } else {
            for field in PaxExtensions::new(&bytes) {
                let field = field.map_err(|error| error.to_string())?;
                match field.key_bytes() {
                    b"path" => self.path = Some(text(field.value_bytes())),
                    b"linkpath" => self.link = Some(text(field.value_bytes())),
                    b"size" => self.size = Some(text(field.value_bytes()).parse().map_err(|_| "a size is no number".to_owned())?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn has_right_sum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    header.cksum().is_ok_and(|written| written == sum)
}

fn entry(kind: EntryType, name: &str, link: Option<String>, offset: u64, size: u64) -> Option<Entry> {
    match kind {
        EntryType::Regular | EntryType::Continuous => Some(Entry::File { offset, size }),
        // Docker before version 25 writes a layer that occurs twice as a link to the first.
        EntryType::Symlink => Some(Entry::Link(normal(name.rsplit_once('/').map_or("", |(parent, _)| parent), &link?))),
        EntryType::Link => Some(Entry::Link(normal("", &link?))),
        _ => None,
    }
}

/// `name` as seen from `base`, without `.` and `..`; never above the archive's root.
fn normal(base: &str, name: &str) -> String {
    let base = if name.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn listed(bytes: &[u8]) -> Result<HashMap<String, Entry>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        list(&mut file, bytes.len() as u64)
    }

    fn header(kind: EntryType, name: &str, size: u64) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_path(name).unwrap();
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    #[test]
    fn long_names_and_links_are_followed() {
        let mut builder = tar::Builder::new(Vec::new());
        let long = format!("{}/layer.tar", "a".repeat(150));
        let mut file = Header::new_gnu();
        file.set_size(3);
        builder.append_data(&mut file, &long, &b"abc"[..]).unwrap();
        let mut link = Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "b/layer.tar", format!("../{long}")).unwrap();
        let entries = listed(&builder.into_inner().unwrap()).unwrap();
        assert!(matches!(entries.get(&long), Some(Entry::File { size: 3, .. })));
        assert!(matches!(entries.get("b/layer.tar"), Some(Entry::Link(target)) if *target == long));
    }

    #[test]
    fn sizes_that_lie_are_errors_and_cost_no_memory() {
        assert!(listed(&header(EntryType::Regular, "x", 1 << 40)).err().unwrap().contains("after its end"));
        let mut bytes = header(EntryType::XHeader, "x", 1 << 20);
        bytes.resize(2 << 20, b'x');
        assert!(listed(&bytes).err().unwrap().contains("extended header"));
        assert!(listed(&[0x1f, 0x8b].repeat(512)).err().unwrap().contains("compressed"));
        assert!(listed(b"short").is_err());
        assert!(listed(&[0; 1024]).unwrap().is_empty());
    }

    #[test]
    fn names_do_not_lead_out_of_the_archive() {
        assert_eq!(normal("a/b", "../../../etc/passwd"), "etc/passwd");
        assert_eq!(normal("a", "/x/./y"), "x/y");
    }
}
