//! Hostile archives, layouts, repositories and web servers that a build takes files from. None of them reaches this machine.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use windlass_core::ExitCode;
use windlass_e2e::base_images::{busybox_files, digest};
use windlass_e2e::raw_tar::{Header, RawTar, octal};
use windlass_e2e::servers::images::{CONFIG, INDEX, LAYER, MANIFEST, config};
use windlass_e2e::servers::scripted::{Response, Scripted};
use windlass_e2e::{Image, Images, Run};

use crate::hostile::{Den, MOST_MEMORY, SECRET};

fn file(body: &[u8], headers: &[(&str, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status: 200, headers, body: body.to_vec() }
}

/// The image that was built; nothing of the outside is in it.
fn built(den: &Den) -> Image {
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    let leaked = image.files.iter().find(|(_, entry)| String::from_utf8_lossy(&entry.content).contains(SECRET));
    assert!(leaked.is_none(), "{leaked:?} of the host is in the image");
    image
}

/// Archives that try to leave their place, each with what they are called in errors.
fn archives(den: &Den) -> Vec<Vec<u8>> {
    let (out, climb, secret) = (den.outside("").display().to_string(), den.climb("new"), den.climb("secret"));
    let absolute = den.outside("secret").display().to_string();
    vec![
        // CVE-2018-1002207's kin: names that climb and names from the root.
        RawTar::new().file("../../../new", b"x").file("/etc/new", b"x").pax(&[("path", &climb)]).file("a", b"x").end(),
        // CVE-2020-27833, CVE-2021-32610: a link, and then something written through it, or over it.
        RawTar::new()
            .pax(&[("linkpath", &out)])
            .symlink("d", "x")
            .file("d/new", b"x")
            .file("d/secret", b"x")
            .directory("d")
            .end(),
        RawTar::new().pax(&[("linkpath", &absolute)]).symlink("s", "x").file("s", b"x").end(),
        // Hard links to what is outside, by every kind of name.
        RawTar::new().pax(&[("linkpath", &secret)]).hard_link("h", "x").end(),
        RawTar::new().pax(&[("linkpath", &absolute)]).hard_link("h", "x").end(),
        RawTar::new().pax(&[("linkpath", &out)]).symlink("d", "x").hard_link("h", "d/secret").end(),
        // Devices and pipes, also where a file is to be written next.
        RawTar::new().header(&Header { name: b"zero", flag: b'3', device: (1, 5), ..Header::default() }).file("zero", b"x").end(),
        RawTar::new().header(&Header { name: b"pipe", flag: b'6', ..Header::default() }).file("pipe", b"x").end(),
        // Sizes and maps that lie.
        RawTar::new().header(&Header { name: b"f", size: octal(1 << 40), ..Header::default() }).end(),
        RawTar::new().pax(&[("size", "9223372036854775807")]).file("f", b"").end(),
        RawTar::new()
            .pax(&[("GNU.sparse.major", "0"), ("GNU.sparse.minor", "1"), ("GNU.sparse.map", "5,5,0,5")])
            .file("f", b"x")
            .end(),
        // Names that mean removals to layers.
        RawTar::new().file(".wh..wh..opq", b"").file(".wh.etc", b"").file(".wh...", b"").end(),
    ]
}

/// ADD unpacks an archive below its destination, whether it lies in the context or on the web.
#[test]
fn what_add_unpacks_stays_below_its_destination() {
    let count = archives(&Den::new()).len();
    for number in 0..count {
        let den = Den::new();
        let archive = archives(&den).swap_remove(number);
        den.workspace.write("x.tar", &archive);
        let server = Scripted::start(move |_| file(&archive, &[]));
        for add in ["ADD x.tar /d/e/".to_owned(), format!("ADD --unpack=true {}/x.tar /d/e/", server.url())] {
            let run = den.ends(den.build(&format!("FROM scratch\n{add}\n")));
            if run.status.success() {
                let image = built(&den);
                let strays: Vec<_> = image.files.keys().filter(|name| !matches!(name.as_str(), "d" | "d/e")).collect();
                assert!(strays.iter().all(|name| name.starts_with("d/e/")), "archive {number}: {strays:?}");
            }
        }
    }
}

/// The same archives as a context: they are unpacked into a place of their own, and read as a context from there.
#[test]
fn a_context_that_is_a_hostile_archive_stays_in_its_place() {
    let count = archives(&Den::new()).len();
    for number in 0..count {
        let den = Den::new();
        // The Dockerfile comes first: what follows is the archive as it is.
        let begin = RawTar::new().file("Dockerfile", b"FROM scratch\nCOPY . /all/\n").cut_off();
        let input = den.workspace.write("input.tar", [begin, archives(&den).swap_remove(number)].concat());
        let feed = format!("exec \"$0\" \"$@\" < '{}'", input.display());
        let _ = fs::remove_dir_all(den.workspace.path("out"));
        let run = den.workspace.windlass(["build", "-", "--output", "oci:out"]).wrapped(["sh", "-c", &feed]);
        if den.ends(run).status.success() {
            let _ = built(&den);
        }
    }
}

/// Writes an OCI layout of one image whose layer is `layer`.
fn layout(directory: &Path, layer: &[u8]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8], media_type: &str| {
        let digest = digest(bytes);
        fs::write(blobs.join(&digest["sha256:".len()..]), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let layer = blob(layer, LAYER);
    let config = blob(config(&[layer["digest"].as_str().unwrap().to_owned()]).to_string().as_bytes(), CONFIG);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let manifest = blob(manifest.to_string().as_bytes(), MANIFEST);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A file of a layout that is a link to the outside, a pipe or a device: not read, even where its digest is the right one.
#[test]
fn the_files_of_a_layout_are_its_own() {
    let build = |den: &Den| {
        let context = format!("base=oci-layout://{}", den.workspace.path("layout").display());
        den.ends(den.build("FROM base AS base\nFROM scratch\nCOPY --from=base / /\n").args(["--build-context", &context]))
    };
    let files = busybox_files();
    let blob = format!("blobs/sha256/{}", &digest(&files)["sha256:".len()..]);
    let honest = Den::new();
    layout(&honest.workspace.path("layout"), &files);
    let _ = build(&honest).succeeds();
    for name in ["index.json", "oci-layout", &blob] {
        for kind in ["link", "pipe", "device"] {
            let den = Den::new();
            layout(&den.workspace.path("layout"), &files);
            let (place, moved) = (den.workspace.path("layout").join(name), den.workspace.root().join("moved"));
            fs::rename(&place, &moved).unwrap();
            match kind {
                "link" => symlink(&moved, &place).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(&place).status().unwrap().success()),
                _ => assert!(Command::new("mknod").arg(&place).args(["c", "1", "5"]).status().unwrap().success()),
            }
            let run = build(&den);
            assert!(!run.status.success(), "{name} as a {kind} was read: {}", run.all());
        }
    }
}

fn git(directory: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    let settings =
        ["-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "protocol.file.allow=always", "-c", "core.protectNTFS=false"];
    command.args(settings).args(arguments).current_dir(directory);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Adds a repository with this tree, as `git mktree` takes it, served by plain HTTP; gives its URL.
fn added(den: &Den, tree: impl Fn(&Path) -> String) -> (Run, Scripted) {
    let top = den.workspace.root().join("served");
    fs::create_dir_all(top.join("r.git")).unwrap();
    let repository = top.join("r.git");
    git(&repository, &["init", "-q", "--bare", "-b", "main"], "");
    let tree = git(&repository, &["mktree", "--missing"], &tree(&repository));
    let commit = git(&repository, &["commit-tree", "-m", "x", &tree], "");
    git(&repository, &["update-ref", "refs/heads/main", &commit], "");
    git(&repository, &["repack", "-q", "-a", "-d"], "");
    git(&repository, &["update-server-info"], "");
    let server = Scripted::start(move |request| {
        let path = request.target.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
        fs::read(top.join(path)).map_or(Response { status: 404, headers: Vec::new(), body: Vec::new() }, |body| file(&body, &[]))
    });
    let run = den.ends(den.build(&format!("FROM scratch\nADD {}/r.git /r/\n", server.url())));
    (run, server)
}

/// Repositories that want a program run, or a file written elsewhere, when they are checked out.
#[test]
fn a_repository_runs_nothing_and_writes_nowhere_else() {
    let blob = |repository: &Path, text: &str| git(repository, &["hash-object", "-w", "--stdin"], text);
    let modules = |den: &Den, name: &str, path: &str, url: &str| {
        let mark = den.outside("new").display().to_string();
        format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {}\n\tupdate = !touch {mark}\n", url.replace("MARK", &mark))
    };
    // CVE-2014-9390, CVE-2021-21300, CVE-2024-32002, CVE-2025-48384: names of git's own, links and files of one name.
    for name in [".git", ".GIT", "..", "git~1"] {
        let den = Den::new();
        let mark = den.outside("new").display().to_string();
        let (run, _server) = added(&den, |repository| {
            let hook = blob(repository, &format!("#!/bin/sh\ntouch {mark}\n"));
            let hooks = git(repository, &["mktree"], &format!("100755 blob {hook}\tpost-checkout\n"));
            let inner = git(repository, &["mktree"], &format!("040000 tree {hooks}\thooks\n100755 blob {hook}\tnew\n"));
            format!("040000 tree {inner}\t{name}\n")
        });
        if run.status.success() {
            let _ = built(&den);
        }
    }
    // CVE-2018-11235, CVE-2018-17456, CVE-2019-1349: submodules whose name climbs, whose URL is an option or no URL.
    for (name, path, url) in [
        ("../../../new", "m", "http://127.0.0.1:1/x"),
        ("m", "../../new", "http://127.0.0.1:1/x"),
        ("m", "-u./payload", "http://127.0.0.1:1/x"),
        ("m", "m", "-u./payload"),
        ("m", "m", "ext::sh -c touch% MARK"),
        ("m", "m", "file:///etc"),
        ("m", "m", "ssh://-oProxyCommand=touch% MARK/x"),
    ] {
        let den = Den::new();
        let text = modules(&den, name, path, url);
        let (run, _server) = added(&den, |repository| {
            let modules = blob(repository, &text);
            let path = if path.contains('/') { "m" } else { path };
            format!("100644 blob {modules}\t.gitmodules\n160000 commit {}\t{path}\n", "1".repeat(40))
        });
        assert!(!run.status.success(), "{name} {path} {url}: {}", run.all());
    }
    // Attributes name programs that only a configuration could define, and the tree's own configuration is none.
    let den = Den::new();
    let mark = den.outside("new").display().to_string();
    let (run, _server) = added(&den, |repository| {
        let attributes = blob(repository, "* filter=evil diff=evil merge=evil\n");
        let config = blob(
            repository,
            &format!("[filter \"evil\"]\n\tsmudge = touch {mark}\n\trequired\n[core]\n\tfsmonitor = touch {mark}\n"),
        );
        format!("100644 blob {attributes}\t.gitattributes\n100644 blob {config}\t.gitconfig\n100644 blob {config}\tconfig\n")
    });
    let _ = run.succeeds();
    // CVE-2022-23521's kin: attributes and modules that are links to the outside.
    let den = Den::new();
    let secret = den.outside("secret").display().to_string();
    let (run, _server) = added(&den, |repository| {
        let link = blob(repository, &secret);
        format!("120000 blob {link}\t.gitattributes\n120000 blob {link}\t.gitmodules\n120000 blob {link}\tlink\n")
    });
    if run.status.success() {
        assert_eq!(built(&den).files["r/link"].kind, "link");
    }
}

/// A file's name is the server's wish: it names a file in the destination and nothing else.
#[test]
fn the_name_that_a_server_gives_stays_in_the_destination() {
    for name in ["../../../../new", "/etc/new", "..", "a/../../b", "x\u{1b}[31m", "", "."] {
        let den = Den::new();
        let disposition = format!("attachment; filename=\"{name}\"");
        let server = Scripted::start(move |_| file(b"text", &[("content-disposition", &disposition)]));
        let run = den.ends(den.build(&format!("FROM scratch\nADD {}/ /d/\n", server.url())));
        if run.status.success() {
            let names: Vec<_> = built(&den).files.into_keys().filter(|name| name != "d").collect();
            assert!(
                matches!(names.as_slice(), [name] if name.strip_prefix("d/").is_some_and(|rest| !rest.contains('/'))),
                "{names:?}"
            );
        }
    }
}

/// Old and odd wires: HTTP/1.0 is read to its end, and chunks without end are left.
#[test]
fn old_answers_are_read_and_endless_chunks_are_left() {
    let mut images = Images::new();
    images.image("base", &[busybox_files()]);
    let honest = images.clone();
    let registry = images.clone().serve_with(move |request, mut stream| {
        let answer = honest.answer(request);
        let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        stream.write_all(format!("HTTP/1.0 {} X\r\n{headers}\r\n", answer.status).as_bytes())?;
        stream.write_all(&answer.body).map(|()| true)
    });
    let den = Den::new();
    den.succeeds(den.build(&format!("FROM {}/a:base\nRUN true\n", registry.host())));
    for which in ["/manifests/", "/blobs/"] {
        let registry = images.clone().serve_with(move |request, mut stream| {
            if request.method != "GET" || !request.target.contains(which) {
                return Ok(false);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            while stream.write_all(chunk.as_bytes()).is_ok() {}
            Ok(true)
        });
        let den = Den::new();
        let (run, memory) = den.measured(den.build(&format!("FROM {}/a:base\nRUN true\n", registry.host())));
        assert!(memory < MOST_MEMORY, "{memory} MiB");
        run.fails_with(ExitCode::Build);
    }
}
