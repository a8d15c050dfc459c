//! The header of an installed package, as databases keep it: how many entries there are, how large the store is, the entries, and the
//! store with their values. Numbers have their highest byte first.

use super::source::{Damage, number, part};

/// Entries of a header; rpm(8) itself takes no more.
const MOST_ENTRIES: usize = 0xffff;
/// Bytes of an entry: tag, type, offset and count.
const ENTRY: usize = 16;
/// The longest license expressions have some kilobytes.
const LONGEST_TEXT: usize = 64 << 10;

/// What is told of a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) release: Option<String>,
    pub(super) epoch: Option<u32>,
    pub(super) vendor: Option<String>,
    pub(super) license: Option<String>,
    pub(super) architecture: Option<String>,
    /// The file name of the package that it was built from.
    pub(super) source: Option<String>,
}

impl Header {
    pub(super) fn parse(blob: &[u8]) -> Result<Self, Damage> {
        let (entries, size) = (length(blob, 0)?, length(blob, 4)?);
        if entries > MOST_ENTRIES {
            return Err(Damage::new(format!("a header has {entries} entries")));
        }
        let index = part(blob, 8, entries * ENTRY)?;
        let store = part(blob, 8 + entries * ENTRY, size)?;
        let mut header = Self::default();
        for entry in index.chunks_exact(ENTRY) {
            header.take(entry, store)?;
        }
        Ok(header)
    }

    fn take(&mut self, entry: &[u8], store: &[u8]) -> Result<(), Damage> {
        let [tag, kind, offset] = [length(entry, 0)?, length(entry, 4)?, length(entry, 8)?];
        let slot = match tag {
            1000 => &mut self.name,
            1001 => &mut self.version,
            1002 => &mut self.release,
            1003 if kind == 4 && self.epoch.is_none() => {
                self.epoch = Some(u32::from_be_bytes(number(store, offset)?));
                return Ok(());
            }
            1011 => &mut self.vendor,
            1014 => &mut self.license,
            1022 => &mut self.architecture,
            1044 => &mut self.source,
            _ => return Ok(()),
        };
        // A text, the first of several, or the first of its translations.
        if slot.is_none() && matches!(kind, 6 | 8 | 9) {
            *slot = Some(text(store, offset)?);
        }
        Ok(())
    }
}

fn length(bytes: &[u8], at: usize) -> Result<usize, Damage> {
    Ok(u32::from_be_bytes(number(bytes, at)?) as usize)
}

fn text(store: &[u8], offset: usize) -> Result<String, Damage> {
    let rest = store.get(offset..).unwrap_or_default();
    let end = rest.iter().take(LONGEST_TEXT).position(|byte| *byte == 0);
    let end = end.ok_or_else(|| Damage::new("a text in a header has no end"))?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}
