//! ADD from the web and from git: BuildKit's rules for names, modes and times, checksums, and servers that mean no good.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use windlass_core::ExitCode;
use windlass_e2e::base_images::digest;
use windlass_e2e::servers::scripted::{Request, Response, Scripted};
use windlass_e2e::{Image, Windlass, Workspace};

fn file(body: &[u8], headers: &[(&str, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status: 200, headers, body: body.to_vec() }
}

fn build<'a>(workspace: &'a Workspace, dockerfile: &str) -> Windlass<'a> {
    workspace.write("Dockerfile", dockerfile);
    // A layout takes a second image beside the first.
    let _ = std::fs::remove_dir_all(workspace.path("out"));
    workspace.windlass(["build", ".", "-o", "oci:out", "-t", "app:1"])
}

fn built(workspace: &Workspace) -> Image {
    Image::read(&format!("oci:{}", workspace.path("out").display()), None)
}

fn git(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "protocol.file.allow=always"]).args(arguments);
    command.current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with a tag `v1` and a branch `main` that is one commit ahead, served by plain HTTP.
fn repository(workspace: &Workspace) -> (Scripted, String) {
    let top = workspace.path("served");
    let work = top.join("work");
    std::fs::create_dir_all(work.join("docs")).unwrap();
    git(&work, &["init", "-q", "-b", "main"]);
    std::fs::write(work.join("README"), "one").unwrap();
    std::fs::write(work.join("docs/page"), "page").unwrap();
    std::os::unix::fs::symlink("/etc", work.join("etc")).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "one"]);
    git(&work, &["tag", "-a", "-m", "v1", "v1"]);
    std::fs::write(work.join("README"), "two").unwrap();
    git(&work, &["commit", "-q", "-a", "-m", "two"]);
    git(&top, &["clone", "-q", "--bare", "work", "r.git"]);
    git(&top.join("r.git"), &["update-server-info"]);
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&work).output().unwrap();
    let head = String::from_utf8(head.stdout).unwrap().trim().to_owned();
    (serve(top), head)
}

/// The files of a directory by plain HTTP, as git's dumb protocol wants them.
fn serve(top: PathBuf) -> Scripted {
    Scripted::start(move |request: &Request| {
        let path = request.target.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
        match std::fs::read(top.join(path)) {
            Ok(body) => file(&body, &[]),
            Err(_) => Response { status: 404, headers: Vec::new(), body: Vec::new() },
        }
    })
}

#[test]
fn a_file_keeps_its_name_and_time_and_is_closed_to_others() {
    let workspace = Workspace::new();
    let server = Scripted::start(|request| match request.target.as_str() {
        "/named" => file(b"by the server", &[("content-disposition", "attachment; filename=\"other\"")]),
        "/" => file(b"disposed", &[("content-disposition", "attachment; filename=\"given\"")]),
        _ => file(b"text", &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    });
    let url = server.url();
    let text =
        format!("FROM scratch\nADD {url}/a%20b?x=1 /d/\nADD {url}/named /d/\nADD {url}/ /d/\nADD --chmod=644 {url}/f /as/this\n");
    build(&workspace, &text).run().succeeds();
    let image = built(&workspace);
    assert_eq!(image.text("d/a b"), "text");
    assert_eq!(image.files["d/a b"].mode & 0o7777, 0o600);
    assert_eq!(image.text("d/named"), "by the server");
    assert_eq!(image.text("d/given"), "disposed");
    assert_eq!(image.files["as/this"].mode & 0o7777, 0o644);
    assert!(server.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn an_archive_stays_one_unless_it_is_to_be_unpacked() {
    let workspace = Workspace::new();
    workspace.write("in/file", "inside");
    let tar = Command::new("tar").args(["-cz", "-C"]).arg(workspace.path("in")).arg("file").output().unwrap().stdout;
    let served = tar.clone();
    let server = Scripted::start(move |_| file(&served, &[]));
    let url = server.url();
    build(&workspace, &format!("FROM scratch\nADD {url}/a.tgz /kept/\nADD --unpack=true {url}/a.tgz /open/\n")).run().succeeds();
    let image = built(&workspace);
    assert_eq!(image.files["kept/a.tgz"].content, tar);
    assert_eq!(image.text("open/file"), "inside");
    assert!(!image.files.contains_key("open/a.tgz"));
}

#[test]
fn a_checksum_decides_and_saves_the_download_of_the_next_build() {
    let workspace = Workspace::new();
    let server = Scripted::start(|_| file(b"text", &[]));
    let (url, good, bad) = (server.url(), digest(b"text"), digest(b"other"));
    let run = build(&workspace, &format!("FROM scratch\nADD --checksum={bad} {url}/f /\n")).run();
    let _ = run.fails_with(ExitCode::Build).says("Dockerfile:2").says(&good);
    let dockerfile = format!("FROM scratch\nADD --checksum={good} {url}/f /\n");
    build(&workspace, &dockerfile).run().succeeds();
    let before = server.seen().len();
    build(&workspace, &dockerfile).run().succeeds();
    assert_eq!(server.seen().len(), before, "the cache has it");
    assert_eq!(built(&workspace).text("f"), "text");
}

#[test]
fn without_a_checksum_the_content_decides_about_the_cache() {
    let workspace = Workspace::new();
    let count = AtomicUsize::new(0);
    let server = Scripted::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => file(b"one", &[]),
        _ => file(b"two", &[]),
    });
    let dockerfile = format!("FROM scratch\nADD {}/f /\n", server.url());
    build(&workspace, &dockerfile).run().succeeds();
    let _ = build(&workspace, &dockerfile).run().succeeds().says("cached");
    build(&workspace, &dockerfile).run().succeeds();
    assert_eq!(built(&workspace).text("f"), "two");
}

#[test]
fn servers_that_mean_no_good_end_in_an_error_with_the_line() {
    let workspace = Workspace::new();
    let server = Scripted::start(|request| match request.target.as_str() {
        "/loop" => Response { status: 302, headers: vec![("location".into(), "/loop".into())], body: Vec::new() },
        "/file" => Response { status: 302, headers: vec![("location".into(), "file:///etc/passwd".into())], body: Vec::new() },
        "/missing" => Response { status: 404, headers: Vec::new(), body: b"\x1b[31mred".to_vec() },
        _ => file(&vec![0; 2 << 20], &[]),
    });
    for (path, said) in
        [("loop", "10 times"), ("file", "not a web address"), ("missing", "404"), ("large", "more than the 1048576")]
    {
        let run = build(&workspace, &format!("FROM scratch\nADD {}/{path} /\n", server.url()));
        let run = run.env("WINDLASS_DOWNLOAD_LIMIT", "1048576").run().fails_with(ExitCode::Build);
        let _ = run.says("Dockerfile:2").says(said).never_says("\u{1b}[31mred");
    }
}

#[test]
fn a_repository_is_added_without_its_git_directory() {
    let workspace = Workspace::new();
    let (server, head) = repository(&workspace);
    let url = format!("{}/r.git", server.url());
    let dockerfile = format!(
        "FROM scratch\nADD {url}#v1 /v1\nADD {url} /main\nADD {url}#main:docs /docs\n\
         ADD --keep-git-dir=true --checksum={head} {url}?branch=main /kept\n"
    );
    build(&workspace, &dockerfile).run().succeeds();
    let image = built(&workspace);
    assert_eq!((image.text("v1/README"), image.text("main/README")), ("one".to_owned(), "two".to_owned()));
    assert_eq!(image.text("docs/page"), "page");
    assert!(image.files.contains_key("kept/.git/HEAD") && !image.files.contains_key("v1/.git/HEAD"));
    assert_eq!(image.files["main/README"].mode & 0o7777, 0o644);
    let _ = build(&workspace, &dockerfile).run().succeeds().says("cached");
}

#[test]
fn submodules_come_along_unless_they_are_left_out() {
    let workspace = Workspace::new();
    let top = workspace.path("served");
    for name in ["lib", "app"] {
        let work = top.join(name);
        std::fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "-q", "-b", "main"]);
        std::fs::write(work.join("README"), name).unwrap();
        if name == "app" {
            git(&work, &["submodule", "--quiet", "add", "../lib.git", "vendor/lib"]);
        }
        git(&work, &["add", "."]);
        git(&work, &["commit", "-q", "-m", name]);
        git(&top, &["clone", "-q", "--bare", name, &format!("{name}.git")]);
        git(&top.join(format!("{name}.git")), &["update-server-info"]);
    }
    let server = serve(top);
    let url = format!("{}/app.git", server.url());
    build(&workspace, &format!("FROM scratch\nADD {url} /with\nADD {url}?submodules=false /without\n")).run().succeeds();
    let image = built(&workspace);
    assert_eq!((image.text("with/README"), image.text("with/vendor/lib/README")), ("app".to_owned(), "lib".to_owned()));
    assert!(image.files.contains_key("without/README") && !image.files.contains_key("without/vendor/lib/README"));
    assert!(image.files.keys().all(|path| !path.contains(".git/") && !path.ends_with(".git")), "{:?}", image.files.keys());
}

#[test]
fn what_several_platforms_need_is_fetched_once() {
    let workspace = Workspace::new();
    let server = Scripted::start(|_| file(b"text", &[]));
    let run = build(&workspace, &format!("FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH\nADD {}/f /$A/\n", server.url()));
    run.args(["--platform", "linux/amd64,linux/arm64"]).run().succeeds();
    assert_eq!(server.seen().len(), 1, "{:?}", server.seen());
    for architecture in ["amd64", "arm64"] {
        let image = Image::read_for(architecture, &format!("oci:{}", workspace.path("out").display()));
        assert_eq!(image.text(&format!("{architecture}/f")), "text");
    }
}

#[test]
fn repositories_and_refs_that_mean_no_good_are_refused() {
    let workspace = Workspace::new();
    let (server, _) = repository(&workspace);
    let url = format!("{}/r.git", server.url());
    let trace = workspace.path("trace");
    for (source, said) in [
        (format!("{url}#--upload-pack=touch${{IFS}}{}", trace.display()), "not the name of a ref"),
        (format!("{url}#missing"), "no ref `missing`"),
        (format!("{url}#main:etc"), "leads out of it"),
        (format!("{url}#main:../.."), "leads out of it"),
        (format!("{url}?checksum=0123456789"), "the commit is"),
        ("ssh://-oProxyCommand=touch/a.git".to_owned(), "names no host"),
    ] {
        let run = build(&workspace, &format!("FROM scratch\nADD [\"{source}\", \"/\"]\n")).run();
        assert!(!run.status.success(), "{source}");
        let _ = run.says(said).says("Dockerfile:2");
    }
    assert!(!trace.exists());
    // No transport but those of the network: these are paths of the context, which are not there.
    for source in ["ext::sh -c touch% x", "file:///etc/passwd"] {
        let run = build(&workspace, &format!("FROM scratch\nADD [\"{source}\", \"/\"]\n")).run();
        let _ = run.fails_with(ExitCode::Build).says("not found in the build context");
    }
}
