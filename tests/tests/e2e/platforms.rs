//! One build for several platforms.

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::base_images::{Busybox, architecture, foreign_architecture};
use windlass_e2e::{DockerRegistry, Image, Workspace, skopeo};

fn both() -> String {
    format!("linux/{},linux/{}", architecture(), foreign_architecture())
}

/// A busybox for each of the two architectures, as `base-ARCHITECTURE`; the program in both is this machine's.
fn bases(registry: &DockerRegistry) -> String {
    for architecture in [architecture(), foreign_architecture()] {
        let base = Busybox { architecture: architecture.to_owned(), variables: Vec::new() };
        base.push(registry, &format!("base-{architecture}:latest"));
    }
    format!("{}/base-", registry.host())
}

fn platforms(index: &Value) -> Vec<String> {
    let entries = index["manifests"].as_array().unwrap_or_else(|| panic!("{index} is no index"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.iter().map(|entry| text(&entry["platform"]["os"]) + "/" + &text(&entry["platform"]["architecture"])).collect()
}

#[test]
fn several_platforms_are_pushed_as_an_index_whose_images_know_what_they_are() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    workspace.write(
        "Dockerfile",
        format!(
            "FROM --platform=$BUILDPLATFORM {base}{} AS tool\nARG TARGETPLATFORM\nARG TARGETOS\nARG TARGETARCH\nARG BUILDPLATFORM\nARG BUILDARCH\n\
             RUN echo \"$TARGETPLATFORM $TARGETOS $TARGETARCH $BUILDPLATFORM $BUILDARCH\" > /told\n\
             FROM {base}$TARGETARCH\nCOPY --from=tool /told /\nARG TARGETARCH\nENV ARCHITECTURE=$TARGETARCH\n",
            architecture()
        ),
    );
    let name = format!("{}/app:1", registry.host());
    let arguments = ["build", ".", "--platform", &both(), "-t", &name, "--push", "--iidfile", "id", "--metadata-file", "meta"];
    let run = workspace.windlass(arguments).run().succeeds();
    let index = skopeo::raw(&format!("docker://{name}"));
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(platforms(&index).join(","), both());
    for wanted in [architecture(), foreign_architecture()] {
        let image = Image::read_for(wanted, &format!("docker://{name}"));
        assert_eq!(image.config["architecture"], wanted);
        let told = format!("linux/{wanted} linux {wanted} linux/{0} {0}\n", architecture());
        assert_eq!(image.text("told"), told);
        let variables = image.config["config"]["Env"].as_array().unwrap();
        assert!(variables.contains(&json!(format!("ARCHITECTURE={wanted}"))), "{variables:?}");
    }
    let digest = run.stdout.trim().to_owned();
    assert_eq!(workspace.read("id"), digest);
    let metadata: Value = serde_json::from_str(&workspace.read("meta")).unwrap();
    assert_eq!((&metadata["containerimage.digest"], &metadata["image.name"]), (&json!(digest), &json!(name)));
    assert_eq!(metadata["containerimage.descriptor"]["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(metadata["containerimage.config.digest"], Value::Null);
    assert!(run.stderr.contains(&format!("[linux/{} ", foreign_architecture())), "{}", run.all());
}

#[test]
fn steps_that_are_the_same_for_every_platform_run_once() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    workspace.write(
        "Dockerfile",
        format!(
            "FROM --platform=$BUILDPLATFORM {base}{} AS tool\nRUN head -c 16 /dev/urandom > /random\nFROM scratch\nCOPY --from=tool /random /\n",
            architecture()
        ),
    );
    workspace.windlass(["build", ".", "--platform", &both(), "--output", "oci:out"]).run().succeeds();
    let from = format!("oci:{}", workspace.path("out").display());
    let [one, other] = [architecture(), foreign_architecture()].map(|wanted| Image::read_for(wanted, &from));
    assert_eq!(one.files["random"].content, other.files["random"].content);
    assert_ne!(one.digest, other.digest);
}

#[test]
fn an_index_is_written_to_a_layout_and_an_archive_and_is_a_base_for_other_builds() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    workspace.write("Dockerfile", format!("FROM {base}$TARGETARCH\nARG TARGETARCH\nLABEL is=$TARGETARCH\n"));
    let name = format!("{}/multi:1", registry.host());
    let run = workspace.windlass(["build", ".", "--platform", &both(), "-t", &name, "--push"]);
    run.args(["-o", "oci:layout", "-o", "type=oci,dest=archive.tar"]).run().succeeds();
    for from in [
        format!("oci:{}", workspace.path("layout").display()),
        format!("oci-archive:{}", workspace.path("archive.tar").display()),
    ] {
        assert_eq!(platforms(&skopeo::raw(&from)).join(","), both(), "{from}");
        assert_eq!(Image::read_for(foreign_architecture(), &from).label("is"), Some(foreign_architecture()));
    }
    workspace.write("second/Dockerfile", format!("FROM {name}\nCOPY Dockerfile /\n"));
    workspace.windlass(["build", "second", "--platform", &both(), "-o", "oci:second-out"]).run().succeeds();
    let from = format!("oci:{}", workspace.path("second-out").display());
    assert_eq!(Image::read_for(foreign_architecture(), &from).label("is"), Some(foreign_architecture()));
    assert_eq!(Image::read_for(architecture(), &from).label("is"), Some(architecture()));
}

#[test]
fn programs_that_this_machine_cannot_run_are_refused_before_any_step() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    let build = |dockerfile: String| {
        workspace.write("Dockerfile", dockerfile);
        workspace.windlass(["build", ".", "--platform", "linux/s390x", "-o", "oci:out"]).run()
    };
    Busybox { architecture: "s390x".to_owned(), variables: Vec::new() }.push(&registry, "base-s390x:latest");
    let run = build(format!("FROM {base}{}\nCOPY Dockerfile /\nRUN echo ran\n", "s390x"));
    let run = run.fails_with(ExitCode::Build).says("cannot run programs for linux/s390x").says("Dockerfile:3");
    let _ = run.never_says("#1 ").says("binfmt_misc");
    let _ = build(format!("FROM {base}s390x\nCOPY Dockerfile /\n")).succeeds();
    assert_eq!(Image::read(&format!("oci:{}", workspace.path("out").display()), None).config["architecture"], "s390x");
}

/// `binfmt_misc` of a user namespace of its own, in which programs of the foreign architecture are handed to busybox's `echo`.
fn with_an_emulator(workspace: &Workspace) -> Vec<String> {
    let emulator = workspace.path("echo");
    std::fs::copy("/bin/busybox", &emulator).or_else(|_| std::fs::copy("/usr/bin/busybox", &emulator)).unwrap();
    let number = if foreign_architecture() == "arm64" { "\\\\xb7" } else { "\\\\x3e" };
    let begin = "\\\\x7fELF\\\\x02\\\\x01\\\\x01\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x02\\\\x00";
    let script = format!(
        "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf '%b' ':foreign:M::{begin}{number}\\\\x00::{}:F' \
         > /proc/sys/fs/binfmt_misc/register && exec \"$@\"",
        emulator.display()
    );
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

#[test]
fn programs_of_another_architecture_run_by_way_of_what_the_kernel_has_registered() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    let foreign = foreign_architecture();
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    program.extend([if foreign == "arm64" { 0xb7 } else { 0x3e }, 0]);
    program.resize(128, 0);
    workspace.write("program", program);
    workspace.write(
        "Dockerfile",
        format!("FROM {base}{foreign}\nCOPY --chmod=755 program /\nRUN [\"/program\", \"by-the-emulator\"]\n"),
    );
    let build = || workspace.windlass(["build", ".", "--platform", &format!("linux/{foreign}"), "-o", "oci:out"]);
    let _ = build().run().fails_with(ExitCode::Build).says("cannot run programs for");
    let _ = build().wrapped(with_an_emulator(&workspace)).run().succeeds().says("/program by-the-emulator");
    let image = Image::read_for(foreign, &format!("oci:{}", workspace.path("out").display()));
    assert_eq!(image.config["architecture"], foreign);
}

#[test]
fn a_step_builds_for_the_platforms_that_its_variables_name() {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = bases(&registry);
    workspace.write("Dockerfile", format!("FROM {base}$TARGETARCH\nARG TARGETARCH\nLABEL is=$TARGETARCH\n"));
    for (number, variable) in ["PLUGIN_PLATFORM", "PLUGIN_CUSTOM_PLATFORM"].into_iter().enumerate() {
        let repository = format!("step-{number}");
        let variables = [("PLUGIN_REGISTRY", registry.host()), ("PLUGIN_REPO", &repository), (variable, &both())];
        workspace.windlass(["run", "--from-env", "docker"]).envs(&variables).run().succeeds();
        let name = format!("docker://{}/{repository}:latest", registry.host());
        assert_eq!(platforms(&skopeo::raw(&name)).join(","), both(), "{variable}");
    }
}

#[test]
fn what_holds_one_image_only_is_refused_for_several_platforms() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let build = |options: &[&str]| workspace.windlass(["build", ".", "--platform", &both()]).args(options).run();
    let _ = build(&["-o", "docker-tar:x.tar"]).fails_with(ExitCode::Settings).says("a docker archive holds one image");
    let _ = build(&["--engine", "buildah", "-o", "oci:x"]).fails_with(ExitCode::Settings).says("one platform at a time");
    let twice = format!("linux/{0},linux/{0}", architecture());
    workspace.windlass(["build", ".", "--platform", &twice, "-o", "docker-tar:x.tar"]).run().succeeds();
}
