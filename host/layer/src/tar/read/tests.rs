use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::tar::pax;
use crate::testing::{Space, python_tar, run};
use crate::{Content, Timestamp};

fn read(archive: Vec<u8>) -> Result<Vec<(Entry, Vec<u8>)>, ReadError> {
    let mut chunks = Chunks::of_bytes(archive);
    let mut reader = TarReader::new(&mut chunks, Limits::default());
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut content = Vec::new();
        while let Some((offset, bytes)) = reader.data()? {
            content.resize(usize::try_from(offset).unwrap(), 0);
            content.extend_from_slice(bytes);
        }
        if let EntryKind::File { size, .. } = entry.kind {
            content.resize(usize::try_from(size).unwrap(), 0);
        }
        entries.push((entry, content));
    }
    Ok(entries)
}

fn one(archive: Vec<u8>) -> Result<Entry, ReadError> {
    Ok(read(archive)?.remove(0).0)
}

/// GNU tar's own archives in each of its formats.
#[test]
fn every_format_of_gnu_tar_is_read() {
    let space = Space::new();
    let long = format!("d/{}", "n".repeat(98));
    std::fs::create_dir_all(space.path("d")).unwrap();
    std::fs::write(space.path(&long), "long name").unwrap();
    std::os::unix::fs::symlink("s".repeat(99), space.path("d/link")).unwrap();
    std::fs::write(space.path("d/a"), "a").unwrap();
    for format in ["v7", "ustar", "gnu", "oldgnu", "pax"] {
        let root = space.0.path().to_str().unwrap();
        let archive = run("tar", &["-C", root, "--sort=name", &format!("--format={format}"), "-cf", "-", "d"], &[]);
        let entries = read(archive).unwrap();
        let paths: Vec<_> = entries.iter().map(|(entry, _)| entry.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["d", "d/a", "d/link", &long], "{format}");
        assert!(matches!(entries[0].0.kind, EntryKind::Directory { .. }), "{format}");
        assert_eq!(entries[3].1, b"long name", "{format}");
    }
}

#[test]
fn long_names_and_links_of_gnu_and_pax_are_read() {
    let space = Space::new();
    let directory = format!("{}/{}", "p".repeat(200), "q".repeat(200));
    std::fs::create_dir_all(space.path(&directory)).unwrap();
    std::os::unix::fs::symlink("t".repeat(300), space.path(&format!("{directory}/l"))).unwrap();
    for format in ["gnu", "pax"] {
        let root = space.0.path().to_str().unwrap();
        let archive = run("tar", &["-C", root, &format!("--format={format}"), "-cf", "-", &directory], &[]);
        let (entry, _) = read(archive).unwrap().pop().unwrap();
        assert_eq!(entry.path, PathBuf::from(format!("{directory}/l")));
        assert_eq!(entry.kind, EntryKind::Symlink { target: "t".repeat(300).into() });
    }
}

#[test]
fn sparse_files_of_every_form_have_their_holes() {
    let space = Space::new();
    let script =
        "import sys\nf=open(sys.argv[1],'wb')\nfor i in range(40):\n  f.seek(i*200000); f.write(b'x%d'%i)\nf.truncate(9000000)";
    let path = space.path("s");
    run("python3", &["-c", script, path.to_str().unwrap()], &[]);
    let expected = std::fs::read(&path).unwrap();
    for format in [
        ["--format=oldgnu", "--sparse-version=1.0"],
        ["--format=gnu", "--sparse-version=1.0"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ] {
        let root = space.0.path().to_str().unwrap();
        let archive = run("tar", &["-C", root, "-S", format[0], format[1], "-cf", "-", "s"], &[]);
        assert!(archive.len() < 1_000_000, "{format:?} is sparse");
        let entries = read(archive).unwrap();
        assert_eq!(entries[0].0.path, PathBuf::from("s"), "{format:?}");
        assert!(entries[0].1 == expected, "{format:?}");
    }
}

#[test]
fn pax_records_override_the_header_and_global_ones_stay() {
    let archive = python_tar(
        "
t.close()
t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|',format=tarfile.PAX_FORMAT,pax_headers={'uid':'77','comment':'x'})
e('a',b'x',pax_headers={'gid':'4000000','mtime':'12.25','path':'renamed/é'})
e('b',b'x',uid=5)
",
    );
    // The first archive is empty and ends with two blocks of zeros, which the second one follows.
    let entries = read(archive[10240..].to_vec()).unwrap();
    let (a, b) = (&entries[0].0, &entries[1].0);
    assert_eq!((a.uid, a.gid, a.modified), (77, 4_000_000, Timestamp { seconds: 12, nanoseconds: 250_000_000 }));
    assert_eq!(a.path, PathBuf::from("renamed/é"));
    assert_eq!((b.uid, b.gid), (77, 0));
}

/// A header by hand, its checksum right.
fn raw(name: &[u8], flag: u8, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    for (range, text) in [(100..108, "0000644\0"), (108..116, "0000000\0"), (116..124, "0000000\0")] {
        block[range].copy_from_slice(text.as_bytes());
    }
    block[124..136].copy_from_slice(b"00000000000\0");
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut block);
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
    number::write_octal(&mut block[148..155], sum);
    block
}

/// CVE-2022-2879: the size that a header claims for its extension costs no memory.
#[test]
fn claimed_sizes_are_not_believed() {
    let huge = |flag| raw(b"x", flag, |block| block[124..136].copy_from_slice(b"77777777777\0"));
    for flag in [b'x', b'g', b'L', b'K'] {
        let error = read(huge(flag)).unwrap_err();
        assert!(matches!(error, ReadError::Header { .. }), "{}: {error}", flag as char);
    }
    assert!(matches!(read(huge(b'0')), Err(ReadError::Truncated { .. })));
    let negative = raw(b"x", b'0', |block| block[124..136].fill(0xff));
    assert!(matches!(read(negative), Err(ReadError::Header { .. })));
    let beyond = raw(b"x", b'0', |block| {
        block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    });
    assert!(matches!(read(beyond), Err(ReadError::Limit { .. })));
}

/// CVE-2025-58183: a sparse file's map that claims to be endless.
#[test]
fn claimed_sparse_maps_are_not_believed() {
    let sparse = |map: &str| {
        python_tar(&format!(
            "e('s',b'{map}'.ljust(1024,b'\\0'),pax_headers={{'GNU.sparse.major':'1','GNU.sparse.minor':'0','GNU.sparse.name':'s','GNU.sparse.realsize':'5'}})"
        ))
    };
    for map in ["9223372036854775807\\n", "2\\n0\\n", "99999999999999999999999\\n", "1\\n0\\n700\\n", ""] {
        assert!(matches!(read(sparse(map)), Err(ReadError::Header { .. })), "{map}");
    }
    assert!(read(python_tar("e('x',b'',pax_headers={'GNU.sparse.map':'0,5,3,5','GNU.sparse.size':'10'})")).is_err());
}

/// Records that would be applied again and again to millions of entries.
#[test]
fn global_records_and_attributes_have_limits() {
    let many = python_tar("e('x',b'',pax_headers={'SCHILY.xattr.user.%d'%n:'v' for n in range(300)})");
    assert!(one(many).unwrap_err().to_string().contains("too many extended attributes"));
    let mut archive = raw(b"g", b'g', |block| block[124..136].copy_from_slice(b"00000060000\0"));
    let mut records = Vec::new();
    pax::write_record(&mut records, b"path", &[b'p'; 20_000]);
    records.resize(0o60000, b'\n');
    archive.extend(records);
    assert!(one(archive).unwrap_err().to_string().contains("global PAX records"));
}

#[test]
fn links_and_directories_that_claim_content_have_none() {
    for flag in [b'1', b'2', b'5', b'6'] {
        let mut archive = raw(b"x", flag, |block| {
            block[124..136].copy_from_slice(b"00000001000\0");
            block[157] = b't';
        });
        archive.extend(raw(b"next", b'0', |_| {}));
        let entries = read(archive).unwrap();
        assert_eq!(entries[1].0.path, PathBuf::from("next"), "{}", flag as char);
    }
}

#[test]
fn names_with_zero_bytes_and_wrong_checksums_are_refused() {
    let pax = |key: &str, value: &str| python_tar(&format!("e('a',b'',pax_headers={{'{key}':'{value}'}})"));
    assert!(one(pax("path", "a\\0b")).unwrap_err().to_string().contains("zero byte"));
    assert!(one(pax("size", "-5")).is_err());
    assert!(one(pax("mtime", "nan")).is_err());
    let mut archive = raw(b"x", b'0', |_| {});
    archive[0] = b'y';
    assert!(one(archive).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn old_archives_mark_directories_by_a_slash() {
    assert!(matches!(one(raw(b"dir/", 0, |_| {})).unwrap().kind, EntryKind::Directory { .. }));
    assert!(matches!(one(raw(b"file", 0, |_| {})).unwrap().kind, EntryKind::File { .. }));
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::collection::vec(any::<u8>().prop_filter("a byte of a name", |b| !matches!(b, 0 | b'/')), 1..60)
        .prop_filter("no name but a dot", |part| part != b"." && part != b"..");
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.join(&b'/'))
}

fn entries() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        Just(EntryKind::Directory { opaque: false }),
        Just(EntryKind::Fifo),
        prop::collection::vec(any::<u8>(), 0..2000)
            .prop_map(|bytes| EntryKind::File { size: bytes.len() as u64, content: Content::Inline(Arc::from(bytes)) }),
        names().prop_map(|target| EntryKind::Symlink { target: OsString::from_vec(target).into() }),
        names().prop_map(|target| EntryKind::HardLink { target: OsString::from_vec(target).into() }),
        (0..4096u32, 0..1u32 << 20).prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
    ];
    let xattrs = prop::collection::btree_map("[a-z]{1,9}\\.[ -<>-~]{1,20}", prop::collection::vec(any::<u8>(), 0..80), 0..3);
    (names(), kind, 0..0o10000u32, 0..u32::MAX, 0..u32::MAX, -1i64 << 40..1i64 << 40, xattrs).prop_map(
        |(path, kind, mode, uid, gid, seconds, xattrs)| Entry {
            path: OsString::from_vec(path).into(),
            kind,
            mode,
            uid,
            gid,
            modified: Timestamp { seconds, nanoseconds: 0 },
            xattrs: xattrs.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(entries in prop::collection::vec(entries(), 0..12)) {
        let mut blob = Vec::new();
        let options = crate::LayerOptions { compression: crate::Compression::None, ..crate::LayerOptions::default() };
        crate::write_layer(&entries, &options, &mut blob).unwrap();
        let found = read(blob).unwrap();
        prop_assert_eq!(found.len(), entries.len());
        for (entry, (found, content)) in entries.into_iter().zip(found) {
            let mut expected = entry.clone();
            if let EntryKind::File { content: Content::Inline(bytes), size } = &entry.kind {
                prop_assert_eq!(&bytes[..], &content[..]);
                expected.kind = EntryKind::File { size: *size, content: Content::Absent };
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn damaged_archives_end_in_an_error_or_entries(
        entries in prop::collection::vec(entries(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        fix_sums in any::<bool>(),
    ) {
        let mut blob = Vec::new();
        let options = crate::LayerOptions { compression: crate::Compression::None, ..crate::LayerOptions::default() };
        crate::write_layer(&entries, &options, &mut blob).unwrap();
        for (at, value) in damage {
            let at = at.index(blob.len());
            blob[at] = value;
        }
        if fix_sums {
            for block in blob.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
                block[148..156].fill(b' ');
                let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
                number::write_octal(&mut block[148..155], sum);
            }
        }
        let _ = read(blob.clone());
        let space = crate::testing::Space::new();
        let addition = crate::Addition {
            destination: std::path::Path::new("at"),
            lower: None,
            owner: None,
            refuses_devices: false,
            limits: Limits::default(),
        };
        let _ = crate::unpack_archive(blob.as_slice(), &space.snapshot("added"), &addition);
        let outside = std::fs::read_dir(space.path("added/fs")).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != "at");
        prop_assert_eq!(outside.count(), 0);
        let _ = crate::is_archive(blob.as_slice());
    }
}
