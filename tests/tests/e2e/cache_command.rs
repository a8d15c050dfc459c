//! The store is looked at and made smaller, and the image after it is right.

use serde_json::Value;
use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::raw_tar::{Header, RawTar};
use windlass_e2e::{DockerRegistry, Image, Workspace};

fn bytes(workspace: &Workspace) -> u64 {
    workspace.windlass(["cache", "du", "--format", "json"]).run().succeeds().json()["bytes"].as_u64().unwrap()
}

#[test]
fn a_pruned_store_is_smaller_and_the_next_build_is_right() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo made > /made\nCOPY a /\n"));
    workspace.write("a", "1");
    let name = format!("{}/app:1", registry.host());
    let build = || {
        workspace.windlass(["build", ".", "--push", "-t", &name, "--report", "report.json"]).run().succeeds();
        let report: Value = serde_json::from_str(&workspace.read("report.json")).unwrap();
        let steps = report["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["outcome"] == "run").count()
    };
    assert!(build() > 0);
    let full = bytes(&workspace);
    workspace.windlass(["cache", "prune", "--older-than", "1d"]).run().succeeds();
    assert_eq!(build(), 0, "nothing is a day old");
    // Records without what they name: the build must make the layers again.
    workspace.windlass(["cache", "prune", "--max-size", "0", "--keep", "steps"]).run().succeeds();
    assert!(bytes(&workspace) < full / 2);
    build();
    workspace.windlass(["cache", "prune", "--max-size", "0"]).run().succeeds();
    assert!(bytes(&workspace) < full / 2);
    assert!(build() > 0);
    let image = Image::read(&format!("docker://{name}"), None);
    assert_eq!(image.text("made"), "made\n");
}

#[test]
fn prune_without_a_limit_is_refused() {
    Workspace::new().windlass(["cache", "prune"]).run().fails_with(ExitCode::Settings).says("--max-size");
}

#[test]
fn a_store_over_its_limit_is_made_smaller_by_the_last_build_that_uses_it() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    let build = |file: &str, more: &[&str]| {
        let arguments = ["build", ".", "-f", file, "--output", "oci:out", "--progress", "plain"];
        workspace.windlass(arguments).args(more)
    };
    workspace.write("one", format!("FROM {base}\nRUN echo made > /made\n"));
    workspace.write("long", format!("FROM {base}\nRUN echo it has begun; sleep 76543\n"));
    let _ = build("one", &[]).run().succeeds().never_says("were removed");
    let full = bytes(&workspace);
    let mut other = build("long", &[]).spawn();
    other.wait_for("it has begun\n");
    let _ = build("one", &["--no-cache", "--store-limit", "0"]).run().succeeds().never_says("were removed");
    assert!(bytes(&workspace) >= full, "the other build uses the store");
    other.interrupt();
    let _ = other.finish().fails_with(ExitCode::Cancelled);
    let _ = build("one", &["--no-cache"]).env("WINDLASS_STORE_LIMIT", "none").run().succeeds().never_says("were removed");
    workspace.write("config.toml", "store-limit = \"100kB\"\n");
    let limited = build("one", &["--no-cache", "--config", "config.toml"]).run().succeeds();
    let _ = limited.says("were removed from the store");
    assert!(bytes(&workspace) <= 100_000);
    // A build that finds all that it needs does not measure the store.
    let _ = build("one", &[]).run().succeeds();
    let _ = build("one", &["--store-limit", "0"]).run().succeeds().never_says("were removed");
    let _ = build("one", &["--store-limit", "large"]).run().fails_with(ExitCode::Settings).says("unknown unit `large`");
}

#[test]
fn directories_of_cache_mounts_are_carried_to_another_store() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let (first, second) = (Workspace::new(), Workspace::new());
    let mount = "RUN --mount=type=cache,id=../c,target=/c";
    first
        .write("Dockerfile", format!("FROM {base}\n{mount} echo kept > /c/file && chown 123:456 /c/file && chmod 640 /c/file\n"));
    let _ = first.windlass(["build", ".", "--output", "type=cacheonly"]).run().succeeds();
    let archive = first.path("caches.tar.zst").display().to_string();
    let _ = first.windlass(["cache", "save", &archive, "--id", "nothing"]).run().fails_with(ExitCode::Settings).says("`nothing`");
    assert!(!first.has("caches.tar.zst"));
    let _ = first.windlass(["cache", "save", &archive, "--id", "../c"]).run().succeeds();
    let loaded = second.windlass(["cache", "load", &archive, "--format", "json"]).run().succeeds().json();
    assert_eq!(loaded["mounts"], 1);
    second.write("Dockerfile", format!("FROM {base}\n{mount} stat -c '%u:%g %a' /c/file > /out && cat /c/file >> /out\n"));
    let name = format!("{}/app:1", registry.host());
    let _ = second.windlass(["build", ".", "--push", "-t", &name]).run().succeeds();
    assert_eq!(Image::read(&format!("docker://{name}"), None).text("out"), "123:456 640\nkept\n");
}

#[test]
fn a_hostile_archive_of_caches_writes_nothing_outside() {
    let workspace = Workspace::new();
    let victim = workspace.write("victim", "untouched");
    let (name, directory) = ("0".repeat(64), workspace.path("").display().to_string());
    let (below, at) = (format!("{name}/l/victim"), format!("{name}/victim"));
    let archives = [
        ("up", RawTar::new().pax(&[("path", &format!("{name}/{}{}", "../".repeat(20), victim.display()))]).file("x", b"hostile")),
        ("link", RawTar::new().directory(&name).symlink(&format!("{name}/l"), &directory).file(&below, b"hostile")),
        ("hard", RawTar::new().directory(&name).hard_link(&at, &victim.display().to_string()).file(&at, b"hostile")),
        ("top", RawTar::new().symlink(&name, &directory).file(&at, b"hostile")),
        ("plain", RawTar::new().file("victim", b"hostile")),
        (
            "disk",
            RawTar::new().directory(&name).header(&Header {
                name: at.as_bytes(),
                flag: b'4',
                device: (8, 0),
                ..Header::default()
            }),
        ),
        ("damaged", RawTar::new().content(b"no archive at all")),
    ];
    for (file, archive) in archives {
        workspace.write(file, archive.end());
        let run = workspace.windlass(["cache", "load", file]).run();
        assert_eq!(workspace.read("victim"), "untouched", "{}", run.all());
        // Links inside a cache are as they are; whatever follows one is left to the unpacker, which stays inside.
        if !["up", "link"].contains(&file) {
            let _ = run.fails_with(ExitCode::Output).says(file);
        }
    }
}
