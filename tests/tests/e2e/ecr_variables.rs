//! PLUGIN_* and DRONE_* variables alone, in place of plugins/ecr and plugins/kaniko-ecr.

use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

use crate::ecr::{Ecr, HOST, TAG_BUILD, assert_application};

fn variables() -> Vec<(&'static str, &'static str)> {
    vec![
        ("PLUGIN_REGISTRY", HOST),
        ("PLUGIN_REGION", "us-east-1"),
        ("PLUGIN_REPO", "test-image"),
        ("PLUGIN_ACCESS_KEY", "AKIATEST"),
        ("PLUGIN_SECRET_KEY", "test-secret"),
        ("PLUGIN_BUILD_ARGS", "VERSION=1.2.3"),
    ]
}

#[test]
fn the_same_step_runs_by_variables_alone() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let run = workspace.windlass(["run", "--from-env", "ecr"]).env("AWS_ENDPOINT_URL", ecr.moto.url());
    let run = run.env("WINDLASS_REGISTRY_MAP", format!("other.example=http://127.0.0.1:9,{HOST}={}", ecr.registry.url()));
    run.envs(&variables()).envs(&TAG_BUILD).env("PLUGIN_AUTO_TAG", "true").run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["1", "1.2", "1.2.3"]);
    assert_application(&ecr.image("test-image", "1.2.3"), "1.2.3");
}

#[test]
fn tags_come_from_the_variable_else_from_the_file_else_are_latest() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let run = || ecr.for_run(workspace.windlass(["run", "--from-env", "ecr"]).envs(&variables()));
    run().run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["latest"]);
    workspace.write(".tags", "from-file, second");
    run().run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["from-file", "latest", "second"]);
    run().env("PLUGIN_TAGS", "one,two").run().succeeds();
    assert_eq!(ecr.registry.tags("test-image"), ["from-file", "latest", "one", "second", "two"]);
}

#[test]
fn no_push_builds_and_writes_and_pushes_nothing() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    for (switch, number) in [("PLUGIN_NO_PUSH", 1), ("PLUGIN_DRY_RUN", 2)] {
        let run = workspace.windlass(["run", "--from-env", "ecr"]).envs(&variables()).env(switch, "true");
        // No AWS, no registry: nothing of it is needed.
        let run = run.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("PLUGIN_TAR_PATH", format!("out/{number}.tar"));
        run.run().succeeds();
        let archive = format!("docker-archive:{}", workspace.path(&format!("out/{number}.tar")).display());
        assert_application(&Image::read(&archive, None), "1.2.3");
    }
    assert!(ecr.registry.tags("test-image").is_empty());
}

#[test]
fn a_docker_registry_is_pushed_to_by_user_name_and_password() {
    let registry = DockerRegistry::with_login("ci", "p:ss/w0rd");
    let bases = DockerRegistry::with_login("reader", "other");
    let base = Busybox::default().push(&bases, "private/base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo hello > /hello\n"));
    let run = workspace.windlass(["run", "--from-env", "docker"]).env("PLUGIN_REGISTRY", registry.host());
    let run = run.env("PLUGIN_REPO", format!("{}/team/app", registry.host())).envs(&[
        ("PLUGIN_USERNAME", "ci"),
        ("PLUGIN_PASSWORD", "p:ss/w0rd"),
        ("PLUGIN_TAGS", "1,2"),
        ("PLUGIN_DOCKER_USERNAME", "reader"),
        ("PLUGIN_DOCKER_PASSWORD", "other"),
    ]);
    run.env("PLUGIN_DOCKER_REGISTRY", bases.host()).run().succeeds();
    assert_eq!(registry.tags("team/app"), ["1", "2"]);
    let image = Image::read(&format!("docker://{}/team/app:2", registry.host()), registry.credentials().as_deref());
    assert_eq!(image.text("hello"), "hello\n");
}
