//! Where it goes, and with which attributes.

use super::*;

#[test]
fn add_dir_and_file() {
    Build::usual().steps(["ADD a.txt /x/", "ADD dir /y", "ADD --chown=app --chmod=600 b.txt *.md /z/"]).is([
        "/x 755 0:0 dir",
        "/x/a.txt 644 0:0 file \"a\\n\"",
        "/y 755 0:0 dir",
        "/y/.hidden 644 0:0 file \"h\\n\"",
        "/y/sub 755 0:0 dir",
        "/y/sub/y.txt 644 0:0 file \"y\\n\"",
        "/y/x.txt 644 0:0 file \"x\\n\"",
        "/z 600 1000:1000 dir",
        "/z/b.txt 600 1000:1000 file \"b\\n\"",
        "/z/c.md 600 1000:1000 file \"c\\n\"",
    ]);
}

#[test]
fn copy_chown_names() {
    let build = Build::usual().steps([
        "COPY --chown=app a.txt /1",
        "COPY --chown=app:tools a.txt /2",
        "COPY --chown=1234 a.txt /3",
        "COPY --chown=1234:4321 a.txt /4",
        "COPY --chown=builder a.txt /5",
        "COPY --chown=0:tools a.txt /6",
        "COPY --chown=app:0 dir/sub /d/e",
        "COPY --chown=app:1000 a.txt /7/8",
    ]);
    build.is([
        "/1 644 1000:1000 file \"a\\n\"",
        "/2 644 1000:2000 file \"a\\n\"",
        "/3 644 1234:1234 file \"a\\n\"",
        "/4 644 1234:4321 file \"a\\n\"",
        "/5 644 1001:2000 file \"a\\n\"",
        "/6 644 0:2000 file \"a\\n\"",
        "/7 755 1000:1000 dir",
        "/7/8 644 1000:1000 file \"a\\n\"",
        "/d 755 1000:0 dir",
        "/d/e 755 1000:0 dir",
        "/d/e/y.txt 644 1000:0 file \"y\\n\"",
    ]);
}

#[test]
fn names_without_a_passwd_file_are_refused_and_unknown_ones_are_root_with_a_warning() {
    let mut build = Build::usual();
    assert!(refuse(&mut build, "COPY --link --chown=app:tools a.txt /f").contains("app:tools"));
    assert!(refuse(&mut build, "COPY --chown=-1 a.txt /f").contains("-1"));
    assert!(refuse(&mut build, "COPY --chown=4294967296 a.txt /f").contains("4294967296"));
    let copied = build.step("COPY --chown=nobody-here a.txt /f").unwrap();
    assert_eq!((copied.warnings.len(), copied.listing()[0].uid), (1, 0));
    let mut scratch = Build::on(View::empty());
    scratch.file("a.txt", "a");
    assert!(refuse(&mut scratch, "COPY --chown=app a.txt /f").contains("app"));
    assert_eq!(scratch.step("COPY --link --chown=root:7 a.txt /f").unwrap().listing()[0].gid, 7);
}

#[test]
fn copy_large_uid() {
    Build::usual().steps(["COPY --chown=2999999:2999998 a.txt /g"]).is(["/g 644 2999999:2999998 file \"a\\n\""]);
}

#[test]
fn copy_chmod_bad() {
    let parsed = windlass_dockerfile::parse::parse(b"FROM x\nCOPY --chmod=99x a.txt /f\n", "Dockerfile").unwrap();
    let Instruction::Copy(copy) = &parsed.stages[0].statements[0].instruction else { panic!() };
    let error = Request::copy(copy).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("99x"));
}

#[test]
fn copy_chmod_applies_to_everything_and_symbolic_modes_to_what_is_there() {
    let build = Build::usual();
    build.mode("dir/x.txt", 0o4711);
    let build = build.steps(["COPY --chmod=2640 dir /o/n", "COPY --chmod=go-rwx,u+X dir /s", "COPY dir /k"]);
    build.is([
        "/k 755 0:0 dir",
        "/k/.hidden 644 0:0 file \"h\\n\"",
        "/k/sub 755 0:0 dir",
        "/k/sub/y.txt 644 0:0 file \"y\\n\"",
        "/k/x.txt 4711 0:0 file \"x\\n\"",
        "/o 640 0:0 dir",
        "/o/n 640 0:0 dir",
        "/o/n/.hidden 2640 0:0 file \"h\\n\"",
        "/o/n/sub 2640 0:0 dir",
        "/o/n/sub/y.txt 2640 0:0 file \"y\\n\"",
        "/o/n/x.txt 2640 0:0 file \"x\\n\"",
        "/s 755 0:0 dir",
        "/s/.hidden 600 0:0 file \"h\\n\"",
        "/s/sub 700 0:0 dir",
        "/s/sub/y.txt 600 0:0 file \"y\\n\"",
        "/s/x.txt 4700 0:0 file \"x\\n\"",
    ]);
}

#[test]
fn copy_dest_symlink_dir() {
    let mut build = Build::usual().steps(["COPY a.txt /var/run/sub/", "COPY a.txt /lib64/f", "COPY dir/sub /usr/lib/tree/"]);
    build.changed(vec![link("short", "/opt"), directory("opt/there")]);
    build.steps(["COPY a.txt /short", "COPY a.txt /short/there", "COPY dir/sub /short"]).is([
        "/lib/f 644 0:0 file \"a\\n\"",
        "/lib/tree 755 0:0 dir",
        "/lib/tree/y.txt 644 0:0 file \"y\\n\"",
        "/opt/a.txt 644 0:0 file \"a\\n\"",
        "/opt/there 755 0:0 dir",
        "/opt/there/a.txt 644 0:0 file \"a\\n\"",
        "/opt/y.txt 644 0:0 file \"y\\n\"",
        "/run/sub 755 0:0 dir",
        "/run/sub/a.txt 644 0:0 file \"a\\n\"",
        "/short 777 0:0 link /opt",
    ]);
}

#[test]
fn copy_over_and_through_the_wrong_kind() {
    let mut build = Build::usual();
    build.changed(vec![inline("dst", "f\n"), directory("full"), directory("full/a.txt")]);
    assert!(refuse(&mut build, "COPY dir /dst").contains("/dst"));
    assert!(refuse(&mut build, "COPY a.txt /etc/passwd/below").contains("/etc/passwd"));
    assert!(refuse(&mut build, "COPY a.txt /full").contains("/full/a.txt"));
    assert!(refuse(&mut build, "WORKDIR /etc/passwd").contains("/etc/passwd"));
    assert!(refuse(&mut build, "WORKDIR /etc/passwd/x").contains("/etc/passwd"));
}

#[test]
fn copy_multiple_sources_and_no_workdir_relative() {
    let build = Build::on(View::empty());
    build.file("a.txt", "a\n");
    build.file("dir/sub/y.txt", "y\n");
    build.steps(["COPY a.txt dir d/", "COPY a.txt a", "COPY a.txt .", "COPY a.txt ./x/."]).is([
        "/a 644 0:0 file \"a\\n\"",
        "/a.txt 644 0:0 file \"a\\n\"",
        "/d 755 0:0 dir",
        "/d/a.txt 644 0:0 file \"a\\n\"",
        "/d/sub 755 0:0 dir",
        "/d/sub/y.txt 644 0:0 file \"y\\n\"",
        "/x 755 0:0 dir",
        "/x/a.txt 644 0:0 file \"a\\n\"",
    ]);
}

#[test]
fn merging_gives_directories_below_the_destination_the_sources_attributes() {
    let mut build = Build::usual();
    build.mode("dir", 0o700);
    build.mode("dir/sub", 0o711);
    let sub = at("m/sub", EntryKind::Directory { opaque: false }, 0o770, 7, 8);
    let top = at("m", EntryKind::Directory { opaque: false }, 0o750, 3, 4);
    build.changed(vec![top, sub, inline("m/sub/kept", "k\n"), link("m/x.txt", "/etc/passwd")]);
    build.steps(["COPY dir /m"]).is([
        "/m 750 3:4 dir",
        "/m/.hidden 644 0:0 file \"h\\n\"",
        "/m/sub 711 0:0 dir",
        "/m/sub/kept 644 0:0 file \"k\\n\"",
        "/m/sub/y.txt 644 0:0 file \"y\\n\"",
        "/m/x.txt 644 0:0 file \"x\\n\"",
    ]);
}

#[test]
fn link_layers_do_not_look_at_what_is_below() {
    let mut build = Build::usual();
    let copied = build.step("COPY --link a.txt /home/app/x/").unwrap();
    let paths: Vec<_> = copied.listing().iter().map(|entry| (entry.path.to_str().unwrap(), entry.mode)).collect();
    assert_eq!(paths, [("home", 0o755), ("home/app", 0o755), ("home/app/x", 0o755), ("home/app/x/a.txt", 0o644)]);
    // BuildKit drops --link when there is a --chmod.
    let copied = build.step("COPY --link --chmod=600 --chown=app a.txt /opt/y").unwrap();
    assert_eq!((copied.listing().len(), copied.listing()[1].uid), (2, 1000));
}

#[test]
fn heredocs() {
    let steps = [
        "COPY --chmod=755 --chown=app:tools <<EOF /bin/tool\n#!/bin/sh\necho tool\nEOF",
        "COPY --chmod=0400 <<EOF <<G /d/\nx\nEOF\ny\nG",
        "ADD <<EOF /a\nadded\nEOF",
        "ADD --chown=1000 <<f.sh /e/\nx\nf.sh",
    ];
    let mut build = Build::on(base());
    build.changed(vec![directory("bin")]);
    build.base = build.view.clone();
    build.steps(steps).is([
        "/a 644 0:0 file \"added\\n\"",
        "/bin/tool 755 1000:2000 file \"#!/bin/sh\\necho tool\\n\"",
        "/d 400 0:0 dir",
        "/d/EOF 400 0:0 file \"x\\n\"",
        "/d/G 400 0:0 file \"y\\n\"",
        "/e 755 1000:1000 dir",
        "/e/f.sh 644 1000:1000 file \"x\\n\"",
    ]);
}

#[test]
fn workdirs() {
    let mut build = Build::on(base());
    assert_eq!(build.step("WORKDIR /home/app").unwrap().listing(), &[]);
    assert_eq!(build.step("WORKDIR /var/run").unwrap().listing(), &[]);
    assert_eq!(build.step("WORKDIR /").unwrap().listing(), &[]);
    let stage = Stage { view: Some(&build.view), workdir: "/var/run", created: NOW };
    let made = workdir(&stage, "new/deep", Some("builder")).unwrap().0;
    let made: Vec<_> = made.iter().map(|entry| (entry.path.to_str().unwrap(), entry.mode, entry.uid, entry.gid)).collect();
    assert_eq!(made, [("run", 0o755, 0, 0), ("run/new", 0o755, 1001, 2000), ("run/new/deep", 0o755, 1001, 2000)]);
}
