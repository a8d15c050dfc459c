use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::*;
use crate::testing::{Space, directory, file, lines, python_tar, run, view};
use crate::{OverlayXattrs, Ownership, SnapshotFormat};

/// What an overlay mount of the snapshots shows, as `find` prints it: type, mode, owner and path.
fn mounted(space: &Space, snapshots: &[&Snapshot]) -> Vec<String> {
    let mut lower: Vec<_> = snapshots.iter().rev().map(|snapshot| snapshot.files().display().to_string()).collect();
    // An overlay without an upper directory needs two lower ones at least.
    lower.push(space.snapshot("empty").files().display().to_string());
    let script = format!(
        "mount -t overlay overlay -o ro,lowerdir={} /mnt && cd /mnt && find . -mindepth 1 -printf '%y %m %U:%G %P\\n' | sort -k4",
        lower.join(":")
    );
    let out = run("unshare", &["-m", "sh", "-c", &script], &[]);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn try_unpack(layer: &[u8]) -> Result<Unpacked, UnpackError> {
    let space = Space::new();
    unpack(layer, &space.snapshot("layer"), &UnpackOptions::default())
}

#[test]
fn owners_modes_times_and_attributes_are_those_of_the_archive() {
    let layer = python_tar(
        "
e('d',type=D,mode=0o2750,uid=1000,gid=2000,mtime=1000)
e('d/s',b'x',mode=0o6755,uid=1000,gid=1001,mtime=2000.5)
e('d/cap',b'x',mode=0o755,pax_headers={'SCHILY.xattr.security.capability':'\\x01\\x00\\x00\\x02\\x00\\x20\\x00\\x00'+'\\x00'*12,'SCHILY.xattr.user.note':'n','SCHILY.xattr.trusted.overlay.opaque':'y','SCHILY.xattr.user.overlay.redirect':'/'})
e('d/l',type=S,linkname='/abs',uid=7,gid=8)
e('d/h',type=L,linkname='d/s')
e('d/p',type=F,mode=0o622)
e('d/null',type=C,mode=0o666,devmajor=1,devminor=3)
e('empty',type=D,mode=0o1777,mtime=-5)
",
    );
    let space = Space::new();
    let (snapshot, unpacked) = space.unpack("layer", &layer, None);
    assert_eq!(unpacked.entries, 8);
    assert_eq!(unpacked.size, layer.len() as u64);
    assert!(unpacked.implied.is_empty() && !unpacked.root_entry);
    assert_eq!(
        lines(&view(&[&snapshot])),
        [
            "dir 2750 1000:2000 d",
            "file 755 0:0 d/cap x",
            "file 6755 1000:1001 d/h x",
            "link 777 7:8 d/l -> /abs",
            "char 666 0:0 d/null 1:3",
            "fifo 622 0:0 d/p",
            "hard 6755 1000:1001 d/s = d/h",
            "dir 1777 0:0 empty",
        ]
    );
    let metadata = |path: &str| std::fs::symlink_metadata(snapshot.files().join(path)).unwrap();
    assert_eq!(metadata("d").mtime(), 1000);
    assert_eq!(metadata("empty").mtime(), -5);
    assert_eq!((metadata("d/s").mtime(), metadata("d/s").mtime_nsec()), (2000, 500_000_000));
    let xattrs = view(&[&snapshot]).lookup(Path::new("d/cap")).unwrap().unwrap().xattrs;
    let names: Vec<_> = xattrs.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["security.capability", "user.note"]);
    assert_eq!(crate::snapshot::opaque_mark(&snapshot.files().join("d/cap"), OverlayXattrs::Trusted).unwrap(), None);
    let caps = run("getcap", &[snapshot.files().join("d/cap").to_str().unwrap()], &[]);
    assert!(String::from_utf8(caps).unwrap().contains("cap_net_raw"));
}

#[test]
fn the_overlay_file_system_shows_what_the_view_shows() {
    let space = Space::new();
    let (base, _) = space.unpack(
        "base",
        &python_tar(
            "
for d in ('etc','etc/conf.d','usr','usr/lib','opt','opt/app','rep','srv','srv/www'): e(d,type=D,mode=0o755)
e('etc/a',b'a'); e('etc/conf.d/x',b'x'); e('usr/lib/lib.so',b'l'); e('opt/app/old',b'o'); e('rep/in',b'i'); e('srv/www/i',b'i')
e('lib',type=S,linkname='usr/lib')
e('plain',b'p')
",
        ),
        None,
    );
    let lower = view(&[&base]);
    let (upper, unpacked) = space.unpack(
        "upper",
        &python_tar(
            "
e('etc/.wh.a',b''); e('etc/new',b'n')
e('opt/app',type=D,mode=0o700); e('opt/app/.wh..wh..opq',b''); e('opt/app/fresh',b'f')
e('rep',b'now a file')
e('plain',type=D,mode=0o711); e('plain/in',b'i')
e('.wh.srv',b''); e('srv',type=D); e('srv/again',b'a')
e('usr/.wh.gone-anyway',b'')
e('twice',b'first'); e('twice',type=D,mode=0o755); e('twice/x',b'x')
e('.wh..wh.plnk',type=D); e('.wh..wh.plnk/123',b'x')
",
        ),
        Some(&lower),
    );
    assert_eq!(unpacked.implied, [Path::new("etc"), Path::new("opt"), Path::new("usr")]);
    let both = view(&[&base, &upper]);
    let shown = mounted(&space, &[&base, &upper]);
    let paths: Vec<_> = shown.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    let viewed: Vec<_> = crate::testing::listing(&both);
    let mut expected: Vec<_> = viewed.iter().map(|entry| entry.path.display().to_string()).collect();
    expected.sort();
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    for entry in &viewed {
        let line = shown.iter().find(|line| line.ends_with(&format!(" {}", entry.path.display()))).unwrap();
        assert!(line.contains(&format!(" {:o} {}:{} ", entry.mode, entry.uid, entry.gid)), "{line}");
    }
    for (path, there) in [
        ("etc/a", false),
        ("etc/new", true),
        ("opt/app/old", false),
        ("rep/in", false),
        ("srv/www", false),
        ("srv/again", true),
        ("twice/x", true),
    ] {
        assert_eq!(paths.iter().any(|p| p == path), there, "{path}");
    }
}

#[test]
fn implied_directories_get_their_attributes_when_the_lower_layers_are_there() {
    let space = Space::new();
    let mut home = directory("home");
    (home.mode, home.uid, home.gid) = (0o2751, 5, 6);
    let lower = space.materialised("lower", &[directory("etc"), home]);
    let layer = python_tar("e('home/.profile',b'x'); e('etc/f',b'x'); e('etc',type=D,mode=0o700,uid=3)");
    let (upper, unpacked) = space.unpack("upper", &layer, None);
    std::fs::set_permissions(lower.files(), PermissionsExt::from_mode(0o711)).unwrap();
    adopt(&upper, &unpacked, &view(&[&lower])).unwrap();
    let shown = lines(&view(&[&upper]));
    assert_eq!((shown[0].as_str(), shown[2].as_str()), ("dir 700 3:0 etc", "dir 2751 5:6 home"));
    assert_eq!(std::fs::metadata(upper.files()).unwrap().mode() & 0o7777, 0o711);
}

#[test]
fn a_hard_link_to_a_lower_file_brings_it_up() {
    let space = Space::new();
    let mut below = file("bin/tool", "tool");
    below.mode = 0o4755;
    let lower = space.materialised("lower", &[directory("bin"), below]);
    let layer = python_tar("e('bin/link',type=L,linkname='bin/tool')");
    let error = try_unpack(&layer).unwrap_err();
    assert!(matches!(error, UnpackError::Snapshot(SnapshotError::LinkTarget { .. })), "{error:?}");
    let lower = view(&[&lower]);
    let (upper, _) = space.unpack("upper", &layer, Some(&lower));
    assert_eq!(lines(&view(&[&upper])), ["dir 755 0:0 bin", "file 4755 0:0 bin/link tool", "hard 4755 0:0 bin/tool = bin/link"]);
}

#[test]
fn a_link_of_the_layer_is_a_directory_for_later_entries() {
    let space = Space::new();
    let (snapshot, _) = space.unpack(
        "layer",
        &python_tar("e('lib',type=S,linkname='/usr/lib'); e('lib/x',b'x'); e('up',type=S,linkname='../../..'); e('up/y',b'y')"),
        None,
    );
    let shown = lines(&view(&[&snapshot]));
    assert!(shown.contains(&"file 644 0:0 usr/lib/x x".to_owned()), "{shown:?}");
    assert!(shown.contains(&"file 644 0:0 y y".to_owned()), "{shown:?}");
}

/// CVE-2014-6407 and CVE-2014-9356 of Docker, the traversals of CVE-2018-1002200, and the link swaps of CVE-2021-30465 in an
/// archive's form: whatever the names and links are, nothing is written or changed outside the root.
#[test]
fn nothing_is_written_outside_the_root() {
    let space = Space::new();
    let victim = space.path("victim");
    std::fs::create_dir(&victim).unwrap();
    std::fs::write(victim.join("file"), "untouched").unwrap();
    let out = victim.display();
    let attacks = [
        "e('../../../../../../victim/new',b'x')".to_owned(),
        format!("e('{out}/new',b'x')"),
        format!("e('l',type=S,linkname='{out}'); e('l/new',b'x'); e('l/file',b'x')"),
        format!("e('l',type=S,linkname='../../../../../../../../{out}'); e('l/file',type=S,linkname='x')"),
        format!("e('l',type=S,linkname='{out}/file'); e('l',b'overwritten')"),
        format!("e('a',type=S,linkname='{out}'); e('a',type=D,mode=0o777); e('a/new',b'x')"),
        format!("e('d',type=D); e('d/l',type=S,linkname='{out}'); e('d/l/.wh.file',b''); e('d/l/.wh..wh..opq',b'')"),
        format!("e('a',type=S,linkname='b'); e('b',type=S,linkname='{out}'); e('a/c/new',b'x')"),
        format!("e('x/y',b''); e('x',type=S,linkname='{out}'); e('x/new',b'')"),
        format!("e('l',type=S,linkname='{out}'); e('l/dir',type=D,mode=0o777)"),
    ];
    for (number, attack) in attacks.iter().enumerate() {
        let snapshot = space.snapshot(&format!("layer{number}"));
        let _ = unpack(python_tar(attack).as_slice(), &snapshot, &UnpackOptions::default());
        let names: Vec<_> = std::fs::read_dir(&victim).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"], "{attack}");
        assert_eq!(std::fs::read_to_string(victim.join("file")).unwrap(), "untouched", "{attack}");
        assert_eq!(std::fs::metadata(&victim).unwrap().mode() & 0o777, 0o755, "{attack}");
    }
}

/// CVE-2014-6407: a hard link must not reach a file of the host.
#[test]
fn hard_links_cannot_leave_the_root() {
    for attack in [
        "e('h',type=L,linkname='/etc/passwd')",
        "e('h',type=L,linkname='../../../../../../etc/passwd')",
        "e('l',type=S,linkname='/etc'); e('h',type=L,linkname='l/passwd')",
        "e('d',type=D); e('h',type=L,linkname='d')",
        "e('h',type=L,linkname='')",
        "e('h',type=L,linkname='h')",
        "e('.wh.x',b''); e('h',type=L,linkname='x')",
    ] {
        let error = try_unpack(&python_tar(attack)).unwrap_err();
        assert!(matches!(error, UnpackError::Snapshot(SnapshotError::LinkTarget { .. })), "{attack}: {error:?}");
    }
    let space = Space::new();
    let layer = python_tar("e('l',type=S,linkname='/etc/passwd'); e('h',type=L,linkname='l'); e('h2',type=L,linkname='h')");
    let (snapshot, _) = space.unpack("layer", &layer, None);
    assert_eq!(lines(&view(&[&snapshot]))[0], "link 777 0:0 h -> /etc/passwd", "the link itself is linked");
}

#[test]
fn whiteouts_of_nothing_and_of_the_root_are_refused_or_told() {
    for attack in ["e('.wh.',b'')", "e('d/.wh..',b'')", "e('.wh...',b'')"] {
        assert!(matches!(try_unpack(&python_tar(attack)), Err(UnpackError::Whiteout { .. })), "{attack}");
    }
    let space = Space::new();
    let base = space.materialised("base", &[file("old", "o")]);
    let (upper, unpacked) = space.unpack("upper", &python_tar("e('.wh..wh..opq',b''); e('new',b'n')"), None);
    assert!(unpacked.opaque_root);
    assert_eq!(lines(&view(&[&base, &upper])), ["file 644 0:0 new n"]);
}

#[test]
fn entries_that_no_layer_may_hold_are_errors() {
    for (script, expected) in [
        ("e('null',type=C,devmajor=0,devminor=0)", "means a removal"),
        ("e('f',b'x'); e('f/g',b'x')", "no directory"),
        ("e('loop',type=S,linkname='loop'); e('loop/x',b'x')", "too many symbolic links"),
        ("e('x',b'x',uid=4294967295)", "no id"),
        ("e('x',b'x',uid=99999999999)", "not an id"),
        ("e('',b'x')", "the root can only be a directory"),
        ("e('a'*300,b'x')", "cannot make the file"),
        ("e('m',type=b'M')", "type `M`"),
    ] {
        let error = try_unpack(&python_tar(script)).unwrap_err().to_string();
        assert!(error.contains(expected), "{script}: {error}");
    }
}

#[test]
fn a_layer_that_is_cut_off_or_no_archive_is_an_error() {
    let layer = python_tar("e('a',b'x'*5000); e('b',b'y')");
    for cut in [100, 512, 3000, 6000] {
        let result = try_unpack(&layer[..cut]);
        assert!(matches!(result, Err(UnpackError::Read(ReadError::Truncated { .. }))) || cut == 512 && result.is_err(), "{cut}");
    }
    let error = try_unpack(&[7; 2000]).unwrap_err().to_string();
    assert!(error.contains("no tar archive"), "{error}");
    assert!(try_unpack(&[]).is_ok(), "an empty stream has no entries");
}

#[test]
fn limits_hold_for_entries_and_for_claimed_sizes() {
    let many = python_tar("for n in range(200): e('f%d'%n,b'')");
    let space = Space::new();
    let limits = Limits { entries: 100, ..Limits::default() };
    let error = unpack(many.as_slice(), &space.snapshot("a"), &UnpackOptions { limits, lower: None }).unwrap_err();
    assert!(matches!(error, UnpackError::Read(ReadError::Limit { what: "entries", limit: 100 })));
    // A sparse file of 8 EiB takes no room in the archive.
    let sparse = python_tar(
        "e('s',b'1\\n0\\n1\\n'.ljust(512,b'\\0')+b'x',pax_headers={'GNU.sparse.major':'1','GNU.sparse.minor':'0','GNU.sparse.name':'s','GNU.sparse.realsize':str(2**63-1)})",
    );
    let error = unpack(sparse.as_slice(), &space.snapshot("b"), &UnpackOptions::default()).unwrap_err();
    assert!(matches!(error, UnpackError::Read(ReadError::Limit { what: "bytes", .. })), "{error:?}");
}

#[test]
fn trailing_bytes_count_for_the_digest_and_for_nothing_else() {
    let mut layer = python_tar("e('a',b'x')");
    let plain = try_unpack(&layer).unwrap();
    layer.extend_from_slice(b"something else");
    let longer = try_unpack(&layer).unwrap();
    assert_eq!(longer.entries, plain.entries);
    assert_eq!(longer.size, layer.len() as u64);
    assert_ne!(longer.diff_id, plain.diff_id);
}

#[test]
fn a_process_with_one_id_records_what_it_cannot_set() {
    let space = Space::new();
    let format = SnapshotFormat { ownership: Ownership::Recorded, overlay_xattrs: OverlayXattrs::User };
    let snapshot = Snapshot::create(space.path("layer"), format).unwrap();
    let layer = python_tar(
        "
e('d',type=D,mode=0o500,uid=1000,gid=1000)
e('d/f',b'x',mode=0o4711,uid=33,gid=33)
e('d/h',type=L,linkname='d/f')
e('root',b'r',mode=0o644)
e('l',type=S,linkname='x',uid=5)
e('gone',b'x',uid=9); e('gone',b'y')
e('o',type=D); e('o/.wh..wh..opq',b'')
",
    );
    // As a real user, so that every chown and every trusted attribute would fail.
    let user = nobody(&space, &layer, &snapshot);
    assert!(user.success());
    let read = view(&[&snapshot]);
    assert_eq!(
        lines(&read),
        [
            "dir 500 1000:1000 d",
            "file 4711 33:33 d/f x",
            "hard 4711 33:33 d/h = d/f",
            "file 644 0:0 gone y",
            "link 777 5:0 l -> x",
            "dir 644 0:0 o",
            "file 644 0:0 root r",
        ]
    );
    assert!(matches!(read.layers()[0].read_directory(Path::new("o")).unwrap(), Some(o) if o.opaque));
    // Steps see the bit, and take it along when they copy the file.
    assert_eq!(std::fs::metadata(snapshot.files().join("d/f")).unwrap().mode() & 0o7777, 0o4711);
}

/// Unpacks in a child process that has given up being root.
fn nobody(space: &Space, layer: &[u8], snapshot: &Snapshot) -> std::process::ExitStatus {
    use std::os::unix::process::CommandExt;
    let tar = space.path("layer.tar");
    std::fs::write(&tar, layer).unwrap();
    for path in [space.0.path(), snapshot.root(), &snapshot.files(), &tar] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    // A copy, as the build directory may be closed to this user.
    let program = space.path("test-program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::process::Command::new(program)
        .args(["--exact", "unpack::tests::child_that_unpacks_as_a_user", "--nocapture"])
        .env("WINDLASS_TEST_LAYER", &tar)
        .env("WINDLASS_TEST_SNAPSHOT", snapshot.root())
        .uid(65534)
        .gid(65534)
        .status()
        .unwrap()
}

/// The other half of the test above; by itself it has nothing to do.
#[test]
fn child_that_unpacks_as_a_user() {
    let (Some(tar), Some(root)) = (std::env::var_os("WINDLASS_TEST_LAYER"), std::env::var_os("WINDLASS_TEST_SNAPSHOT")) else {
        return;
    };
    let format = SnapshotFormat { ownership: Ownership::Recorded, overlay_xattrs: OverlayXattrs::User };
    let layer = std::fs::read(tar).unwrap();
    unpack(layer.as_slice(), &Snapshot::open(root, format), &UnpackOptions::default()).unwrap();
}

#[test]
fn directories_keep_their_times_however_often_they_are_opened_again() {
    let mut script = String::from("for n in range(400): e('d%03d'%n,type=D,mtime=1000+n)\n");
    script.push_str("for n in range(400):\n  for r in ('a','b'): e('d%03d/%s'%(n,r),b'x')\n");
    script.push_str("for n in range(0,400,7): e('d%03d/late'%n,b'x')\n");
    let space = Space::new();
    let (snapshot, _) = space.unpack("layer", &python_tar(&script), None);
    for number in 0..400 {
        let metadata = std::fs::metadata(snapshot.files().join(format!("d{number:03}"))).unwrap();
        assert_eq!(metadata.mtime(), 1000 + number);
    }
}
