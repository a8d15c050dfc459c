//! A push without a build: the image of an archive, as between a build, a scan and a push of the same pipeline.

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Run, Workspace};

/// A registry, and a directory that holds an image in every form of an archive and no Dockerfile.
struct Place {
    registry: DockerRegistry,
    workspace: Workspace,
}

const FORMS: [(&str, &str); 3] = [("docker-tar", "docker.tar"), ("oci", "layout"), ("oci-tar", "oci.tar")];

impl Place {
    fn new() -> Self {
        let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
        let base = Busybox::default().push(&registry, "base:1");
        workspace.write("src/Dockerfile", format!("FROM {base}\nCOPY Dockerfile /made\nENV A=b\nLABEL c=d\n"));
        let run = workspace.windlass(["build", "src", "-t", "built:1"]);
        let outputs = FORMS.map(|(kind, path)| format!("--output={kind}:{path}"));
        run.args(outputs).run().succeeds();
        Self { registry, workspace }
    }

    fn push(&self, command: &str, source: &str, more: &[(&str, &str)]) -> Run {
        let run = self.workspace.windlass([command, "--from-env", "docker"]);
        let run = if command == "run" { run.args(["--report", "report.json"]) } else { run };
        let run = run.env("PLUGIN_REPO", format!("{}/app", self.registry.host())).env("PLUGIN_REGISTRY", self.registry.host());
        let run = run.env("PLUGIN_TAGS", "1,2").env("PLUGIN_PUSH_ONLY", "true").env("PLUGIN_SOURCE_TAR_PATH", source);
        run.envs(more).run()
    }
}

#[test]
fn the_image_of_every_archive_is_pushed_under_all_tags() {
    let place = Place::new();
    let built = Image::read(&format!("docker-archive:{}", place.workspace.path("docker.tar").display()), None);
    for (_, archive) in FORMS {
        place.push("run", archive, &[]).succeeds();
        assert_eq!(place.registry.tags("app"), ["1", "2"]);
        let pushed = Image::read(&format!("docker://{}/app:2", place.registry.host()), None);
        assert_eq!(pushed.text("made"), built.text("made"));
        assert_eq!(pushed.config["config"], built.config["config"], "{archive}");
        assert_eq!(pushed.config["rootfs"], built.config["rootfs"], "{archive}");
        assert!(place.workspace.read("report.json").contains(&pushed.digest));
    }
}

#[test]
fn every_platform_of_an_archive_is_pushed() {
    let place = Place::new();
    place.workspace.write("two/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = place.workspace.windlass(["build", "two", "--platform", "linux/amd64,linux/arm64", "-o", "oci-tar:two.tar"]);
    run.run().succeeds();
    place.push("run", "two.tar", &[]).succeeds();
    let index = windlass_e2e::skopeo::raw(&format!("docker://{}/app:1", place.registry.host()));
    let platforms =
        index["manifests"].as_array().unwrap().iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap());
    assert_eq!(platforms.collect::<Vec<_>>(), ["amd64", "arm64"]);
}

#[test]
fn a_plan_names_the_archive_and_pushes_nothing() {
    let place = Place::new();
    let plan = place.push("plan", "oci.tar", &[]).succeeds().all();
    assert!(plan.contains("archive") && plan.contains("oci.tar") && !plan.contains("dockerfile"), "{plan}");
    assert!(place.registry.tags("app").is_empty());
}

#[test]
fn what_cannot_be_pushed_is_told_before_anything_is() {
    let place = Place::new();
    place.push("run", "missing.tar", &[]).fails_with(ExitCode::Plan).says("there is no archive").says("missing.tar");
    place.workspace.write("text.tar", "no archive at all");
    place.push("run", "text.tar", &[]).fails_with(ExitCode::Build).says("the archive cannot be pushed").says("text.tar");
    let run = place.push("run", "", &[("PLUGIN_SOURCE_IMAGE", "built:1")]);
    let run = run.fails_with(ExitCode::Settings).says("PLUGIN_SOURCE_IMAGE").says("no daemon").says("`source-tar-path`");
    let _ = run.never_says("no archive is named");
    place.push("run", "", &[]).fails_with(ExitCode::Settings).says("PLUGIN_PUSH_ONLY").never_says("PLUGIN_SOURCE_IMAGE");
    place.push("run", "oci.tar", &[("PLUGIN_DRY_RUN", "true")]).fails_with(ExitCode::Settings).says("PLUGIN_PUSH_ONLY");
    let whole = std::fs::read(place.workspace.path("oci.tar")).unwrap();
    std::fs::write(place.workspace.path("half.tar"), &whole[..whole.len() / 2]).unwrap();
    place.push("run", "half.tar", &[]).fails_with(ExitCode::Build).says("half.tar");
    assert!(place.registry.tags("app").is_empty());
}
