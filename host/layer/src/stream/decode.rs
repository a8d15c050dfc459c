//! Finds out how a stream is compressed, by its first bytes alone, and decompresses it within limits.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::xz::XzDecoder;
use super::{Limits, ReadError};

/// zstd frames may ask for a window of up to 2^27 bytes, as the zstd tool allows without further options.
const ZSTD_WINDOW: u32 = 27;
/// Below this much output a high ratio harms nobody.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

type Counted<R> = BufReader<CountingReader<io::Chain<Cursor<Vec<u8>>, R>>>;

/// A stream being decompressed.
pub(crate) struct Decoder<R: Read> {
    kind: Kind<R>,
    format: &'static str,
    limits: Limits,
    consumed: Arc<AtomicU64>,
    produced: u64,
}

enum Kind<R: Read> {
    Plain(Counted<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Counted<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Counted<R>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<Counted<R>>>),
    Xz(Box<XzDecoder<Counted<R>>>),
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(mut source: R, limits: Limits) -> Result<Self, ReadError> {
        let start = read_start(&mut source).map_err(|source| ReadError::Stream { format: "compressed", source })?;
        let format = format_of(&start);
        let consumed = Arc::new(AtomicU64::new(0));
        let counting = CountingReader { inner: Cursor::new(start).chain(source), count: Arc::clone(&consumed) };
        let source = BufReader::with_capacity(64 << 10, counting);
        let kind = match format {
            "gzip" => Kind::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(source))),
            "zstd" => Kind::Zstd(Box::new(zstd_decoder(source).map_err(|source| ReadError::Stream { format, source })?)),
            "bzip2" => Kind::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(source))),
            "xz" => Kind::Xz(Box::new(XzDecoder::new(source))),
            _ => Kind::Plain(source),
        };
        Ok(Self { kind, format, limits, consumed, produced: 0 })
    }

    /// Reads some bytes, at least one unless the stream is at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let count = loop {
            let result = match &mut self.kind {
                Kind::Plain(reader) => reader.read(buffer),
                Kind::Gzip(reader) => reader.read(buffer),
                Kind::Zstd(reader) => reader.read(buffer),
                Kind::Bzip2(reader) => reader.read(buffer),
                Kind::Xz(reader) => reader.read(buffer),
            };
            match result {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Stream { format: self.format, source }),
            }
        };
        self.produced += count as u64;
        self.check()?;
        Ok(count)
    }

    /// Reads until `buffer` is full or the stream at its end.
    pub(crate) fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn check(&self) -> Result<(), ReadError> {
        if self.produced > self.limits.bytes {
            return Err(ReadError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        let consumed = self.consumed.load(Ordering::Relaxed);
        if self.produced > RATIO_COUNTS_FROM && self.produced / self.limits.ratio.max(1) > consumed {
            return Err(ReadError::Limit { what: "bytes for each compressed byte", limit: self.limits.ratio });
        }
        Ok(())
    }
}

fn zstd_decoder<R: BufRead>(source: R) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// The first six bytes, or fewer when there are no more.
fn read_start(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(6);
    source.by_ref().take(6).read_to_end(&mut start)?;
    Ok(start)
}

fn format_of(start: &[u8]) -> &'static str {
    match start {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => "zstd",
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
        _ => "tar",
    }
}

/// Counts what is read through it.
struct CountingReader<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn decode(bytes: &[u8], limits: Limits) -> Result<Vec<u8>, ReadError> {
        let mut decoder = Decoder::new(bytes, limits)?;
        let mut out = Vec::new();
        let mut buffer = [0; 10_000];
        loop {
            match decoder.read(&mut buffer)? {
                0 => return Ok(out),
                count => out.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn compressed(tool: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(tool[0]).args(&tool[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        output.stdout
    }

    const TOOLS: [&[&str]; 7] = [
        &["gzip", "-c"],
        &["bzip2", "-c"],
        &["xz", "-c"],
        &["xz", "-c", "--check=sha256", "--block-size=100000"],
        &["xz", "-c", "--check=crc32"],
        &["xz", "-c", "-0", "--check=none"],
        &["zstd", "-c", "-q"],
    ];

    fn sample() -> Vec<u8> {
        (0..300_000u32).flat_map(|n| (n / 7).wrapping_mul(2_654_435_761u32.wrapping_mul(n % 13)).to_le_bytes()).collect()
    }

    #[test]
    fn every_format_is_read_also_when_streams_follow_one_another() {
        let sample: Vec<u8> = sample();
        for tool in TOOLS {
            let once = compressed(tool, &sample);
            assert_eq!(decode(&once, Limits::default()).unwrap(), sample, "{tool:?}");
            let twice = [once.as_slice(), &once].concat();
            assert_eq!(decode(&twice, Limits::default()).unwrap().len(), 2 * sample.len(), "{tool:?}");
        }
        assert_eq!(decode(&sample, Limits::default()).unwrap(), sample);
        assert_eq!(decode(b"", Limits::default()).unwrap(), b"");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let sample = sample();
        for tool in TOOLS {
            let whole = compressed(tool, &sample);
            for cut in [8, whole.len() / 2, whole.len() - 1] {
                assert!(decode(&whole[..cut], Limits::default()).is_err(), "{tool:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_an_error() {
        let sample = sample();
        for tool in [&TOOLS[0], &TOOLS[1], &TOOLS[2], &TOOLS[3], &TOOLS[4]] {
            let mut broken = compressed(tool, &sample);
            let middle = broken.len() / 2;
            broken[middle] ^= 0x40;
            assert!(decode(&broken, Limits::default()).is_err(), "{tool:?}");
        }
    }

    /// Decompression bombs, as in CVE-2017-14992 of Docker.
    #[test]
    fn bombs_end_at_the_limits() {
        let zeros = vec![0; 80 << 20];
        for tool in [["bzip2", "-c"], ["xz", "-c"], ["zstd", "-c"]] {
            let bomb = compressed(&tool, &zeros);
            let error = decode(&bomb, Limits::default()).unwrap_err();
            assert!(matches!(error, ReadError::Limit { what: "bytes for each compressed byte", .. }), "{tool:?}: {error:?}");
        }
        let layer = compressed(&["gzip", "-c"], &zeros);
        assert_eq!(decode(&layer, Limits::default()).unwrap().len(), zeros.len(), "a file of zeros is no bomb in gzip");
        let error = decode(&layer, Limits { bytes: 1 << 20, ..Limits::default() }).unwrap_err();
        assert!(matches!(error, ReadError::Limit { what: "bytes", .. }), "{error:?}");
    }

    #[test]
    fn what_follows_a_gzip_stream_must_be_one() {
        let mut layer = compressed(&["gzip", "-c"], b"hello");
        layer.extend_from_slice(b"garbage after the end");
        assert!(decode(&layer, Limits::default()).is_err());
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        let frame = compressed(&["zstd", "-c", "-q", "--long=30"], &sample());
        // The tool shrinks the window to a known size; claim 2 GiB by hand: magic, descriptor without size, window byte.
        let mut claim = frame[..4].to_vec();
        claim.extend_from_slice(&[0x00, 21 << 3, 0x01, 0x00, 0x00]);
        assert!(decode(&claim, Limits::default()).is_err());
    }
}
