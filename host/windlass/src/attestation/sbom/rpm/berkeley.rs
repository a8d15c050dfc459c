//! `Packages`, as distributions had it until about 2020: a Berkeley DB hash table with a number as the key of each header. Every page of
//! the table is looked at, so that the hash itself is of no interest.

use super::source::{Damage, Pages, Source, number, part};

const MAGIC: u32 = 0x0006_1561;
const HASH_PAGES: [u8; 2] = [2, 13];
const OVERFLOW_PAGE: u8 = 7;
/// The bytes of a page before its items.
const PAGE_HEADER: usize = 26;
/// An item that stands in the page.
const INLINE: u8 = 1;
/// An item that stands in pages of its own.
const ELSEWHERE: u8 = 3;

/// Gives the header of every package to `each`.
pub(super) fn headers(source: &dyn Source, each: &mut dyn FnMut(&[u8]) -> Result<(), Damage>) -> Result<(), Damage> {
    let mut start = [0; 36];
    source.fill(0, &mut start)?;
    let magic = number(&start, 12)?;
    let is_reversed = u32::from_be_bytes(magic) == MAGIC;
    if !is_reversed && u32::from_le_bytes(magic) != MAGIC {
        return Err(Damage::new("it is no Berkeley DB hash table"));
    }
    let order = Order { is_reversed };
    let version = order.long(&start, 16)?;
    if !(8..=10).contains(&version) {
        return Err(Damage::new(format!("version {version} of the form is not known")));
    }
    let size = order.long(&start, 20)? as usize;
    if !(512..=65_536).contains(&size) || !size.is_power_of_two() {
        return Err(Damage::new(format!("its pages have {size} bytes")));
    }
    let mut table = Table { pages: Pages::new(source, size)?, order };
    let last = table.order.long(&start, 32)?;
    if last >= table.pages.count {
        return Err(Damage::new(format!("its last page is {last}, and it has {} pages", table.pages.count)));
    }
    (1..=last).try_for_each(|page_number| table.page(page_number, each))
}

/// Databases have the byte order of the machine that wrote them.
struct Order {
    is_reversed: bool,
}

impl Order {
    fn long(&self, bytes: &[u8], at: usize) -> Result<u32, Damage> {
        let found = number(bytes, at)?;
        Ok(if self.is_reversed { u32::from_be_bytes(found) } else { u32::from_le_bytes(found) })
    }

    fn short(&self, bytes: &[u8], at: usize) -> Result<usize, Damage> {
        let found = number(bytes, at)?;
        Ok(usize::from(if self.is_reversed { u16::from_be_bytes(found) } else { u16::from_le_bytes(found) }))
    }
}

struct Table<'s> {
    pages: Pages<'s>,
    order: Order,
}

impl Table<'_> {
    /// The values of one page. Keys and values take turns, and fill the page from its end.
    fn page(&mut self, page_number: u32, each: &mut dyn FnMut(&[u8]) -> Result<(), Damage>) -> Result<(), Damage> {
        let page = self.pages.read(page_number)?;
        let [kind] = number(&page, 25)?;
        if !HASH_PAGES.contains(&kind) {
            return Ok(());
        }
        for index in (1..self.order.short(&page, 20)?).step_by(2) {
            let before = self.order.short(&page, PAGE_HEADER + 2 * (index - 1))?;
            let at = self.order.short(&page, PAGE_HEADER + 2 * index)?;
            let length = before.checked_sub(at).ok_or_else(|| Damage::new(format!("page {page_number} is in disorder")))?;
            let item = part(&page, at, length)?;
            let value = match item.first() {
                Some(&INLINE) => {
                    self.pages.allow(length as u64)?;
                    item[1..].to_vec()
                }
                Some(&ELSEWHERE) => self.overflowing(item)?,
                _ => return Err(Damage::new(format!("page {page_number} has an item of an unknown kind"))),
            };
            // The key 0 has the highest number that was given to a package.
            if value.len() > 4 {
                each(&value)?;
            }
        }
        Ok(())
    }

    fn overflowing(&mut self, item: &[u8]) -> Result<Vec<u8>, Damage> {
        let (mut next, length) = (self.order.long(item, 4)?, self.order.long(item, 8)?);
        let length = self.pages.allow(u64::from(length))?;
        let mut value = Vec::new();
        while value.len() < length {
            self.pages.claim(next)?;
            let page = self.pages.read(next)?;
            let here = self.order.short(&page, 22)?;
            if page[25] != OVERFLOW_PAGE || here == 0 || here > length - value.len() {
                return Err(Damage::new(format!("page {next} does not continue a header")));
            }
            value.extend_from_slice(part(&page, PAGE_HEADER, here)?);
            next = self.order.long(&page, 16)?;
        }
        Ok(value)
    }
}
