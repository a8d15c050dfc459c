//! ADD of archives.

use super::*;

/// Name, type, mode, owner, and content or link.
type Header<'a> = (&'a str, u8, u32, (u32, u32), &'a str);

/// Writes a tar with these headers.
fn tar(entries: &[Header<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, mode, (uid, gid), data) in entries {
        let mut header = [0u8; 512];
        let content = if *kind == b'0' { data.as_bytes() } else { b"" };
        header[..name.len()].copy_from_slice(name.as_bytes());
        for (at, text) in [
            (100, format!("{mode:07o}\0")),
            (108, format!("{uid:07o}\0")),
            (116, format!("{gid:07o}\0")),
            (124, format!("{:011o}\0", content.len())),
            (136, format!("{:011o}\0", 1)),
            (148, "        ".to_owned()),
        ] {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        header[156] = *kind;
        if *kind != b'0' {
            header[157..157 + data.len()].copy_from_slice(data.as_bytes());
        }
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize((bytes.len() + 1024).next_multiple_of(10240), 0);
    bytes
}

const ROOT: (u32, u32) = (0, 0);

#[test]
fn add_tar_unpacks_and_keeps_owners() {
    let build = Build::on(base());
    let entries = [
        ("top", b'5', 0o750, (1000, 2000), ""),
        ("top/f", b'0', 0o640, (1000, 1000), "f\n"),
        ("top/suid", b'0', 0o4755, ROOT, "s\n"),
        ("top/l", b'2', 0o777, ROOT, "f"),
        ("top/h", b'1', 0o640, (1000, 1000), "top/f"),
        ("loose", b'0', 0o600, (77, 78), "loose\n"),
    ];
    build.file("t.tar", tar(&entries));
    build.steps(["ADD --chmod=700 t.tar /t/"]).is([
        "/t 755 0:0 dir",
        "/t/loose 600 77:78 file \"loose\\n\"",
        "/t/top 750 1000:2000 dir",
        "/t/top/f 640 1000:1000 file \"f\\n\"",
        "/t/top/h 640 1000:1000 same as /t/top/f",
        "/t/top/l 777 0:0 link f",
        "/t/top/suid 4755 0:0 file \"s\\n\"",
    ]);
}

#[test]
fn add_tar_clamps_and_overwrites() {
    let mut build = Build::on(base());
    let entries = [
        ("../../../escape", b'0', 0o644, ROOT, "x\n"),
        ("file", b'0', 0o600, ROOT, "new\n"),
        ("keepdir", b'5', 0o755, (5, 6), ""),
        ("keepdir/n", b'0', 0o644, ROOT, "n\n"),
        ("link", b'0', 0o644, ROOT, "was a link\n"),
        ("dup", b'0', 0o644, ROOT, "first\n"),
        ("dup", b'0', 0o755, ROOT, "second\n"),
        ("isdir", b'2', 0o777, ROOT, "keepdir"),
        ("dirtofile", b'0', 0o644, ROOT, "now a file\n"),
    ];
    build.file("t.tar", tar(&entries));
    let keep = at("t/keepdir", EntryKind::Directory { opaque: false }, 0o700, 0, 0);
    let directories = [directory("t"), directory("t/isdir"), directory("t/dirtofile"), inline("t/dirtofile/in", "i"), keep];
    build.changed(
        [&directories[..], &[inline("t/keepdir/kept", "k\n"), inline("t/file", "old\n"), link("t/link", "/etc")]].concat(),
    );
    build.steps(["ADD t.tar /t"]).is([
        "/t 755 0:0 dir",
        "/t/dirtofile 644 0:0 file \"now a file\\n\"",
        "/t/dup 755 0:0 file \"second\\n\"",
        "/t/escape 644 0:0 file \"x\\n\"",
        "/t/file 600 0:0 file \"new\\n\"",
        "/t/isdir 777 0:0 link keepdir",
        "/t/keepdir 755 5:6 dir",
        "/t/keepdir/kept 644 0:0 file \"k\\n\"",
        "/t/keepdir/n 644 0:0 file \"n\\n\"",
        "/t/link 644 0:0 file \"was a link\\n\"",
    ]);
}

#[test]
fn add_tar_many() {
    let build = Build::on(base());
    let (one, two) = (tar(&[("one", b'0', 0o644, ROOT, "1\n")]), tar(&[("two", b'0', 0o644, ROOT, "2\n")]));
    build.file("m/1.tar", one);
    build.file("m/2.tar", &two);
    build.file("m/dir/in.tar", "not unpacked");
    build.file("m/plain", "plain\n");
    build.file("m/empty", "");
    build.steps(["ADD m/* /m/", "ADD --chown=3:4 m/2.tar /c"]).is([
        "/c 755 3:4 dir",
        "/c/two 644 3:4 file \"2\\n\"",
        "/m 755 0:0 dir",
        "/m/empty 644 0:0 file \"\"",
        "/m/in.tar 644 0:0 file \"not unpacked\"",
        "/m/one 644 0:0 file \"1\\n\"",
        "/m/plain 644 0:0 file \"plain\\n\"",
        "/m/two 644 0:0 file \"2\\n\"",
    ]);
}
