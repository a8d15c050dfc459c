//! Bad input: a disk that is full.

use std::io::Read as _;

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

/// Mounts a small file system at the directory `$1` in a mount namespace of its own, and becomes the rest of the words.
const SMALL_DISK: &str = "set -e; mkdir -p \"$1\"; mount -t tmpfs -o size=4m tmpfs \"$1\"; shift; exec \"$@\"";

#[test]
fn a_store_without_room_is_a_build_error_that_says_so() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", format!("FROM {base}\nRUN dd if=/dev/urandom of=/big bs=1000000 count=8\n"));
    let store = workspace.root().join("small").display().to_string();
    let run = workspace.windlass(["build", ".", "--output", "oci:out", "--store", &store]);
    let run = run.wrapped(["unshare", "--mount", "sh", "-c", SMALL_DISK, "sh", &store]).run();
    run.fails_with(ExitCode::Build).says("no space left");
    assert!(!workspace.has("out/index.json"));
    assert!(workspace.temporary_files().is_empty());
}

#[test]
fn what_a_full_disk_has_left_in_the_store_is_not_built_on() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("a", "1");
    let step = "RUN dd if=/dev/zero of=/big bs=1000000 count=8 && sha256sum /big > /sum";
    workspace.write("Dockerfile", format!("FROM {base}\nCOPY a /\n{step}\n"));
    let store = workspace.root().join("small").display().to_string();
    let name = format!("{}/app:1", registry.host());
    let grown = SMALL_DISK
        .replace("set -e; ", "")
        .replace("exec \"$@\"", "\"$@\" && exit 99; mount -o remount,size=64m \"$D\" && exec \"$@\"")
        .replace("shift", "D=$1; shift");
    let run = workspace.windlass(["build", ".", "--push", "-t", &name, "--store", &store]);
    let run = run.wrapped(["unshare", "--mount", "sh", "-c", &grown, "sh", &store]).run().succeeds();
    assert!(run.says("no space left").stderr.contains("pushed"));
    let image = Image::read(&format!("docker://{name}"), None);
    assert_eq!((image.text("a"), image.text("sum").starts_with("65066145")), ("1".to_owned(), true), "{}", image.text("sum"));
}

#[test]
fn an_output_without_room_is_an_output_error_and_leaves_no_half_file() {
    let workspace = Workspace::new();
    let mut noise = Vec::new();
    std::fs::File::open("/dev/urandom").unwrap().take(8_000_000).read_to_end(&mut noise).unwrap();
    std::fs::write(workspace.path("big"), noise).unwrap();
    workspace.write("Dockerfile", "FROM scratch\nCOPY big /\n");
    let out = workspace.path("out").display().to_string();
    let run = workspace.windlass(["build", ".", "--output", &format!("docker-tar:{out}/image.tar")]);
    let check = format!("{} ; rc=$?; ls -A \"{out}\" | grep -q . && exit 99; exit $rc", SMALL_DISK.replace("exec ", ""));
    let run = run.wrapped(["unshare", "--mount", "sh", "-c", &check.replace("set -e; ", ""), "sh", &out]).run();
    run.fails_with(ExitCode::Output).says("no space left");
}
