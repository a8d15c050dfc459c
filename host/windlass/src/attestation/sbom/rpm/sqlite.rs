//! The table `Packages` of an SQLite database: a b-tree whose leaves have a number and a header in each row.

use super::source::{Damage, Pages, Source, number, part};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const INNER: u8 = 5;
const LEAF: u8 = 13;
/// Columns beyond these are never asked for.
const MOST_COLUMNS: usize = 5;

/// Gives the header of every package to `each`.
pub(super) fn headers(source: &dyn Source, each: &mut dyn FnMut(&[u8]) -> Result<(), Damage>) -> Result<(), Damage> {
    let mut start = [0; 100];
    source.fill(0, &mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(Damage::new("it is no SQLite database"));
    }
    let size = match u16::from_be_bytes([start[16], start[17]]) {
        1 => 65_536,
        size if size >= 512 && size.is_power_of_two() => usize::from(size),
        size => return Err(Damage::new(format!("its pages have {size} bytes"))),
    };
    let usable = size - usize::from(start[20]);
    if usable < 480 {
        return Err(Damage::new(format!("{usable} bytes of its pages are used")));
    }
    let mut database = Database { pages: Pages::new(source, size)?, usable };
    let mut root = None;
    database.rows(1, &mut |row| {
        if let [kind, name, _, Column::Integer(page), ..] = columns(row)?.as_slice()
            && kind.is_text("table")
            && name.is_text("packages")
        {
            root = u32::try_from(*page).ok();
        }
        Ok(())
    })?;
    let root = root.ok_or_else(|| Damage::new("it has no table `Packages`"))?;
    database.rows(root, &mut |row| match columns(row)?.as_slice() {
        [_, Column::Bytes(header), ..] => each(header),
        _ => Err(Damage::new("a row of `Packages` has no header")),
    })
}

struct Database<'s> {
    pages: Pages<'s>,
    /// How many bytes of each page SQLite uses.
    usable: usize,
}

impl Database<'_> {
    /// Every row of the table whose tree begins at page `root`; pages are counted from 1.
    fn rows(&mut self, root: u32, each: &mut dyn FnMut(&[u8]) -> Result<(), Damage>) -> Result<(), Damage> {
        self.claim(root)?;
        let mut pending = vec![root];
        while let Some(page_number) = pending.pop() {
            let page = self.pages.read(page_number - 1)?;
            // The first page begins with the header of the file.
            let start = if page_number == 1 { 100 } else { 0 };
            let [kind] = number(&page, start)?;
            let cells = usize::from(u16::from_be_bytes(number(&page, start + 3)?));
            let first = start + if kind == INNER { 12 } else { 8 };
            let cell = |index: usize| Ok::<_, Damage>(usize::from(u16::from_be_bytes(number(&page, first + 2 * index)?)));
            match kind {
                INNER => {
                    let last = u32::from_be_bytes(number(&page, start + 8)?);
                    self.claim(last)?;
                    pending.push(last);
                    for index in (0..cells).rev() {
                        let child = u32::from_be_bytes(number(&page, cell(index)?)?);
                        self.claim(child)?;
                        pending.push(child);
                    }
                }
                LEAF => (0..cells).try_for_each(|index| each(&self.payload(&page, cell(index)?)?))?,
                _ => return Err(Damage::new(format!("page {page_number} is none of a table"))),
            }
        }
        Ok(())
    }

    fn claim(&mut self, page_number: u32) -> Result<(), Damage> {
        self.pages.claim(page_number.checked_sub(1).ok_or_else(|| Damage::new("there is no page 0"))?)
    }

    /// The row in the cell at `at`, with what did not fit into the page.
    fn payload(&mut self, page: &[u8], at: usize) -> Result<Vec<u8>, Damage> {
        let (length, at) = varint(page, at)?;
        let (_row, at) = varint(page, at)?;
        let length = self.pages.allow(length)?;
        let local = self.local(length);
        let mut payload = part(page, at, local)?.to_vec();
        if local < length {
            let mut next = u32::from_be_bytes(number(page, at + local)?);
            while payload.len() < length {
                self.claim(next)?;
                let page = self.pages.read(next - 1)?;
                let more = (length - payload.len()).min(self.usable - 4);
                payload.extend_from_slice(part(&page, 4, more)?);
                next = u32::from_be_bytes(number(&page, 0)?);
            }
        }
        Ok(payload)
    }

    /// How much of a row stands in the leaf itself.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

enum Column<'r> {
    Integer(u64),
    Bytes(&'r [u8]),
    Other,
}

impl Column<'_> {
    fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.eq_ignore_ascii_case(text.as_bytes()))
    }
}

/// The columns of a row: their types come first, and then their values.
fn columns(row: &[u8]) -> Result<Vec<Column<'_>>, Damage> {
    let (types_end, mut at) = varint(row, 0)?;
    let mut value_at = usize::try_from(types_end).unwrap_or(usize::MAX);
    let types = row.get(..value_at).ok_or_else(|| Damage::new("a row is cut short"))?;
    let mut found = Vec::new();
    while at < types.len() && found.len() < MOST_COLUMNS {
        let (kind, next) = varint(types, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            _ => kind.saturating_sub(12) / 2,
        };
        let value = part(row, value_at, usize::try_from(length).unwrap_or(usize::MAX))?;
        value_at += value.len();
        found.push(match kind {
            1..=6 => Column::Integer(value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            12.. => Column::Bytes(value),
            _ => Column::Other,
        });
    }
    Ok(found)
}

/// A number of one to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Damage> {
    let mut value = 0_u64;
    for index in 0..9 {
        let [byte] = number(bytes, at + index)?;
        if index == 8 {
            return Ok((value << 8 | u64::from(byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Ok((value, at + index + 1));
        }
    }
    Err(Damage::new("a number has no end"))
}
