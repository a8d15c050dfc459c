use super::*;
use crate::testing::{Space, describe, directory, file, listing_of, python_tar, run, symlink, view};
use crate::{Layer, View, contents};

/// What ADD of an archive gives at a destination of an image.
fn added(base: &View, destination: &str, archive: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let addition = addition(base, destination);
    added_with(&addition, archive)
}

fn addition<'a>(base: &'a View, destination: &'a str) -> Addition<'a> {
    let (destination, limits) = (Path::new(destination), Limits::default());
    Addition { destination, lower: Some(base), owner: None, refuses_devices: false, limits }
}

/// The same without the destination itself.
fn added_with(addition: &Addition<'_>, archive: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let space = Space::new();
    let snapshot = space.snapshot("added");
    unpack_archive(archive, &snapshot, addition)?;
    let mut listing = listing_of(contents(&snapshot, addition.lower.unwrap_or(&View::empty())));
    listing.retain(|entry| !addition.destination.starts_with(&entry.path));
    Ok(describe(&listing))
}

/// Case `add-tar-special` of the conformance suite, and names that only look like removals.
#[test]
fn pipes_links_and_whiteout_like_names_are_plain_entries() {
    let archive = python_tar(
        "e('p',type=F,mode=0o622); e('f',b'f'); e('sub/h',type=L,linkname='f'); e('l',type=S,linkname='/absolute/nowhere'); e('\\u00fcml',b'u'); e('.wh.x',b'w')",
    );
    assert_eq!(
        added(&View::empty(), "s", &archive).unwrap(),
        [
            "file 644 0:0 s/.wh.x w",
            "file 644 0:0 s/f f",
            "link 777 0:0 s/l -> /absolute/nowhere",
            "fifo 622 0:0 s/p",
            "dir 755 0:0 s/sub",
            "hard 644 0:0 s/sub/h = s/f",
            "file 644 0:0 s/üml u",
        ]
    );
}

/// Case `add-tar-overwrites`: files replace, directories merge, the last of a name counts.
#[test]
fn entries_replace_files_merge_directories_and_change_kinds() {
    let mut keep = directory("t/keepdir");
    keep.mode = 0o700;
    let base = View::new(vec![Layer::listing(vec![
        directory("t"),
        directory("t/dirtofile"),
        file("t/dirtofile/in", "x"),
        file("t/file", "old"),
        directory("t/isdir"),
        keep,
        file("t/keepdir/kept", "k"),
        symlink("t/link", "/etc"),
    ])]);
    let archive = python_tar(
        "
e('file',b'new',mode=0o600); e('keepdir',type=D,mode=0o755,uid=5,gid=6); e('keepdir/n',b'n'); e('link',b'was a link')
e('dup',b'first'); e('dup',b'second',mode=0o755); e('isdir',type=S,linkname='keepdir'); e('dirtofile',b'now a file')
",
    );
    let listing = added(&base, "t", &archive).unwrap();
    assert_eq!(
        listing,
        [
            "file 644 0:0 t/dirtofile now a file",
            "file 755 0:0 t/dup second",
            "file 600 0:0 t/file new",
            "link 777 0:0 t/isdir -> keepdir",
            "dir 755 5:6 t/keepdir",
            "file 644 0:0 t/keepdir/n n",
            "file 644 0:0 t/link was a link",
        ]
    );
}

/// Case `add-tar-dotdot`: what climbs out is clamped to the destination.
#[test]
fn names_that_climb_out_are_clamped_to_the_destination() {
    let archive = python_tar("e('ok',b'f'); e('../../../escape',b'x'); e('/abs',b'a'); e('./',type=D,mode=0o700)");
    assert_eq!(
        added(&View::empty(), "n", &archive).unwrap(),
        ["file 644 0:0 n/abs a", "file 644 0:0 n/escape x", "file 644 0:0 n/ok f"]
    );
}

/// As in CVE-2024-1753 and CVE-2014-9356: links, of the archive or of the image, are followed inside the destination.
#[test]
fn links_are_followed_inside_the_destination_only() {
    let base = View::new(vec![Layer::listing(vec![
        directory("d"),
        symlink("d/image", "/etc"),
        directory("etc"),
        file("etc/passwd", "p"),
    ])]);
    let archive = python_tar("e('own',type=S,linkname='../../etc'); e('own/passwd',b'evil'); e('image/shadow',b'evil')");
    assert_eq!(
        added(&base, "d", &archive).unwrap(),
        [
            "dir 755 0:0 d/etc",
            "file 644 0:0 d/etc/passwd evil",
            "file 644 0:0 d/etc/shadow evil",
            "link 777 0:0 d/own -> ../../etc",
        ]
    );
    for (script, expected) in [
        ("e('h',type=L,linkname='/etc/passwd')", "hard link"),
        ("e('l',type=S,linkname='l'); e('l/x',b'')", "too many symbolic links"),
        ("e('f',b''); e('f/x',b'')", "no directory"),
        ("e('d',type=D); e('h',type=L,linkname='d')", "hard link"),
        ("e('n',type=C,devmajor=0,devminor=0)", "removal"),
    ] {
        let error = added(&base, "d", &python_tar(script)).unwrap_err().to_string();
        assert!(error.contains(expected), "{script}: {error}");
    }
}

#[test]
fn hard_links_to_files_of_the_image_bring_them_along() {
    let space = Space::new();
    let base = view(&[&space.materialised("base", &[directory("t"), directory("t/sub"), file("t/sub/f", "below")])]);
    assert_eq!(
        added(&base, "t", &python_tar("e('h',type=L,linkname='sub/f',mode=0o600,uid=3)")).unwrap(),
        ["file 600 3:0 t/h below", "dir 755 0:0 t/sub", "hard 600 3:0 t/sub/f = t/h",]
    );
}

#[test]
fn a_directory_replaced_twice_hides_what_was_below() {
    let base = View::new(vec![Layer::listing(vec![directory("t"), directory("t/d"), file("t/d/old", "x")])]);
    let archive = python_tar("e('d',b'file'); e('d',type=D); e('d/new',b'n'); e('e',type=D); e('e/x',b'x'); e('e',b'file')");
    assert_eq!(
        added(&base, "t", &archive).unwrap(),
        ["dir 644 0:0 t/d opaque", "file 644 0:0 t/d/new n", "file 644 0:0 t/e file"]
    );
}

#[test]
fn archives_are_told_by_their_content_in_every_compression() {
    let archive = python_tar("e('a',b'x')");
    assert!(is_archive(archive.as_slice()));
    for tool in ["gzip", "bzip2", "xz", "zstd"] {
        let compressed = run(tool, &["-c"], &archive);
        assert!(is_archive(compressed.as_slice()), "{tool}");
        assert_eq!(added(&View::empty(), "", &compressed).unwrap(), ["file 644 0:0 a x"]);
        assert!(!is_archive(run(tool, &["-c"], b"just text").as_slice()), "{tool} of text");
    }
    assert!(is_archive(&archive[..700]), "a damaged end does not matter");
    for other in [b"".as_slice(), b"text", &[0; 10240], &[0x1f, 0x8b]] {
        assert!(!is_archive(other));
    }
}

/// With `--chown` all that the archive brings belongs to that owner, and what the image has had stays as it is.
#[test]
fn an_owner_is_for_what_the_archive_brings() {
    let base = View::new(vec![Layer::listing(vec![directory("t"), directory("t/etc")])]);
    let archive = python_tar("e('etc/f',b'x',uid=3); e('new/f',b'x'); e('d',type=D,mode=0o700); e('h',type=L,linkname='etc/f')");
    let addition = Addition { owner: Some((7, 8)), ..addition(&base, "t") };
    assert_eq!(
        added_with(&addition, &archive).unwrap(),
        [
            "dir 700 7:8 t/d",
            "dir 755 0:0 t/etc",
            "file 644 7:8 t/etc/f x",
            "hard 644 7:8 t/h = t/etc/f",
            "dir 755 0:0 t/new",
            "file 644 7:8 t/new/f x",
        ]
    );
    let refused = Addition { refuses_devices: true, ..addition };
    let error = added_with(&refused, &python_tar("e('n',type=C,devmajor=1,devminor=3)")).unwrap_err().to_string();
    assert!(error.contains("device"), "{error}");
}

/// What an earlier archive has hidden of the image stays hidden to a later one.
#[test]
fn two_archives_of_one_step_meet_in_one_snapshot() {
    let space = Space::new();
    let base = View::new(vec![Layer::listing(vec![directory("d"), symlink("d/link", "/d/secret"), directory("e")])]);
    let snapshot = space.snapshot("added");
    for script in ["e('d',b''); e('d',type=D,mode=0o755)", "e('d/link/f',b'x'); e('e/g',b'y')"] {
        unpack_archive(python_tar(script).as_slice(), &snapshot, &addition(&base, "")).unwrap();
    }
    assert_eq!(
        describe(&listing_of(contents(&snapshot, &base))),
        ["dir 755 0:0 d opaque", "dir 755 0:0 d/link", "file 644 0:0 d/link/f x", "dir 755 0:0 e", "file 644 0:0 e/g y"]
    );
}

/// More names than ext4 allows a file, and no time that grows with their square.
#[test]
fn a_hundred_thousand_links_take_no_quadratic_time() {
    let archive = python_tar("e('f',b'x')\nfor n in range(100000): e('l%d'%n,type=L,linkname='f')");
    let start = std::time::Instant::now();
    assert_eq!(added(&View::empty(), "d", &archive).unwrap().len(), 100_001);
    assert!(start.elapsed().as_secs() < 20);
}
