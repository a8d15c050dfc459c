//! `--output` in all its forms, each read by a tool that is not ours.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::base_images::{Busybox, architecture, foreign_architecture};
use windlass_e2e::{DockerRegistry, Image, User, Workspace, skopeo};

fn place() -> (DockerRegistry, Workspace) {
    place_of(User::Root)
}

fn place_of(user: User) -> (DockerRegistry, Workspace) {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::of(user));
    let base = Busybox::default().push(&registry, "base:latest");
    workspace.write("file.txt", "content\n");
    workspace.write(
        "Dockerfile",
        format!(
            "FROM {base}\nCOPY --chown=7:8 --chmod=640 file.txt /dir/\nRUN ln -s /etc /link && rm /etc/group && echo x > /made && ln /made /same\n"
        ),
    );
    (registry, workspace)
}

fn at(workspace: &Workspace, name: &str) -> String {
    workspace.path(name).display().to_string()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn several_outputs_of_one_build_hold_the_same_image() {
    let (registry, workspace) = place();
    let name = format!("{}/app:1", registry.host());
    let outputs = ["-o", "type=oci,dest=a.tar", "-o", "type=oci,tar=false,dest=layout", "-o", "type=docker,dest=docker.tar"];
    let run = workspace.windlass(["build", ".", "-t", &name, "--push"]).args(outputs).run().succeeds();
    let digest = run.stdout.trim();
    let archive = skopeo::raw(&format!("oci-archive:{}", at(&workspace, "a.tar")));
    assert_eq!(archive, skopeo::raw(&format!("docker://{name}")));
    assert_eq!(archive, skopeo::raw(&format!("oci:{}", at(&workspace, "layout"))));
    assert_eq!(skopeo::inspect(&name, None)["Digest"], digest);
    let saved = Image::read(&format!("docker-archive:{}", at(&workspace, "docker.tar")), None);
    assert_eq!(saved.text("made"), "x\n");
    said("umoci", &["unpack", "--rootless", "--image", &format!("{}:1", at(&workspace, "layout")), &at(&workspace, "bundle")]);
    assert_eq!(workspace.read("bundle/rootfs/dir/file.txt"), "content\n");
    said(
        "buildah",
        &[
            "--storage-driver",
            "vfs",
            "--root",
            &at(&workspace, "b"),
            "--runroot",
            &at(&workspace, "r"),
            "pull",
            "-q",
            &format!("oci-archive:{}", at(&workspace, "a.tar")),
        ],
    );
}

fn assert_files(directory: &Path) {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!((read("dir/file.txt"), read("made")), ("content\n".to_owned(), "x\n".to_owned()));
    let of = |name: &str| directory.join(name).symlink_metadata().unwrap();
    assert_eq!(of("dir/file.txt").mode() & 0o7777, 0o640);
    assert_eq!(of("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(of("made").ino(), of("same").ino(), "a hard link stays one");
    assert_eq!(std::fs::read_link(directory.join("link")).unwrap(), Path::new("/etc"));
    assert!(of("etc/passwd").is_file() && directory.join("etc/group").symlink_metadata().is_err(), "what a step removes is gone");
}

#[test]
fn the_root_file_system_is_written_as_a_directory() {
    for (user, form) in [(User::Root, "out"), (User::Root, "type=local,dest=out"), (User::Nobody, "out")] {
        let (_registry, workspace) = place_of(user);
        workspace.write("out/kept", "");
        workspace.windlass(["build", ".", "-o", form]).run().succeeds();
        assert_files(&workspace.path("out"));
        assert!(workspace.has("out/kept"));
        let owner = workspace.path("out/dir/file.txt").metadata().unwrap().uid();
        assert_eq!(owner, workspace.path("").metadata().unwrap().uid(), "files belong to whoever builds");
    }
}

#[test]
fn links_in_the_target_directory_and_in_the_image_lead_nothing_out_of_it() {
    let (_registry, workspace) = place();
    workspace.write("outside/passwd", "before");
    std::fs::create_dir(workspace.path("out")).unwrap();
    std::os::unix::fs::symlink(workspace.path("outside"), workspace.path("out/etc")).unwrap();
    std::os::unix::fs::symlink(workspace.path("outside/passwd"), workspace.path("out/made")).unwrap();
    workspace.windlass(["build", ".", "-o", "out"]).run().succeeds();
    assert_files(&workspace.path("out"));
    assert_eq!(workspace.read("outside/passwd"), "before");
    assert_eq!(std::fs::read_dir(workspace.path("outside")).unwrap().count(), 1);
}

#[test]
fn the_root_file_system_is_written_as_a_tar_archive_to_a_file_and_to_standard_output() {
    let (_registry, workspace) = place();
    workspace.windlass(["build", ".", "-o", "type=tar,dest=out.tar"]).run().succeeds();
    let listed = said("tar", &["--numeric-owner", "-tvf", &at(&workspace, "out.tar")]);
    let line =
        |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap_or_else(|| panic!("{name}: {listed}")).to_owned();
    assert!(line(" dir/file.txt").starts_with("-rw-r----- 7/8"), "{listed}");
    assert!(line(" same link to made").starts_with('h') && line(" link -> /etc").starts_with('l'), "{listed}");
    assert!(!listed.contains("etc/group") && !listed.contains(".wh."), "{listed}");
    // A shell sends standard output to a file, as users do.
    let script = format!("exec \"$@\" > {}", at(&workspace, "piped.tar"));
    workspace.windlass(["build", ".", "-o", "-"]).wrapped(["sh", "-c", &script, "sh"]).run().succeeds();
    assert_eq!(said("tar", &["--numeric-owner", "-tvf", &at(&workspace, "piped.tar")]), listed);
    let script = format!("exec \"$@\" > {}", at(&workspace, "oci.tar"));
    workspace.windlass(["build", ".", "-o", "type=oci"]).wrapped(["sh", "-c", &script, "sh"]).run().succeeds();
    assert_eq!(Image::read(&format!("oci-archive:{}", at(&workspace, "oci.tar")), None).text("made"), "x\n");
    let _ = workspace
        .windlass(["build", ".", "-o", "-", "-o", "type=oci"])
        .run()
        .fails_with(ExitCode::Settings)
        .says("one output only");
}

#[test]
fn the_files_of_several_platforms_have_a_directory_each() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let platforms = format!("linux/{},linux/{}", architecture(), foreign_architecture());
    workspace.windlass(["build", ".", "--platform", &platforms, "-o", "out", "-o", "type=tar,dest=out.tar"]).run().succeeds();
    let listed = said("tar", &["-tf", &at(&workspace, "out.tar")]);
    for name in [architecture(), foreign_architecture()].map(|architecture| format!("linux_{architecture}/Dockerfile")) {
        assert!(workspace.has(&format!("out/{name}")) && listed.contains(&name), "{name}: {listed}");
    }
}

#[test]
fn an_image_is_pushed_to_every_name_of_an_output() {
    let (registry, workspace) = place();
    let name = |name: &str| format!("{}/{name}", registry.host());
    let output = format!("type=image,\"name={},{}\",push=true", name("one:1"), name("two:2"));
    workspace.windlass(["build", ".", "-o", &output]).run().succeeds();
    let output = format!("type=registry,name={}", name("three:3"));
    workspace.windlass(["build", ".", "-t", &name("never:1"), "-o", &output]).run().succeeds();
    workspace.windlass(["build", ".", "-t", &name("four:4"), "-t", &name("five:5"), "-o", "type=registry"]).run().succeeds();
    for (repository, tag) in [("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5")] {
        assert_eq!(registry.tags(repository), [tag]);
    }
    assert_eq!(registry.tags("never"), Vec::<String>::new());
    let _ = workspace.windlass(["build", ".", "-o", "type=registry"]).run().fails_with(ExitCode::Settings).says("needs a name");
    workspace.windlass(["build", ".", "-t", &name("six:6"), "-o", "type=cacheonly"]).run().succeeds();
    assert_eq!(registry.tags("six"), Vec::<String>::new());
}

fn media_types(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap_or_else(|| panic!("{manifest} has no layers"));
    layers.iter().map(|layer| layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()).collect()
}

#[test]
fn layers_have_the_compression_that_each_output_asks_for() {
    let (registry, workspace) = place();
    let name = format!("{}/app:1", registry.host());
    let outputs = [
        "-o".to_owned(),
        format!("type=registry,name={name}"),
        "-o".to_owned(),
        "type=oci,tar=false,dest=zstd,compression=zstd,compression-level=9".to_owned(),
        "-o".to_owned(),
        "type=oci,tar=false,dest=all,compression=zstd,force-compression=true".to_owned(),
        "-o".to_owned(),
        "type=oci,tar=false,dest=plain,compression=uncompressed,force-compression=true".to_owned(),
    ];
    workspace.windlass(["build", "."]).args(&outputs).run().succeeds();
    let raw = |name: &str| skopeo::raw(&format!("oci:{}", at(&workspace, name)));
    assert_eq!(media_types(&skopeo::raw(&format!("docker://{name}"))), ["tar+gzip", "tar+gzip", "tar+gzip"]);
    assert_eq!(media_types(&raw("zstd")), ["tar+gzip", "tar+zstd", "tar+zstd"]);
    assert_eq!(media_types(&raw("all")), ["tar+zstd", "tar+zstd", "tar+zstd"]);
    assert_eq!(media_types(&raw("plain")), ["tar", "tar", "tar"]);
    let files = |name: &str| Image::read(&format!("oci:{}", at(&workspace, name)), None).files;
    let expected: BTreeMap<_, _> = Image::read(&format!("docker://{name}"), None).files;
    assert!(["zstd", "all", "plain"].iter().all(|name| files(name) == expected));
    // A fresh store that builds with zstd from the start makes the same layers as one that compresses anew.
    let alone = workspace.windlass([
        "build",
        ".",
        "--store",
        "other",
        "--no-cache",
        "-o",
        "type=oci,tar=false,dest=alone,compression=zstd",
    ]);
    let run = alone.run().succeeds();
    assert_eq!(media_types(&raw("alone")), ["tar+gzip", "tar+zstd", "tar+zstd"]);
    let from = format!("oci:{}", at(&workspace, "alone"));
    assert_eq!(run.stdout.trim(), Image::read(&from, None).digest, "the digest told is that of what was written");
}

#[test]
fn media_types_are_dockers_on_request() {
    let (registry, workspace) = place();
    let name = format!("{}/app:1", registry.host());
    workspace.windlass(["build", ".", "-o", &format!("type=registry,name={name},oci-mediatypes=false")]).run().succeeds();
    let manifest = skopeo::raw(&format!("docker://{name}"));
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    assert!(
        manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|layer| layer["mediaType"] == "application/vnd.docker.image.rootfs.diff.tar.gzip")
    );
    assert_eq!(Image::read(&format!("docker://{name}"), None).text("made"), "x\n");
}

#[test]
fn annotations_stand_where_they_belong() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let platforms = format!("linux/{},linux/{}", architecture(), foreign_architecture());
    let on_foreign = format!("manifest[linux/{}]:only=foreign", foreign_architecture());
    let annotations = [
        "every=manifest",
        "index:on=index",
        "manifest-descriptor:on=entry",
        "index-descriptor:on=pointer",
        &on_foreign,
        "manifest,index:both=yes",
    ];
    let options = annotations.iter().flat_map(|annotation| ["--annotation", annotation]);
    workspace.windlass(["build", ".", "--platform", &platforms, "-o", "oci:out"]).args(options).run().succeeds();
    let index = skopeo::raw(&format!("oci:{}", at(&workspace, "out")));
    assert_eq!(index["annotations"], json!({"both": "yes", "on": "index"}));
    assert!(index["manifests"].as_array().unwrap().iter().all(|entry| entry["annotations"] == json!({"on": "entry"})));
    let top: Value = serde_json::from_str(&workspace.read("out/index.json")).unwrap();
    assert_eq!(top["manifests"][0]["annotations"], json!({"on": "pointer"}));
    let of =
        |architecture| Image::read_for(architecture, &format!("oci:{}", at(&workspace, "out"))).manifest["annotations"].clone();
    assert_eq!(of(architecture()), json!({"both": "yes", "every": "manifest"}));
    assert_eq!(of(foreign_architecture()), json!({"both": "yes", "every": "manifest", "only": "foreign"}));
    let single = workspace.windlass(["build", ".", "-o", "oci:single", "--annotation", "index:a=b"]).run();
    let _ = single.fails_with(ExitCode::Settings).says("one platform makes none");
}
