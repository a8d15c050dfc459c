//! Archives written byte by byte, because no honest library writes what a hostile one holds.

/// An archive that is being written.
#[derive(Debug, Clone, Default)]
pub struct RawTar {
    bytes: Vec<u8>,
}

/// One header, every field as it is to stand there.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    /// At most 100 bytes; the rest is cut off.
    pub name: &'a [u8],
    /// The type: `b'0'` is a file, `b'1'` a hard link, `b'2'` a symbolic link, `b'5'` a directory.
    pub flag: u8,
    /// At most 100 bytes; the rest is cut off.
    pub link: &'a [u8],
    /// The size field's twelve bytes.
    pub size: [u8; 12],
    /// The mode.
    pub mode: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl Default for Header<'_> {
    fn default() -> Self {
        Self { name: b"", flag: b'0', link: b"", size: octal(0), mode: 0o755, device: (0, 0) }
    }
}

/// A size field: octal digits, or base 256 as GNU tar writes what is 8 GiB and more.
#[must_use]
pub fn octal(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if size < 1 << 33 {
        field[..11].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
    }
    field
}

impl RawTar {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header with a right checksum.
    #[must_use]
    pub fn header(mut self, header: &Header<'_>) -> Self {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, most: usize, text: &[u8]| {
            let text = &text[..text.len().min(most)];
            block[at..at + text.len()].copy_from_slice(text);
        };
        put(0, 100, header.name);
        put(100, 8, format!("{:07o}", header.mode).as_bytes());
        put(108, 8, b"0000000");
        put(116, 8, b"0000000");
        put(124, 12, &header.size);
        put(136, 12, b"14400000000");
        put(148, 8, b"        ");
        put(156, 1, &[header.flag]);
        put(157, 100, header.link);
        put(257, 8, b"ustar\x0000");
        put(329, 8, format!("{:07o}", header.device.0).as_bytes());
        put(337, 8, format!("{:07o}", header.device.1).as_bytes());
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&block);
        self
    }

    /// Adds bytes, and zeros up to the next block.
    #[must_use]
    pub fn content(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.header(&Header { name: name.as_bytes(), size: octal(content.len() as u64), ..Header::default() }).content(content)
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(self, name: &str) -> Self {
        self.header(&Header { name: name.as_bytes(), flag: b'5', ..Header::default() })
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.header(&Header { name: name.as_bytes(), flag: b'2', link: target.as_bytes(), ..Header::default() })
    }

    /// Adds a hard link.
    #[must_use]
    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.header(&Header { name: name.as_bytes(), flag: b'1', link: target.as_bytes(), ..Header::default() })
    }

    /// Adds an extended header of PAX (`b'x'`, `b'g'`) or GNU (`b'L'`, `b'K'`) with this content.
    #[must_use]
    pub fn extension(self, flag: u8, content: &[u8]) -> Self {
        let name = b"././@LongLink";
        self.header(&Header { name, flag, size: octal(content.len() as u64), ..Header::default() }).content(content)
    }

    /// Adds PAX records for the next entry.
    #[must_use]
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        let text: String = records.iter().map(|(key, value)| record(key, value)).collect();
        self.extension(b'x', text.as_bytes())
    }

    /// The archive with its two last blocks.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    /// The archive as it is, without an end.
    #[must_use]
    pub fn cut_off(self) -> Vec<u8> {
        self.bytes
    }
}

/// A PAX record; its length counts itself.
#[must_use]
pub fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..).map(|digits| rest + digits).find(|length| rest + length.to_string().len() == *length);
    format!("{} {key}={value}\n", length.expect("one of the lengths fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_archive_is_read_by_others() {
        let bytes = RawTar::new().pax(&[("path", "long/name")]).file("short", b"x").symlink("l", "t").end();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [std::path::Path::new("long/name"), std::path::Path::new("l")]);
        let huge = RawTar::new().header(&Header { name: b"f", size: octal(1 << 40), ..Header::default() }).cut_off();
        let mut archive = tar::Archive::new(huge.as_slice());
        assert_eq!(archive.entries().unwrap().next().unwrap().unwrap().size(), 1 << 40);
    }
}
