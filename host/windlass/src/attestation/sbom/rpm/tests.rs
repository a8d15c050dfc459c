//! Databases that are written here, whole and damaged. That real ones are read is a story of the end-to-end tests.

use std::io;

use proptest::prelude::*;

use super::*;

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let found = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)?.get(..buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Puts headers into a database.
type Write = fn(&[Vec<u8>]) -> Vec<u8>;

const FORMS: [(Form, Write); 3] = [(Form::Sqlite, sqlite), (Form::Ndb, ndb), (Form::Berkeley, berkeley)];

/// A header with `filling` bytes that nobody asks for.
fn header(name: &str, epoch: Option<u32>, filling: usize) -> Vec<u8> {
    let (mut index, mut store, mut count) = (Vec::new(), vec![b'f'; filling], 0_u32);
    let mut add = |tag: u32, kind: u32, value: &[u8]| {
        count += 1;
        [tag, kind, store.len() as u32, 1].iter().for_each(|number| index.extend(number.to_be_bytes()));
        store.extend(value);
    };
    for (tag, value) in [(1000, name), (1001, "1.2"), (1002, "3.el9"), (1014, "MIT"), (1022, "noarch"), (1044, "s.src.rpm")] {
        add(tag, 6, format!("{value}\0").as_bytes());
    }
    epoch.iter().for_each(|epoch| add(1003, 4, &epoch.to_be_bytes()));
    [&count.to_be_bytes()[..], &(store.len() as u32).to_be_bytes(), &index, &store].concat()
}

fn varint(number: usize) -> Vec<u8> {
    vec![0x80 | (number >> 14) as u8, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8]
}

/// Pages of 512 bytes: the schema, a root above the leaves, and a leaf with what overflows from it for each header.
fn sqlite(headers: &[Vec<u8>]) -> Vec<u8> {
    const PAGE: usize = 512;
    let leaf = |start: usize, payload: &[u8], next: Option<u32>| {
        let mut cell = [varint(payload.len()), vec![1]].concat();
        let local = if payload.len() <= PAGE - 35 { payload.len() } else { 39 + (payload.len() - 39) % (PAGE - 4) };
        let local = if local <= PAGE - 35 { local } else { 39 };
        cell.extend(&payload[..local]);
        if local < payload.len() {
            cell.extend(next.unwrap().to_be_bytes());
        }
        let mut page = vec![0; PAGE];
        let at = PAGE - cell.len();
        page[at..].copy_from_slice(&cell);
        (page[start], page[start + 4]) = (13, 1);
        page[start + 8..start + 10].copy_from_slice(&(at as u16).to_be_bytes());
        (page, payload[local..].to_vec())
    };
    let schema = [&[6, 23, 29, 29, 1, 13][..], b"tablePackagesPackages\x02"].concat();
    let (mut first, _) = leaf(100, &schema, None);
    first[..16].copy_from_slice(b"SQLite format 3\0");
    first[16..18].copy_from_slice(&512_u16.to_be_bytes());
    let (mut root, mut rest, mut children) = (vec![0; PAGE], Vec::new(), Vec::new());
    for header in headers {
        let number = 3 + (rest.len() / PAGE) as u32;
        children.push(number);
        let row = [&[5, 0][..], &varint(12 + 2 * header.len()), header].concat();
        let (page, overflow) = leaf(0, &row, Some(number + 1));
        rest.extend(page);
        for (index, part) in overflow.chunks(PAGE - 4).enumerate() {
            rest.extend((number + 2 + index as u32).to_be_bytes());
            rest.extend(part);
            rest.resize(rest.len().next_multiple_of(PAGE), 0);
        }
    }
    let last = children.pop().unwrap();
    (root[0], root[4]) = (5, children.len() as u8);
    root[8..12].copy_from_slice(&last.to_be_bytes());
    for (index, child) in children.iter().enumerate() {
        let at = PAGE - 5 * (index + 1);
        root[at..at + 4].copy_from_slice(&child.to_be_bytes());
        root[12 + 2 * index..14 + 2 * index].copy_from_slice(&(at as u16).to_be_bytes());
    }
    [first, root, rest].concat()
}

fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let slot = |numbers: [u32; 3]| [&b"Slot"[..], &numbers.map(u32::to_le_bytes).concat()].concat();
    let mut slots = [&b"RpmP"[..], &[0, 1, 1, 2, 0, 0, 0].map(u32::to_le_bytes).concat()].concat();
    let mut blobs = Vec::new();
    for (number, header) in (1_u32..).zip(headers) {
        let length = header.len() as u32;
        let mut blob = [&b"BlbS"[..], &[number, 0, length].map(u32::to_le_bytes).concat(), header].concat();
        blob.resize((blob.len() + 12).next_multiple_of(16), 0);
        slots.extend(slot([number, 256 + (blobs.len() / 16) as u32, (blob.len() / 16) as u32]));
        blobs.extend(blob);
    }
    while slots.len() < 4096 {
        slots.extend(slot([0; 3]));
    }
    [slots, blobs].concat()
}

/// A page for each header, and pages for what is large; all with the highest byte first.
fn berkeley(headers: &[Vec<u8>]) -> Vec<u8> {
    const PAGE: usize = 512;
    let page = |kind: u8, next: u32, entries: u16, free: u16| {
        let mut page = vec![0; PAGE];
        page[16..20].copy_from_slice(&next.to_be_bytes());
        page[20..22].copy_from_slice(&entries.to_be_bytes());
        page[22..24].copy_from_slice(&free.to_be_bytes());
        page[25] = kind;
        page
    };
    let mut file = page(8, 0, 0, 0);
    for header in headers {
        let mut item = [&[1][..], header].concat();
        let number = (file.len() / PAGE) as u32;
        if item.len() > 400 {
            item = [&[3, 0, 0, 0][..], &(number + 1).to_be_bytes(), &(header.len() as u32).to_be_bytes()].concat();
        }
        let mut hash = page(13, 0, 2, 0);
        let (key, value) = (PAGE - 5, PAGE - 5 - item.len());
        hash[key] = 1;
        hash[value..key].copy_from_slice(&item);
        hash[26..28].copy_from_slice(&(key as u16).to_be_bytes());
        hash[28..30].copy_from_slice(&(value as u16).to_be_bytes());
        file.extend(hash);
        if item[0] == 3 {
            for (index, part) in header.chunks(PAGE - 26).enumerate() {
                let mut overflow = page(7, number + 2 + index as u32, 1, part.len() as u16);
                overflow[26..26 + part.len()].copy_from_slice(part);
                file.extend(overflow);
            }
        }
    }
    let last = (file.len() / PAGE - 1) as u32;
    for (at, number) in [(12, 0x0006_1561), (16, 9), (20, PAGE as u32), (32, last)] {
        file[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
    }
    file
}

fn urls(form: Form, file: &Vec<u8>) -> (Vec<String>, Result<(), Damage>) {
    let (packages, result) = read(form, file, &Distribution::of("ID=fedora\nVERSION_ID=41\n"));
    (packages.iter().map(Package::url).collect(), result)
}

#[test]
fn packages_of_every_form_are_read_and_keys_are_none() {
    let headers =
        [header("small", None, 0), header("gpg-pubkey", None, 0), header("large", Some(2), 3000), header("last", None, 9)];
    for (form, write) in FORMS {
        let (urls, result) = urls(form, &write(&headers));
        let rest = "@1.2-3.el9?arch=noarch&distro=fedora-41";
        assert!(result.is_ok(), "{form:?}: {result:?}");
        assert_eq!(
            urls,
            [
                format!("pkg:rpm/fedora/small{rest}"),
                format!("pkg:rpm/fedora/large{rest}&epoch=2"),
                format!("pkg:rpm/fedora/last{rest}")
            ],
            "{form:?}"
        );
    }
}

#[test]
fn what_stands_before_the_damage_is_told() {
    for (form, write) in FORMS {
        let mut file = write(&[header("first", None, 0), header("second", None, 3000)]);
        file.truncate(file.len() - 2000);
        let (urls, result) = urls(form, &file);
        assert!(result.is_err(), "{form:?}");
        assert!(urls.len() <= 1 && urls.iter().all(|url| url.contains("/first@")), "{form:?}: {urls:?}");
    }
}

#[test]
fn pages_in_a_circle_and_headers_on_top_of_each_other_end() {
    let mut circle = sqlite(&[header("a", None, 3000)]);
    // What overflows goes on where it is.
    circle[3 * 512..3 * 512 + 4].copy_from_slice(&4_u32.to_be_bytes());
    assert!(urls(Form::Sqlite, &circle).1.unwrap_err().to_string().contains("used twice"));
    let mut circle = sqlite(&[header("a", None, 0)]);
    circle[512 + 8..512 + 12].copy_from_slice(&2_u32.to_be_bytes());
    assert!(urls(Form::Sqlite, &circle).1.unwrap_err().to_string().contains("used twice"));
    let mut circle = berkeley(&[header("a", None, 3000)]);
    circle[2 * 512 + 16..2 * 512 + 20].copy_from_slice(&2_u32.to_be_bytes());
    assert!(urls(Form::Berkeley, &circle).1.unwrap_err().to_string().contains("used twice"));
    let mut overlapping = ndb(&[header("a", None, 3000)]);
    let slot = overlapping[32..48].to_vec();
    for at in (48..4096).step_by(16) {
        overlapping[at..at + 16].copy_from_slice(&slot);
    }
    assert!(urls(Form::Ndb, &overlapping).1.unwrap_err().to_string().contains("overlap"));
}

#[test]
fn headers_that_lead_out_of_themselves_are_errors() {
    for (at, value) in [(0, u32::MAX), (4, u32::MAX), (0, 0xffff), (16, u32::MAX)] {
        let mut blob = header("a", None, 0);
        blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
        assert!(Header::parse(&blob).is_err(), "{value} at {at}");
    }
    assert!(Header::parse(&[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn whatever_is_changed_in_a_database_reading_it_ends(
        form in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>(), 1_usize..=4), 1..12),
        begins in prop::collection::vec((0_usize..64, any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let (form, write) = FORMS[form];
        let mut file = write(&[header("a", None, 0), header("b", Some(1), 1500), header("c", None, 300)]);
        // The first bytes decide most.
        begins.into_iter().for_each(|(at, byte)| file[at] = byte);
        for (at, bytes, count) in changes {
            let at = at.index(file.len() - 4);
            file[at..at + count].copy_from_slice(&bytes[..count]);
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let (packages, _) = urls(form, &file);
        prop_assert!(packages.len() <= file.len());
    }
}
