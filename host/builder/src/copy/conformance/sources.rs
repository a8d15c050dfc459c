//! What is found and copied.

use super::*;

#[test]
fn copy_dot() {
    let build = Build::usual();
    fs::create_dir_all(build.context().join("empty/inner")).unwrap();
    for (name, mode) in [("a.txt", 0o600), ("b.txt", 0o755), ("dir/sub", 0o700), ("c.md", 0o555), ("empty", 0o755)] {
        build.mode(name, mode);
    }
    build.mode("empty/inner", 0o755);
    build.steps(["COPY . /all/"]).is([
        "/all 755 0:0 dir",
        "/all/.dot 644 0:0 file \"dot\\n\"",
        "/all/a.txt 600 0:0 file \"a\\n\"",
        "/all/b.txt 755 0:0 file \"b\\n\"",
        "/all/c.md 555 0:0 file \"c\\n\"",
        "/all/dir 755 0:0 dir",
        "/all/dir/.hidden 644 0:0 file \"h\\n\"",
        "/all/dir/sub 700 0:0 dir",
        "/all/dir/sub/y.txt 644 0:0 file \"y\\n\"",
        "/all/dir/x.txt 644 0:0 file \"x\\n\"",
        "/all/empty 755 0:0 dir",
        "/all/empty/inner 755 0:0 dir",
    ]);
}

#[test]
fn copy_exclude() {
    let build = Build::usual().steps([
        "COPY --exclude=*.txt dir /e1/",
        "COPY --exclude=sub dir /e2/",
        "COPY --exclude=**/y.txt --exclude=.hidden dir /e3/",
        "COPY --exclude=b* *.txt /e4/",
        "COPY --exclude=*.txt --exclude=!x.txt dir /e5/",
    ]);
    build.is([
        "/e1 755 0:0 dir",
        "/e1/.hidden 644 0:0 file \"h\\n\"",
        "/e1/sub 755 0:0 dir",
        "/e1/sub/y.txt 644 0:0 file \"y\\n\"",
        "/e2 755 0:0 dir",
        "/e2/.hidden 644 0:0 file \"h\\n\"",
        "/e2/x.txt 644 0:0 file \"x\\n\"",
        "/e3 755 0:0 dir",
        "/e3/sub 755 0:0 dir",
        "/e3/x.txt 644 0:0 file \"x\\n\"",
        "/e4 755 0:0 dir",
        "/e4/a.txt 644 0:0 file \"a\\n\"",
        "/e4/b.txt 644 0:0 file \"b\\n\"",
        "/e5 755 0:0 dir",
        "/e5/.hidden 644 0:0 file \"h\\n\"",
        "/e5/sub 755 0:0 dir",
        "/e5/sub/y.txt 644 0:0 file \"y\\n\"",
        "/e5/x.txt 644 0:0 file \"x\\n\"",
    ]);
}

#[test]
fn copy_parents() {
    let build = Build::usual().steps([
        "COPY --parents dir/sub/y.txt a.txt /p1/",
        "COPY --parents ./dir/./sub/*.txt /p2/",
        "COPY --parents dir /p3/",
        "COPY --parents **/*.txt /p4/",
    ]);
    build.is([
        "/p1 755 0:0 dir",
        "/p1/a.txt 644 0:0 file \"a\\n\"",
        "/p1/dir 755 0:0 dir",
        "/p1/dir/sub 755 0:0 dir",
        "/p1/dir/sub/y.txt 644 0:0 file \"y\\n\"",
        "/p2 755 0:0 dir",
        "/p2/sub 755 0:0 dir",
        "/p2/sub/y.txt 644 0:0 file \"y\\n\"",
        "/p3 755 0:0 dir",
        "/p3/dir 755 0:0 dir",
        "/p3/dir/.hidden 644 0:0 file \"h\\n\"",
        "/p3/dir/sub 755 0:0 dir",
        "/p3/dir/sub/y.txt 644 0:0 file \"y\\n\"",
        "/p3/dir/x.txt 644 0:0 file \"x\\n\"",
        "/p4 755 0:0 dir",
        "/p4/a.txt 644 0:0 file \"a\\n\"",
        "/p4/b.txt 644 0:0 file \"b\\n\"",
        "/p4/dir 755 0:0 dir",
        "/p4/dir/sub 755 0:0 dir",
        "/p4/dir/sub/y.txt 644 0:0 file \"y\\n\"",
        "/p4/dir/x.txt 644 0:0 file \"x\\n\"",
    ]);
    assert!(refuse(&mut Build::usual(), "COPY --parents dir/nope.txt /p/").contains("nope.txt"));
}

#[test]
fn copy_from_keeps_owners_and_specials() {
    let mut build = Build::on(base());
    let mut file = inline("t/a", "1\n");
    (file.uid, file.gid) = (1000, 2000);
    let mut nested = inline("t/sub/b", "2\n");
    (nested.uid, nested.gid, nested.mode) = (4000, 4001, 0o4750);
    let fifo = at("t/p", EntryKind::Fifo, 0o640, 0, 0);
    let sub = at("t/sub", EntryKind::Directory { opaque: false }, 0o2770, 1000, 2000);
    let top = at("t", EntryKind::Directory { opaque: false }, 0o755, 5, 6);
    build.changed(vec![top, file, link("t/l", "a"), fifo, sub, nested]);
    build.next_stage(base());
    let build = build.steps([
        "COPY --from=0 /t /t",
        "COPY --from=0 /t/a /etc/a",
        "COPY --from=0 /t/l /l",
        "COPY --from=0 --chown=app /t/sub /sub",
    ]);
    build.is([
        "/etc/a 644 1000:2000 file \"1\\n\"",
        "/l 644 1000:2000 file \"1\\n\"",
        "/sub 755 1000:1000 dir",
        "/sub/b 4750 1000:1000 file \"2\\n\"",
        "/t 755 0:0 dir",
        "/t/a 644 1000:2000 file \"1\\n\"",
        "/t/l 777 0:0 link a",
        "/t/p 640 0:0 fifo",
        "/t/sub 2770 1000:2000 dir",
        "/t/sub/b 4750 4000:4001 file \"2\\n\"",
    ]);
}

#[test]
fn copy_from_hardlinks() {
    let mut build = Build::on(base());
    let same = |path: &str| at(path, EntryKind::HardLink { target: "t/a".into() }, 0o644, 0, 0);
    build.changed(vec![directory("t"), inline("t/a", "same\n"), same("t/b"), directory("t/s"), same("t/s/c")]);
    build.next_stage(base());
    build.steps(["COPY --from=0 /t /t", "COPY --from=0 /t/s /alone"]).is([
        "/alone 755 0:0 dir",
        "/alone/c 644 0:0 file \"same\\n\"",
        "/t 755 0:0 dir",
        "/t/a 644 0:0 file \"same\\n\"",
        "/t/b 644 0:0 same as /t/a",
        "/t/s 755 0:0 dir",
        "/t/s/c 644 0:0 same as /t/a",
    ]);
}

#[test]
fn hard_links_of_a_context_survive_within_one_source() {
    let build = Build::usual();
    fs::hard_link(build.context().join("dir/x.txt"), build.context().join("dir/twin")).unwrap();
    let mut build = build.steps(["COPY dir/sub /x", "COPY dir /y", "COPY dir/x.txt dir/twin /z/"]);
    let view = lines(&build.view);
    assert_eq!((view["/y/x.txt"].as_str(), view["/z/twin"].as_str()), ("644 0:0 same as /y/twin", "644 0:0 file \"x\\n\""));
    // When the first name is replaced, the others stay one file.
    for name in ["dir/a.txt", "dir/b"] {
        fs::hard_link(build.context().join("dir/x.txt"), build.context().join(name)).unwrap();
    }
    build.step("COPY dir a.txt /w/").unwrap();
    let view = lines(&build.view);
    let names = ["/w/a.txt", "/w/b", "/w/twin", "/w/x.txt"].map(|name| view[name].split_once(' ').unwrap().1);
    assert_eq!(names, ["0:0 file \"a\\n\"", "0:0 file \"x\\n\"", "0:0 same as /w/b", "0:0 same as /w/b"]);
}

#[test]
fn copy_the_whole_of_a_stage() {
    let mut build = Build::on(View::new(vec![Layer::listing(vec![inline("f", "1\n"), directory("d"), inline("d/g", "2\n")])]));
    build.next_stage(base());
    build.steps(["COPY --from=0 / /all", "COPY --from=0 --exclude=d . /some/"]).is([
        "/all 755 0:0 dir",
        "/all/d 755 0:0 dir",
        "/all/d/g 644 0:0 file \"2\\n\"",
        "/all/f 644 0:0 file \"1\\n\"",
        "/some 755 0:0 dir",
        "/some/f 644 0:0 file \"1\\n\"",
    ]);
}

#[test]
fn copy_from_wildcard() {
    let mut build = Build::on(base());
    let directories = ["w", "w/a1", "w/a2"].map(directory).to_vec();
    build.changed([directories, vec![inline("w/a1/f", "1\n"), inline("w/a2/g", "2\n"), link("w/a3", "a1")]].concat());
    build.next_stage(base());
    build.steps(["COPY --from=0 /w/a* /out/", "COPY --from=0 /w/a?/f /out2/", "COPY --from=0 /etc/conf.d/*.conf /out3/"]).is([
        "/out 755 0:0 dir",
        "/out/f 644 0:0 file \"1\\n\"",
        "/out/g 644 0:0 file \"2\\n\"",
        "/out2 755 0:0 dir",
        "/out2/f 644 0:0 file \"1\\n\"",
        "/out3 755 0:0 dir",
        "/out3/a.conf 644 0:0 file \"a=1\\n\"",
        "/out3/b.conf 644 0:0 file \"b=2\\n\"",
    ]);
}

#[test]
fn copy_missing_and_dangling() {
    let mut build = Build::usual();
    symlink("nowhere", build.context().join("l2")).unwrap();
    symlink("/etc/hostname", build.context().join("outside")).unwrap();
    assert!(refuse(&mut build, "COPY not-there.txt /b").contains("not-there.txt"));
    assert!(refuse(&mut build, "COPY l2 /w").contains("l2"));
    assert!(refuse(&mut build, "COPY l* /w/").contains("l2"));
    assert!(refuse(&mut build, "COPY outside /w/").contains("outside"));
    assert!(refuse(&mut build, "COPY nodir/*.txt /w/").contains("nodir"));
    assert!(refuse(&mut build, "COPY a[ /w/").contains("a["));
    // As in BuildKit, a pattern that matches nothing adds nothing.
    assert_eq!(build.step("COPY nothing* /w/").unwrap().listing(), &[]);
    build.steps(["COPY a.txt nothing* /w/"]).is(["/w 755 0:0 dir", "/w/a.txt 644 0:0 file \"a\\n\""]);
}

#[test]
fn copy_odd_names() {
    let build = Build::on(base());
    for (name, content) in
        [("with space.txt", "1"), ("list/[br].txt", "2"), ("list/b", "3"), ("list/new\nline", "7"), ("list/*", "8")]
    {
        build.file(name, content);
    }
    let raw = build.context().join(std::ffi::OsString::from(String::from("list/back\\slash")));
    fs::write(&raw, "6").unwrap();
    build.mode("list/back\\slash", 0o644);
    build
        .steps(["COPY [\"with space.txt\", \"/j/to space.txt\"]", "COPY [\"list\", \"/all/\"]", "COPY list/[[]br].txt /br/"])
        .is([
            "/all 755 0:0 dir",
            "/all/* 644 0:0 file \"8\"",
            "/all/[br].txt 644 0:0 file \"2\"",
            "/all/b 644 0:0 file \"3\"",
            "/all/back\\slash 644 0:0 file \"6\"",
            "/all/new\nline 644 0:0 file \"7\"",
            "/br 755 0:0 dir",
            "/br/[br].txt 644 0:0 file \"2\"",
            "/j 755 0:0 dir",
            "/j/to space.txt 644 0:0 file \"1\"",
        ]);
}

#[test]
fn copy_symlink_source_file() {
    let build = Build::on(base());
    build.file("real/inner", "in\n");
    build.file("target", "t\n");
    for (target, name) in [("target", "link"), ("real", "dlink"), ("link", "two"), ("/real/../../../target", "absolute")] {
        symlink(target, build.context().join(name)).unwrap();
    }
    let steps =
        ["COPY link /followed", "COPY dlink /dfollowed", "COPY dlink/inner /inner", "COPY two /two/", "COPY absolute /abs"];
    build.steps(steps).is([
        "/abs 644 0:0 file \"t\\n\"",
        "/dfollowed 755 0:0 dir",
        "/dfollowed/inner 644 0:0 file \"in\\n\"",
        "/followed 644 0:0 file \"t\\n\"",
        "/inner 644 0:0 file \"in\\n\"",
        "/two 755 0:0 dir",
        "/two/two 644 0:0 file \"t\\n\"",
    ]);
}

#[test]
fn copy_wildcards() {
    let steps =
        ["COPY *.txt /txt/", "COPY d* /d/", "COPY ?.md /md/", "COPY [ab].txt /ab/", "COPY [^a].txt /nota/", "COPY c.m* /one"];
    Build::usual().steps(steps).is([
        "/ab 755 0:0 dir",
        "/ab/a.txt 644 0:0 file \"a\\n\"",
        "/ab/b.txt 644 0:0 file \"b\\n\"",
        "/d 755 0:0 dir",
        "/d/.hidden 644 0:0 file \"h\\n\"",
        "/d/sub 755 0:0 dir",
        "/d/sub/y.txt 644 0:0 file \"y\\n\"",
        "/d/x.txt 644 0:0 file \"x\\n\"",
        "/md 755 0:0 dir",
        "/md/c.md 644 0:0 file \"c\\n\"",
        "/nota 755 0:0 dir",
        "/nota/b.txt 644 0:0 file \"b\\n\"",
        "/one 644 0:0 file \"c\\n\"",
        "/txt 755 0:0 dir",
        "/txt/a.txt 644 0:0 file \"a\\n\"",
        "/txt/b.txt 644 0:0 file \"b\\n\"",
    ]);
    Build::usual().steps(["COPY * /star/"]).is([
        "/star 755 0:0 dir",
        "/star/.dot 644 0:0 file \"dot\\n\"",
        "/star/.hidden 644 0:0 file \"h\\n\"",
        "/star/a.txt 644 0:0 file \"a\\n\"",
        "/star/b.txt 644 0:0 file \"b\\n\"",
        "/star/c.md 644 0:0 file \"c\\n\"",
        "/star/sub 755 0:0 dir",
        "/star/sub/y.txt 644 0:0 file \"y\\n\"",
        "/star/x.txt 644 0:0 file \"x\\n\"",
    ]);
}

#[test]
fn urls_are_for_add_alone() {
    let mut build = Build::usual();
    assert!(refuse(&mut build, "COPY https://user:canary@example.test/a.tar /x/").contains("`https://example.test/a.tar`"));
    assert!(matches!(build.step("COPY git@example.test:a/b.git /x/"), Err(CopyError::RemoteCopy { .. })));
    assert!(matches!(build.step("ADD git@example.test:a/b.git#-x /x/"), Err(CopyError::Remote(_))));
}
