//! `windlass build`, as anyone types it who comes from `docker build`.

use serde_json::json;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

fn place() -> (DockerRegistry, Workspace, String) {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:latest");
    let workspace = Workspace::new();
    workspace.write("file.txt", "content\n");
    workspace.write(
        "Dockerfile",
        format!(
            "FROM {base}\nARG GREETING=hello\nCOPY file.txt /\nRUN echo $GREETING > /greeting\nCMD [\"cat\", \"/greeting\"]\n"
        ),
    );
    (registry, workspace, base)
}

fn at(workspace: &Workspace, kind: &str, name: &str) -> Image {
    Image::read(&format!("{kind}:{}", workspace.path(name).display()), None)
}

#[test]
fn an_image_is_built_and_pushed_under_every_name() {
    let (registry, workspace, _base) = place();
    let name = |tag: &str| format!("{}/team/app:{tag}", registry.host());
    let run = workspace.windlass(["build", ".", "--push", "-t", &name("1"), "-t", &name("2")]).run().succeeds();
    assert_eq!(registry.tags("team/app"), ["1", "2"], "{}", run.all());
    let image = Image::read(&format!("docker://{}", name("2")), None);
    assert_eq!(image.text("greeting"), "hello\n");
    assert_eq!(image.text("file.txt"), "content\n");
    assert_eq!(image.config["config"]["Cmd"], json!(["cat", "/greeting"]));
    assert_eq!(windlass_e2e::skopeo::inspect(&name("1"), None)["Digest"], image.digest.as_str());
    assert!(format!("{}{}", run.stdout, run.stderr).contains(&image.digest), "{}", run.all());
}

#[test]
fn an_image_is_written_as_an_oci_layout_and_as_a_docker_archive() {
    let (registry, workspace, _base) = place();
    let outputs = ["--output", "oci:out/layout", "--output", "docker-tar:out/image.tar"];
    workspace.windlass(["build", ".", "-t", "example.test/app:1"]).args(outputs).run().succeeds();
    let (layout, archive) = (at(&workspace, "oci", "out/layout"), at(&workspace, "docker-archive", "out/image.tar"));
    assert_eq!(layout.text("greeting"), "hello\n");
    assert_eq!(layout.files, archive.files);
    assert_eq!(layout.config["rootfs"], archive.config["rootfs"]);
    let manifest =
        std::process::Command::new("tar").arg("-xOf").arg(workspace.path("out/image.tar")).arg("manifest.json").output().unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.stdout).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["example.test/app:1"]));
    assert_eq!(registry.tags("app"), Vec::<String>::new(), "nothing is pushed without --push");
}

#[test]
fn options_mean_what_they_mean_to_docker() {
    let (_registry, workspace, base) = place();
    workspace.write(
        "other/Containerfile",
        format!("FROM {base} AS one\nARG A\nARG B\nARG C=default\nRUN echo \"$A $B $C\" > /args\nFROM one AS two\nRUN exit 1\n"),
    );
    let run = workspace.windlass([
        "build",
        "other",
        "-f",
        "other/Containerfile",
        "--target",
        "one",
        "--no-cache",
        "--isolation",
        "auto",
    ]);
    let run =
        run.args(["--build-arg", "A=a=b c", "--build-arg", "B", "--label", "k=v w", "--label", "empty=", "--output", "oci:out"]);
    run.env("B", "from environment").run().succeeds();
    let image = at(&workspace, "oci", "out");
    assert_eq!(image.text("args"), "a=b c from environment default\n");
    assert_eq!((image.label("k"), image.label("empty")), (Some("v w"), Some("")));
}

#[test]
fn a_platform_decides_on_the_base_and_is_in_the_image() {
    let (registry, workspace, _base) = place();
    let foreign = windlass_e2e::base_images::foreign_architecture();
    let base = Busybox { architecture: foreign.to_owned(), variables: Vec::new() }.push(&registry, "foreign:latest");
    workspace.write("Dockerfile", format!("FROM {base}\nCOPY file.txt /\n"));
    workspace.windlass(["build", ".", "--platform", &format!("linux/{foreign}"), "--output", "oci:out"]).run().succeeds();
    assert_eq!(at(&workspace, "oci", "out").config["architecture"], foreign);
}

#[test]
fn several_stages_ignore_files_archives_and_every_form_of_run() {
    let (_registry, workspace, base) = place();
    workspace.write(".dockerignore", "*.log\n!keep.log\n");
    for name in ["src/a.log", "b.log", "keep.log", "src/c.txt"] {
        workspace.write(name, name);
    }
    let mut pack = std::process::Command::new("tar");
    pack.arg("-czf").arg(workspace.path("packed.tgz")).arg("-C").arg(workspace.path("src")).arg("c.txt");
    assert!(pack.status().unwrap().success());
    workspace.write("Dockerfile", format!(
        "# syntax=docker/dockerfile:1\nFROM {base} AS tools\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN <<EOF\nmkdir -p /made\necho heredoc > /made/heredoc\nEOF\n\
         RUN [\"sh\", \"-c\", \"echo exec > /made/exec\"]\n\
         FROM {base}\nWORKDIR /w\nENV NAME=world\nCOPY . .\nADD packed.tgz /unpacked/\nCOPY --from=tools --chown=7:8 /made ./made\n\
         USER 1000\nRUN echo \"hello $NAME $(id -u)\" > /tmp/hello\nVOLUME /data\nEXPOSE 80 53/udp\nSTOPSIGNAL SIGUSR1\n\
         HEALTHCHECK --interval=5s CMD true\nONBUILD RUN echo later\n"
    ));
    workspace.windlass(["build", ".", "--output", "oci:out"]).run().succeeds();
    let image = at(&workspace, "oci", "out");
    assert_eq!(image.text("w/made/heredoc"), "heredoc\n");
    assert_eq!(image.text("w/made/exec"), "exec\n");
    assert_eq!(image.files["w/made/exec"].owner, (7, 8));
    assert_eq!(image.text("unpacked/c.txt"), "src/c.txt");
    assert_eq!(image.text("tmp/hello"), "hello world 1000\n");
    assert!(image.files.contains_key("w/keep.log") && image.files.contains_key("w/src/a.log"), "{:?}", image.files.keys());
    assert!(!image.files.contains_key("w/b.log"), "{:?}", image.files.keys());
    let config = &image.config["config"];
    assert_eq!(config["User"], "1000");
    assert_eq!(config["WorkingDir"], "/w");
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}, "53/udp": {}}));
    assert_eq!(config["Volumes"], json!({"/data": {}}));
    assert_eq!((&config["StopSignal"], &config["OnBuild"]), (&json!("SIGUSR1"), &json!(["RUN echo later"])));
}

#[test]
fn a_build_without_output_or_push_says_so_and_keeps_the_cache() {
    let (_registry, workspace, _base) = place();
    let run = workspace.windlass(["build", "."]).run().succeeds();
    assert!(format!("{}{}", run.stdout, run.stderr).contains("sha256:"), "{}", run.all());
}
