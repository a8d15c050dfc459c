//! One header block, and the PAX header before it where the fields are too small.

use super::{BLOCK, number, padding, pax};

/// The largest number that seven octal digits hold.
const SEVEN_DIGITS: u64 = 0o7_777_777;
/// The largest number that eleven octal digits hold.
const ELEVEN_DIGITS: u64 = 0o77_777_777_777;

/// A PAX record: key and value.
pub(crate) type Record<'a> = (Vec<u8>, &'a [u8]);

/// What a header tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) link: &'a [u8],
    pub(crate) flag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) device: (u32, u32),
    /// Further PAX records, in the order in which they are written.
    pub(crate) records: &'a [Record<'a>],
}

impl Header<'_> {
    /// Appends the header, and before it a PAX header where one is needed.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let records = self.pax_records();
        if !records.is_empty() {
            let name = pax_name(self.name);
            block(out, &Header { name: &name, link: b"", flag: b'x', size: records.len() as u64, records: &[], ..*self }, b"");
            let end = out.len() + records.len() + padding(records.len() as u64);
            out.extend_from_slice(&records);
            out.resize(end, 0);
        }
        let (prefix, name) = split_name(self.name).unwrap_or((b"", self.name));
        block(out, &Header { name, ..*self }, prefix);
    }

    fn pax_records(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.gid as u64 > SEVEN_DIGITS {
            pax::write_record(&mut out, b"gid", self.gid.to_string().as_bytes());
        }
        if self.link.len() > 100 || !self.link.is_ascii() {
            pax::write_record(&mut out, b"linkpath", self.link);
        }
        if !(0..=ELEVEN_DIGITS as i64).contains(&self.modified) {
            pax::write_record(&mut out, b"mtime", self.modified.to_string().as_bytes());
        }
        if split_name(self.name).is_none() {
            pax::write_record(&mut out, b"path", self.name);
        }
        if self.size > ELEVEN_DIGITS {
            pax::write_record(&mut out, b"size", self.size.to_string().as_bytes());
        }
        if self.uid as u64 > SEVEN_DIGITS {
            pax::write_record(&mut out, b"uid", self.uid.to_string().as_bytes());
        }
        for (key, value) in self.records {
            pax::write_record(&mut out, key, value);
        }
        out
    }
}

/// Prefix and name as the ustar fields hold them, or nothing when a PAX record must.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some((b"", name));
    }
    let first = name.len() - 101;
    let slash = first + name.get(first..name.len() - 1)?.iter().position(|&b| b == b'/')?;
    (slash > 0 && slash <= 155).then(|| (&name[..slash], &name[slash + 1..]))
}

/// The name that a PAX header itself carries; readers that know PAX never look at it.
fn pax_name(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let last = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
    [b"PaxHeaders.0/".as_slice(), last].concat().into_iter().filter(u8::is_ascii).take(100).collect()
}

fn block(out: &mut Vec<u8>, header: &Header<'_>, prefix: &[u8]) {
    let start = out.len();
    out.resize(start + BLOCK, 0);
    let block = &mut out[start..];
    put_text(&mut block[..100], header.name);
    number::write_octal(&mut block[100..108], u64::from(header.mode));
    number::write_octal(&mut block[108..116], fitting(u64::from(header.uid), SEVEN_DIGITS));
    number::write_octal(&mut block[116..124], fitting(u64::from(header.gid), SEVEN_DIGITS));
    number::write_octal(&mut block[124..136], fitting(header.size, ELEVEN_DIGITS));
    number::write_octal(&mut block[136..148], fitting(u64::try_from(header.modified).unwrap_or(0), ELEVEN_DIGITS));
    block[156] = header.flag;
    put_text(&mut block[157..257], header.link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    if matches!(header.flag, b'3' | b'4') {
        number::write_octal(&mut block[329..337], u64::from(header.device.0));
        number::write_octal(&mut block[337..345], u64::from(header.device.1));
    }
    put_text(&mut block[345..500], prefix);
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
    number::write_octal(&mut block[148..155], sum);
}

/// The number, or zero when a PAX record tells it.
fn fitting(value: u64, largest: u64) -> u64 {
    if value > largest { 0 } else { value }
}

/// Fills a field with the ASCII bytes of a text; a PAX record tells it where that is not all of it.
fn put_text(field: &mut [u8], text: &[u8]) {
    for (place, byte) in field.iter_mut().zip(text.iter().filter(|b| b.is_ascii())) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8]) -> Header<'_> {
        Header { name, link: b"", flag: b'0', mode: 0o644, uid: 0, gid: 0, size: 0, modified: 0, device: (0, 0), records: &[] }
    }

    #[test]
    fn names_are_split_at_a_slash_where_both_parts_fit() {
        let long = [[b'p'; 150].as_slice(), b"/", &[b'n'; 100]].concat();
        assert_eq!(split_name(&long), Some(([b'p'; 150].as_slice(), [b'n'; 100].as_slice())));
        assert_eq!(split_name(&[b'n'; 101]), None);
        let directory = [[b'd'; 100].as_slice(), b"/"].concat();
        assert_eq!(split_name(&directory), None, "an empty name would be left");
        assert_eq!(split_name("é".as_bytes()), None);
    }

    #[test]
    fn ordinary_entries_need_one_block() {
        let mut out = Vec::new();
        header(b"etc/passwd").encode(&mut out);
        assert_eq!(out.len(), BLOCK);
    }

    #[test]
    fn the_tar_crate_reads_what_does_not_fit_the_fields() {
        let name = [b"dir/".as_slice(), &[b'x'; 200], "ü".as_bytes()].concat();
        let mut out = Vec::new();
        Header { uid: 3_000_000_000, gid: 4_000_000, modified: -5, ..header(&name) }.encode(&mut out);
        out.resize(out.len() + 1024, 0);
        let mut archive = tar::Archive::new(out.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().as_ref(), name);
        let records: Vec<_> = entry.pax_extensions().unwrap().unwrap().map(|r| r.unwrap().key().unwrap().to_owned()).collect();
        assert_eq!(records, ["gid", "mtime", "path", "uid"]);
        assert_eq!(entry.header().uid().unwrap(), 3_000_000_000);
    }
}
