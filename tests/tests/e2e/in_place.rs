//! The isolation in place: in a container that is made for it, and nowhere else. `machines.rs` compares what it builds.

use std::ffi::OsString;

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{Docker, DockerRegistry, Image, Workspace};

/// What every step needs and a change of the root directory does not have: processes, descriptors, terminals. The variable
/// is the builder's own, and no step may see it, nor what the one before has kept for itself.
const DOCKERFILE: &str = r#"FROM BASE AS one
RUN readlink /proc/self/exe > /exe && [ -c /dev/null ] && [ -d /dev/pts ] && echo x | cat /dev/stdin > /dev/stdout && ls /proc/self/fd
RUN --mount=type=secret,id=s [ "$(cat /run/secrets/s)" = hidden ]
RUN [ ! -e /run/secrets/s ] && ! cat /proc/[0-9]*/environ 2>/dev/null | grep -q CANARY && rm -rf /root && mkdir /etc/new
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch echo 1 > /cache/a && echo 2 > /scratch/b && (sleep 86413 &)
FROM BASE
RUN [ ! -e /exe ] && [ ! -e /etc/new ] && [ -d /root ] && ! pidof sleep && echo other > /other
COPY --from=one /exe /
"#;

#[test]
fn a_container_without_the_right_to_change_its_root_directory_builds_in_it_and_is_left_as_it_was() {
    let (docker, registry) = (Docker::start(), DockerRegistry::open());
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("Dockerfile", DOCKERFILE.replace("BASE", &base));
    workspace.write("secret", "hidden");
    let reference = format!("{}/app:1", registry.host());
    let words = ["build", ".", "--push", "-t", &reference, "--secret", "id=s,src=secret", "--no-cache"];
    // The second run would be refused where the first had left something.
    let mut container = docker.container_in_place(&workspace);
    let twice = r#"CANARY=value "$@" && CANARY=value "$@""#;
    container.extend(["/windlass/busybox", "sh", "-c", twice, "sh"].map(OsString::from));
    let run = workspace.windlass(words).wrapped(container).run().succeeds();
    let _ = run.says("RUN steps use the isolation `in-place`, as it was asked for");
    let image = Image::read(&format!("docker://{reference}"), None);
    assert_eq!((image.text("exe"), image.text("other")), ("/bin/busybox\n".to_owned(), "other\n".to_owned()));
    let strange =
        image.files.keys().find(|path| ["windlass", "work", ".dockerenv", "cache"].iter().any(|name| path.starts_with(name)));
    assert_eq!(strange, None);
}

#[test]
fn it_is_refused_on_every_machine_that_is_not_made_for_it() {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let words = ["build", ".", "--isolation", "in-place"];
    let _ = workspace.windlass(words).run().fails_with(ExitCode::Build).says("there is no file /windlass/in-place");
    let docker = Docker::start();
    workspace.write("mark/in-place", "");
    let mark = format!("{}:/windlass", workspace.path("mark").display());
    let run = workspace.windlass(words).wrapped(docker.container(&workspace, &["--volume", &mark])).run();
    let _ = run.fails_with(ExitCode::Build).says("is in the root directory");
    // Not by itself either, where nothing else can be had.
    workspace.write("Dockerfile", "FROM scratch\nRUN true\n");
    let mut container = docker.container_in_place(&workspace);
    let image = container.pop().unwrap();
    container.extend([OsString::from("--env"), "WINDLASS_ISOLATION=auto".into(), image]);
    let _ = workspace.windlass(["build", "."]).wrapped(container).run().fails_with(ExitCode::Plan).never_says("in-place`,");
}
