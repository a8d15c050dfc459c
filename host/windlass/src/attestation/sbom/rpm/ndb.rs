//! `Packages.db`, as SUSE has it: pages of slots, each of which says in which blocks a header stands. Numbers have their lowest byte first.

use super::source::{Damage, Pages, Source, number, part};

const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: u64 = 16;
/// What stands before a header and behind it.
const HEAD: u64 = 16;
const TAIL: u64 = 12;

/// Gives the header of every package to `each`.
pub(super) fn headers(source: &dyn Source, each: &mut dyn FnMut(&[u8]) -> Result<(), Damage>) -> Result<(), Damage> {
    let mut pages = Pages::new(source, PAGE)?;
    let mut start = [0; 32];
    source.fill(0, &mut start)?;
    if !start.starts_with(b"RpmP") {
        return Err(Damage::new("it is no NDB database"));
    }
    if value(&start, 4)? != 0 {
        return Err(Damage::new(format!("version {} of the form is not known", value(&start, 4)?)));
    }
    let slot_pages = value(&start, 12)?;
    if slot_pages > pages.count {
        return Err(Damage::new(format!("it says that {slot_pages} pages have slots, and has {} pages", pages.count)));
    }
    for page_number in 0..slot_pages {
        let page = pages.read(page_number)?;
        // The header takes the room of two slots.
        for slot in page.chunks_exact(SLOT).skip(if page_number == 0 { 2 } else { 0 }) {
            if !slot.starts_with(b"Slot") {
                return Err(Damage::new(format!("page {page_number} has no slots")));
            }
            if value(slot, 8)? != 0 {
                each(&header(source, &mut pages, slot)?)?;
            }
        }
    }
    Ok(())
}

/// The header that a slot in use leads to.
fn header(source: &dyn Source, pages: &mut Pages<'_>, slot: &[u8]) -> Result<Vec<u8>, Damage> {
    let [package, first, count] = [value(slot, 4)?, value(slot, 8)?, value(slot, 12)?];
    let wrong = || Damage::new(format!("package {package} is not where its slot says"));
    let start = u64::from(first) * BLOCK;
    let room = u64::from(count) * BLOCK;
    if start + room > source.size() || room < HEAD + TAIL {
        return Err(wrong());
    }
    let mut head = [0; HEAD as usize];
    source.fill(start, &mut head)?;
    let length = u64::from(value(&head, 12)?);
    if !head.starts_with(b"BlbS") || value(&head, 4)? != package || length > room - HEAD - TAIL {
        return Err(wrong());
    }
    let mut bytes = vec![0; pages.allow(length)?];
    source.fill(start + HEAD, &mut bytes)?;
    Ok(bytes)
}

fn value(bytes: &[u8], at: usize) -> Result<u32, Damage> {
    Ok(u32::from_le_bytes(number(part(bytes, at, 4)?, 0)?))
}
