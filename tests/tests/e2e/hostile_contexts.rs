//! Hostile contexts: links that lead out, pipes that never end, names in any bytes, files that change. None reads outside.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass_core::ExitCode;
use windlass_e2e::base_images::busybox_files;
use windlass_e2e::servers::scripted::Scripted;
use windlass_e2e::{Image, Images};

use crate::hostile::{Den, MOST_MEMORY, SECRET};

/// A registry with busybox as `a:base`.
fn registry() -> (Scripted, String) {
    let mut images = Images::new();
    images.image("base", &[busybox_files()]);
    let registry = images.serve();
    let name = format!("{}/a:base", registry.host());
    (registry, name)
}

fn built(den: &Den) -> Image {
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    let leaked = image.files.iter().find(|(_, entry)| String::from_utf8_lossy(&entry.content).contains(SECRET));
    assert!(leaked.is_none(), "{leaked:?} of the host is in the image");
    image
}

fn pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

/// CVE-2018-15664's class: a link of the context that leads out of it, as the source, in its path, or below it.
#[test]
fn links_that_lead_out_of_the_context_are_not_followed() {
    for dockerfile in
        ["COPY link /x", "COPY link/ /x/", "COPY dir/up/secret /x", "COPY dir/up /x/", "COPY climb /x", "ADD link /x/"]
    {
        let den = Den::new();
        fs::create_dir(den.workspace.path("dir")).unwrap();
        symlink(den.outside(""), den.workspace.path("dir/up")).unwrap();
        symlink(den.outside("secret"), den.workspace.path("link")).unwrap();
        symlink(den.climb("secret"), den.workspace.path("climb")).unwrap();
        den.fails(den.build(&format!("FROM scratch\n{dockerfile}\n"))).says("not found");
    }
    let den = Den::new();
    symlink(den.outside("secret"), den.workspace.path("link")).unwrap();
    symlink(den.outside(""), den.workspace.path("up")).unwrap();
    den.succeeds(den.build("FROM scratch\nCOPY . /all/\n"));
    let image = built(&den);
    assert_eq!((image.files["all/link"].kind, image.files["all/up"].kind), ("link", "link"), "links are copied as links");
    assert!(!image.files.contains_key("all/up/secret"));
    den.fails(den.build("FROM scratch\nCOPY ../outside/secret /x\n"));
    den.fails(den.build("FROM scratch\nCOPY up/*ecret /x\n"));
}

#[test]
fn links_in_a_circle_come_to_an_end() {
    let den = Den::new();
    for (name, target) in [("a", "b"), ("b", "a"), ("self", "self/x"), ("dot", ".")] {
        symlink(target, den.workspace.path(name)).unwrap();
    }
    for source in ["a", "self", "self/", "a/x"] {
        den.fails(den.build(&format!("FROM scratch\nCOPY {source} /x/\n")));
    }
    den.succeeds(den.build("FROM scratch\nCOPY . /all/\n"));
    assert_eq!(built(&den).files["all/a"].kind, "link");
    den.ends(den.build(&format!("FROM scratch\nCOPY {}Dockerfile /x\n", "dot/".repeat(60))));
}

/// Nothing waits for a writer that never comes.
#[test]
fn pipes_sockets_and_devices_do_not_hold_up_a_build() {
    let den = Den::new();
    pipe(&den.workspace.path("pipe"));
    let _socket = UnixListener::bind(den.workspace.path("socket")).unwrap();
    let status = std::process::Command::new("mknod").arg(den.workspace.path("zero")).args(["c", "1", "5"]).status().unwrap();
    assert!(status.success());
    den.ends(den.build("FROM scratch\nCOPY . /all/\n"));
    for name in ["pipe", "socket", "zero"] {
        den.ends(den.build(&format!("FROM scratch\nCOPY {name} /x\n")));
        den.ends(den.build(&format!("FROM scratch\nADD {name} /x/\n")));
        let (_registry, base) = registry();
        den.ends(den.build(&format!("FROM {base}\nRUN --mount=type=bind,source={name},target=/m true\n")));
    }
}

#[test]
fn a_dockerfile_that_is_no_file_is_an_error() {
    let prepare: [fn(&Den, &Path); 5] = [
        |_, path| pipe(path),
        |_, path| fs::create_dir(path).unwrap(),
        |_, path| symlink("/dev/zero", path).unwrap(),
        |_, path| symlink("Dockerfile", path).unwrap(),
        |_, path| fs::File::create(path).unwrap().set_len(100 << 20).unwrap(),
    ];
    for (number, make) in prepare.iter().enumerate() {
        let den = Den::new();
        make(&den, &den.workspace.path("Dockerfile"));
        let (run, memory) = den.measured(den.command());
        assert!(memory < MOST_MEMORY, "case {number} takes {memory} MiB");
        run.fails_with(ExitCode::Plan).says("Dockerfile");
    }
    // What stands in a file outside is not shown, as it would be with the line underlined.
    let den = Den::new();
    symlink(den.outside("secret"), den.workspace.path("Dockerfile")).unwrap();
    let run = den.workspace.windlass(["build", "."]).run().fails_with(ExitCode::Plan);
    let _ = den.kept(run);
}

#[test]
fn a_hostile_ignore_file_is_an_error_or_cheap() {
    let stars = format!("{}x\n", "*".repeat(2_000)) + &format!("{}x\n", "a*".repeat(500)) + &"**/".repeat(300) + "x\n";
    for (number, text) in
        [stars.into_bytes(), vec![b'x'; 200 << 10], b"[\n".to_vec(), b"\xff\xfe*\0\n".to_vec(), vec![b'\n'; 4 << 20]]
            .into_iter()
            .enumerate()
    {
        let den = Den::new();
        den.workspace.write(&"a".repeat(200), "x");
        den.workspace.write(".dockerignore", text);
        let (run, memory) = den.measured(den.build("FROM scratch\nCOPY . /\n"));
        assert!(memory < MOST_MEMORY, "case {number} takes {memory} MiB: {}", run.all());
    }
    for make in
        [(|path| pipe(path)) as fn(&Path), |path| fs::create_dir(path).unwrap(), |path| symlink("/dev/zero", path).unwrap()]
    {
        let den = Den::new();
        make(&den.workspace.path(".dockerignore"));
        den.ends(den.build("FROM scratch\nCOPY . /\n"));
    }
}

#[test]
fn names_in_any_bytes_are_copied_and_shown_without_harm() {
    let den = Den::new();
    let names: [&[u8]; 5] = [b"new\nline", b"esc\x1b[31m", b"\xff\xfe", "\u{202e}txt.exe".as_bytes(), b" lead and trail "];
    for name in names {
        fs::write(den.workspace.path("").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let (_registry, base) = registry();
    den.succeeds(den.build(&format!("FROM {base}\nCOPY . /all/\nRUN test $(ls /all | wc -l) -ge 6 && ls /all\n")));
    for name in names {
        fs::set_permissions(den.workspace.path("").join(OsStr::from_bytes(name)), fs::Permissions::from_mode(0o4755)).unwrap();
    }
    // An error that lists or names them.
    den.fails(den.build("FROM scratch\nCOPY esc* nothing /x\n"));
    den.workspace.write(".dockerignore", "esc*\n\u{1b}[31m[\n");
    den.ends(den.build("FROM scratch\nCOPY . /\n"));
}

/// A file of a terabyte without content: what is refused is refused before it is read.
#[test]
fn a_file_without_end_is_refused_at_once() {
    let den = Den::new();
    fs::File::create(den.workspace.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    let (run, memory) = den.measured(den.build("FROM scratch\nCOPY sparse /\n"));
    assert!(memory < MOST_MEMORY, "{memory} MiB");
    run.fails_with(ExitCode::Build).says("sparse").says("larger");
}

/// A file that grows, shrinks and is swapped for a link to the outside while it is read (CVE-2018-15664 again).
#[test]
fn a_context_that_changes_is_an_error_or_a_right_image() {
    let den = Den::new();
    let path = den.workspace.write("dir/file", "x".repeat(1 << 20));
    let stop = Arc::new(AtomicBool::new(false));
    let (copy, outside) = (Arc::clone(&stop), den.outside(""));
    let racer = std::thread::spawn(move || {
        let (directory, away) = (path.parent().unwrap().to_owned(), path.parent().unwrap().with_file_name("away"));
        while !copy.load(Ordering::SeqCst) {
            fs::rename(&directory, &away).unwrap();
            symlink(&outside, &directory).unwrap();
            fs::remove_file(&directory).unwrap();
            fs::rename(&away, &directory).unwrap();
            fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(1 << 19).unwrap();
            fs::write(&path, "y".repeat(1 << 20)).unwrap();
        }
    });
    for _ in 0..8 {
        let run = den.ends(den.build("FROM scratch\nCOPY dir /dir/\n"));
        if run.status.success() {
            let image = built(&den);
            assert!(!image.files.contains_key("dir/secret"), "{:?}", image.files.keys());
        }
    }
    stop.store(true, Ordering::SeqCst);
    racer.join().unwrap();
}

/// CVE-2024-1753: the source of a mount is a link to the host's file system.
#[test]
fn the_source_of_a_mount_is_not_followed_out() {
    let (_registry, base) = registry();
    for (from, source) in [
        ("", "link"),
        ("", "/link"),
        ("", "../outside"),
        ("", "dir/up"),
        ("from=s,", "/l"),
        ("from=s,", "/../../l"),
        ("from=s,", "/a/b"),
    ] {
        let den = Den::new();
        fs::create_dir(den.workspace.path("dir")).unwrap();
        symlink(den.outside(""), den.workspace.path("link")).unwrap();
        symlink("../../outside", den.workspace.path("dir/up")).unwrap();
        let out = den.outside("").display().to_string();
        for access in ["", ",rw"] {
            let dockerfile = format!(
                "FROM {base} AS s\nRUN ln -s {out} /l && ln -s / /a\nFROM {base}\nRUN --mount=type=bind,{from}source={source},target=/m{access} cat /m/secret; echo x > /m/secret; echo x > /m/new; true\n"
            );
            den.ends(den.build(&dockerfile));
        }
    }
}

/// CVE-2024-9675: an id of a cache that climbs out of the caches, and CVE-2024-23651: its source is swapped for a link.
#[test]
fn a_cache_is_only_ever_a_cache() {
    let (_registry, base) = registry();
    let den = Den::new();
    let climb = den.climb("");
    for id in [climb.as_str(), "..", "../../..", "/", ".", "a/../../b", "a/b", "\u{e9}", "$HOME"] {
        den.ends(
            den.build(&format!("FROM {base}\nRUN --mount=type=cache,id={id},target=/c cat /c/secret; echo x > /c/new; ls /c\n")),
        );
    }
    let out = den.outside("").display().to_string();
    den.ends(den.build(&format!(
        "FROM {base}\nRUN --mount=type=cache,id=k,target=/c rm -rf /c/s; ln -s {out} /c/s\nRUN --mount=type=cache,id=k,source=s,target=/m cat /m/secret; echo x > /m/new\n"
    )));
    den.ends(den.build(&format!(
        "FROM {base}\nRUN --mount=type=cache,id=k,target=/c mkdir -p /c/t; rm -rf /c/t/u; ln -s / /c/t/u\nRUN --mount=type=cache,id=k,source=../..,target=/m ls /m; echo x > /m/new\n"
    )));
}

/// CVE-2024-23652 and -23653, CVE-2024-21626: the place that is mounted on or worked in is a link to elsewhere, and goes
/// with the step.
#[test]
fn what_is_mounted_on_or_worked_in_is_the_images_own() {
    let (_registry, base) = registry();
    let den = Den::new();
    let out = den.outside("").display().to_string();
    for step in [
        "WORKDIR /l/new\nRUN pwd",
        "COPY file /l/new",
        "ADD file /l/",
        "RUN --mount=type=tmpfs,target=/l/x touch /l/x/y",
        "RUN --mount=type=cache,target=/l touch /l/new",
        "RUN --mount=type=bind,target=/l/secret true",
        "RUN --mount=type=bind,source=file,target=/l/made true",
        "RUN --mount=type=tmpfs,target=/../../../x true",
        "RUN --mount=type=tmpfs,target=/proc/self/x true",
        "RUN --mount=type=tmpfs,target=/t/u rm -rf /t; ln -s / /t; true",
        "WORKDIR /proc/self/fd/7\nRUN cat ../../../../secret",
        "WORKDIR /proc/self/cwd/../..\nRUN ls",
        "WORKDIR /proc/1/root\nRUN ls",
    ] {
        den.workspace.write("file", "x");
        den.ends(den.build(&format!("FROM {base}\nRUN ln -s {out} /l\n{step}\n")));
    }
    for descriptor in 3..20 {
        let text = format!(
            "FROM {base}\nWORKDIR /proc/self/fd/{descriptor}\nRUN ls -d ../../../../..{out}/secret && cat ../../../../..{out}/secret\n"
        );
        den.fails(den.build(&text));
    }
}

/// `COPY --from` of a stage follows its links inside it only.
#[test]
fn copies_from_a_stage_stay_in_it() {
    let (_registry, base) = registry();
    let den = Den::new();
    let out = den.outside("").display().to_string();
    for source in ["/l/secret", "/l", "/../../../..", "/proc/self/environ", &format!("../../../..{out}/secret"), "/s"] {
        let text =
            format!("FROM {base} AS s\nRUN ln -s {out} /l; ln -s {out}/secret /s\nFROM scratch\nCOPY --from=s {source} /x/\n");
        if den.ends(den.build(&text)).status.success() {
            let _ = built(&den);
        }
    }
}

/// Memory stays small with many files in the context.
#[test]
fn many_files_take_little_memory() {
    let den = Den::new();
    for number in 0..20_000 {
        if number < 100 {
            fs::create_dir(den.workspace.path(&number.to_string())).unwrap();
        }
        fs::File::create(den.workspace.path(&format!("{}/f{number}", number % 100))).unwrap();
    }
    let (run, memory) = den.measured(den.build("FROM scratch\nCOPY . /\n"));
    let _ = run.succeeds();
    assert!(memory < MOST_MEMORY, "{memory} MiB");
}
