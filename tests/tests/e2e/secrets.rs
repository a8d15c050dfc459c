//! Secrets turn up nowhere: not in what is printed, not in what is written, not in the image.

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{Canary, DockerRegistry, Moto, Run, Workspace};

use crate::ecr::{ACCOUNT, Ecr, HOST};

const SECRET_KEY: &str = "c4nary+AWS/secret==key";
const BASE_PASSWORD: &str = "c4nary:base/pass word%";
const BUILD_SECRET: &str = "c4nary-build-secret-01";

fn canaries() -> [Canary; 4] {
    [
        Canary::new(SECRET_KEY, &["AKIACANARY"]),
        Canary::new(BASE_PASSWORD, &["reader"]),
        Canary::new(BUILD_SECRET, &[]),
        Canary::new(&Moto::password(ACCOUNT), &["AWS"]),
    ]
}

#[track_caller]
fn assert_clean(workspace: &Workspace, run: &Run) {
    for canary in canaries() {
        canary.assert_not_in("standard output", &run.stdout);
        canary.assert_not_in("standard error", &run.stderr);
        canary.assert_not_below(workspace.root());
    }
}

/// Variables of a run that has every kind of secret.
fn secrets<'a>(
    ecr: &'a Ecr,
    bases: &'a DockerRegistry,
    workspace: &'a Workspace,
    arguments: &[&str],
) -> windlass_e2e::Windlass<'a> {
    let run = workspace.windlass(arguments).env("AWS_ENDPOINT_URL", ecr.moto.url()).map(HOST, &ecr.registry.url());
    let run = run.env("PLUGIN_DOCKER_REGISTRY", bases.host()).env("MY_SECRET", BUILD_SECRET);
    run.envs(&[
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_ACCESS_KEY", "AKIACANARY"),
        ("PLUGIN_SECRET_KEY", SECRET_KEY),
        ("PLUGIN_DOCKER_USERNAME", "reader"),
        ("PLUGIN_DOCKER_PASSWORD", BASE_PASSWORD),
        ("PLUGIN_ARTIFACT_FILE", "out/artifact.json"),
        ("PLUGIN_TAR_PATH", "out/image.tar"),
        ("DRONE_OUTPUT", "out/drone"),
    ])
}

fn place() -> (Ecr, DockerRegistry, Workspace) {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    let bases = DockerRegistry::with_login("reader", BASE_PASSWORD);
    let base = Busybox::default().push(&bases, "private:1");
    workspace.write(
        "Dockerfile",
        format!("FROM {base}\nRUN env > /env; cat /proc/*/environ > /all || true; cat /proc/*/cmdline >> /all || true\n"),
    );
    (ecr, bases, workspace)
}

#[test]
fn in_a_run_that_ends_well() {
    for progress in ["plain", "json", "quiet"] {
        let (ecr, bases, workspace) = place();
        let arguments = ["run", "--from-env", "ecr", "--report", "out/report.json", "--progress", progress];
        let run = secrets(&ecr, &bases, &workspace, &arguments).run().succeeds();
        assert_eq!(ecr.registry.tags("test-image"), ["latest"]);
        assert_clean(&workspace, &run);
        let image = ecr.image("test-image", "latest");
        for canary in canaries() {
            for path in ["env", "all"] {
                canary.assert_not_in(path, &image.text(path));
            }
            canary.assert_not_in("the image's configuration", &image.config.to_string());
        }
    }
}

#[test]
fn in_a_plan() {
    let (ecr, bases, workspace) = place();
    for format in ["table", "json"] {
        let run = secrets(&ecr, &bases, &workspace, &["plan", "--from-env", "ecr", "--format", format]).run().succeeds();
        assert_clean(&workspace, &run);
        assert!(run.stdout.contains("redacted"), "a secret that is set is shown as such: {}", run.all());
    }
}

#[test]
fn in_every_way_to_fail() {
    let (ecr, bases, workspace) = place();
    let run = |more: &[(&str, &str)], code: ExitCode| {
        let run =
            secrets(&ecr, &bases, &workspace, &["run", "--from-env", "ecr", "--report", "out/report.json"]).envs(more).run();
        assert_clean(&workspace, &run.fails_with(code));
    };
    run(&[("PLUGIN_SECRET_KEY_", SECRET_KEY), ("PLUGIN_NO_PUSH", SECRET_KEY)], ExitCode::Settings);
    run(&[("PLUGIN_DOCKER_PASSWORD", "wrong")], ExitCode::Credentials);
    run(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], ExitCode::Credentials);
    run(&[("WINDLASS_REGISTRY_MAP", ""), ("PLUGIN_REGION", SECRET_KEY)], ExitCode::Settings);
}

#[test]
fn on_an_outside_engine() {
    let (ecr, bases, workspace) = place();
    // buildah's chroot shows the command lines of all of the machine, those of other tests' servers among them.
    let dockerfile = workspace.read("Dockerfile").replace("; cat /proc/*/cmdline >> /all || true", "");
    workspace.write("Dockerfile", dockerfile);
    let run = secrets(&ecr, &bases, &workspace, &["run", "--from-env", "ecr", "--engine", "buildah"]).run().succeeds();
    assert_clean(&workspace, &run);
}

#[test]
fn of_a_docker_configuration_that_is_broken() {
    let workspace = Workspace::new();
    let registry = DockerRegistry::with_login("ci", BASE_PASSWORD);
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = workspace.windlass(["run", "--from-env", "docker"]).env("PLUGIN_REPO", format!("{}/app", registry.host()));
    let text = format!(r#"{{"auths": {{"{}": {{"auth": "{BASE_PASSWORD}"}}}}}}"#, registry.host());
    let run = run.env("PLUGIN_CONFIG", text).run();
    let run = run.fails_with(ExitCode::Credentials).says("PLUGIN_CONFIG");
    assert_clean(&workspace, &run);
}
