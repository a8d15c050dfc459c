//! Every kind of machine that RUN steps are isolated on: one Dockerfile, built and pushed, gives the same image everywhere.

use std::ffi::OsString;

use windlass_core::ExitCode;
use windlass_e2e::base_images::{Busybox, packages, push_debian};
use windlass_e2e::{Docker, DockerRegistry, Image, Proxy, User, Workspace};

/// Several stages and mounts; packages with users, groups and setuid files; owners that change, and files of theirs that are
/// changed, moved, linked and removed.
const DOCKERFILE: &str = r#"FROM BASE AS build
RUN --mount=type=cache,target=/cache mkdir -p /made/deep && echo cached > /cache/x && cp /cache/x /made/cached
RUN echo built > /made/deep/file && ln -s deep/file /made/link && ln /made/deep/file /made/hard && \
    echo text > /made/deep/text && chmod 751 /made/deep
FROM BASE
COPY --from=build --chown=12:34 /made /made
RUN --mount=type=bind,source=packages,target=/packages DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends /packages/*.deb
RUN useradd --create-home --uid 1234 someone && install -d -o someone -g users -m 2750 /srv/shared && \
    echo x > /srv/shared/file && chown 1234:crontab /srv/shared/file && chmod 4710 /srv/shared/file && \
    ln -s file /srv/shared/link && chown --no-dereference someone:users /srv/shared/link
RUN --mount=type=secret,id=s echo more >> /made/deep/text && mv /made/cached /made/moved && rm /made/link && \
    rm -r /var/local && mkdir /var/local && mv /srv/shared/file /srv/shared/renamed && cp -a /usr/bin/crontab /srv/ && \
    chown root:root /made/moved && [ "$(cat /run/secrets/s)" = hidden ] && touch /tmp/left
USER someone
RUN echo mine > ~/own && chmod 600 ~/own && mkdir ~/directory && (sleep 86412 & )
"#;
/// What holds times, and so differs from one build to the next.
const OF_THE_TIME: [&str; 3] = ["var/log/", "var/cache/", "var/lib/apt/"];
/// What has another owner with one id (docs/isolation.md): copies that `useradd` makes with the owner that it sees, and
/// directories that apt gives to the user it becomes for downloads.
const OTHER_OWNERS: [&str; 4] = ["etc/gshadow-", "etc/shadow-", "var/cache/apt/archives/partial", "var/lib/apt/lists/auxfiles"];
/// Makes this test's `nobody` a user with subordinate ids, in a mount namespace of its own.
const WITH_IDS: &str = r#"f=$(mktemp) && echo nobody:200000:65536 > $f && chmod 644 $f && mount --bind $f /etc/subuid &&
    mount --bind $f /etc/subgid && rm $f && exec "$@""#;

struct Place {
    registry: DockerRegistry,
    base: String,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let base = push_debian(&registry, "debian:1", &["adduser", "apt"]);
        Self { registry, base }
    }

    /// Builds and pushes on the machine that `wrapper` makes, and reads back what was pushed.
    fn build(&self, isolation: &str, user: User, wrapper: impl FnOnce(&Workspace) -> Vec<OsString>) -> Image {
        let workspace = Workspace::of(user);
        workspace.write("Dockerfile", DOCKERFILE.replace("BASE", &self.base));
        workspace.write("secret", "hidden");
        for package in packages(&["sudo", "cron", "cron-daemon-common", "sensible-utils"]) {
            let name = package.file_name().unwrap().to_string_lossy().into_owned();
            workspace.write(&format!("packages/{name}"), std::fs::read(&package).unwrap());
        }
        let reference = format!("{}/app:{isolation}", self.registry.host());
        let run = workspace.windlass(["build", ".", "--push", "-t", &reference, "--secret", "id=s,src=secret"]);
        let run = run.wrapped(wrapper(&workspace)).run().succeeds();
        let run = run.says(&format!("RUN steps use the isolation `{isolation}`"));
        assert_eq!((workspace.mounts(), workspace.temporary_files()), (Vec::<String>::new(), Vec::new()), "{}", run.all());
        Image::read(&format!("docker://{reference}"), None)
    }
}

fn assert_owners(image: &Image) {
    let found = |path: &str| (image.files[path].mode, image.files[path].owner);
    let crontab =
        image.text("etc/group").lines().find_map(|line| line.strip_prefix("crontab:x:")?.trim_matches(':').parse().ok());
    let crontab: u64 = crontab.expect("the package makes a group");
    assert_eq!(found("usr/bin/sudo"), (0o4755, (0, 0)));
    assert_eq!(found("usr/bin/crontab"), (0o2755, (0, crontab)));
    assert_eq!(found("var/spool/cron/crontabs"), (0o1730, (0, crontab)));
    assert_eq!(found("srv/shared/renamed"), (0o4710, (1234, crontab)));
    assert_eq!(found("made/deep/text"), (0o644, (12, 34)));
    assert_eq!(found("home/someone/own"), (0o600, (1234, 1234)));
}

fn assert_same(machine: &str, one: &Image, other: &Image, other_owners: &[&str]) {
    let names = |image: &Image| image.files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(one), names(other), "{machine}");
    for ((path, one), other) in one.files.iter().zip(other.files.values()) {
        let told = |entry: &windlass_e2e::skopeo::Entry| (entry.kind, entry.mode, entry.owner, entry.target.clone());
        if !other_owners.contains(&path.as_str()) {
            assert_eq!(told(one), told(other), "{path} with {machine}");
        }
        let is_same = one.content == other.content || OF_THE_TIME.iter().any(|place| path.starts_with(place));
        assert!(is_same, "the content of {path} differs with {machine}");
    }
    assert_eq!(one.config["config"], other.config["config"], "{machine}");
}

#[test]
fn every_machine_makes_the_same_image() {
    let place = Place::new();
    let none = |_: &Workspace| Vec::new();
    let root = place.build("root", User::Root, none);
    assert_owners(&root);
    let with_ids = |_: &Workspace| ["unshare", "--mount", "sh", "-c", WITH_IDS, "sh"].map(OsString::from).to_vec();
    assert_same("subordinate ids", &place.build("subordinate-ids", User::Nobody, with_ids), &root, &[]);
    assert_same("one id", &place.build("single-id", User::Nobody, none), &root, &OTHER_OWNERS);
    let docker = Docker::start();
    assert_same("a pod", &place.build("chroot", User::Root, |workspace| docker.container(workspace, &[])), &root, &[]);
    assert_same("no chroot", &place.build("in-place", User::Root, |workspace| docker.container_in_place(workspace)), &root, &[]);
}

#[test]
fn without_an_isolation_only_what_runs_nothing_is_built() {
    let (docker, registry) = (Docker::start(), DockerRegistry::open());
    let base = Busybox::default().push(&registry, "base:1");
    let proxy = Proxy::before(registry.host(), |_| None);
    let (seen, base) = (|| proxy.seen().len(), base.replace(registry.host(), proxy.host()));
    let workspace = Workspace::new();
    let build = |dockerfile: &str| {
        workspace.write("Dockerfile", dockerfile.replace("BASE", &base));
        let run = workspace.windlass(["build", ".", "--push", "-t", &format!("{}/app:1", registry.host())]);
        run.wrapped(docker.container(&workspace, &["--cap-drop", "ALL"])).run()
    };
    let run = build("FROM scratch\nCOPY Dockerfile /\nFROM BASE\nRUN true\n").fails_with(ExitCode::Plan);
    let run = run.says("RUN needs an isolation").says("Dockerfile:4").says("CAP_CHOWN is missing").says("docs/isolation.md");
    assert_eq!(seen(), 0, "something was fetched\n{}", run.all());
    assert!(registry.tags("app").is_empty());
    build("FROM BASE AS unused\nRUN true\nFROM BASE\nCOPY Dockerfile /copied\nENV A=b\n").succeeds();
    let image = Image::read(&format!("docker://{}/app:1", registry.host()), None);
    assert!(image.files.contains_key("copied") && image.files.contains_key("bin/sh") && seen() > 0);
}

#[test]
fn without_an_isolation_what_the_cache_has_is_built_and_nothing_else_is_begun() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace.write("tool", "1");
    workspace.write("file", "1");
    workspace.write(
        "Dockerfile",
        format!(
            "FROM {base} AS build\nCOPY tool /\nRUN --mount=type=cache,target=/c --mount=source=tool,target=/m \
             --mount=type=secret,id=s,required cat /m > /made\nFROM {base}\nCOPY --from=build /made /\nCOPY file /\n"
        ),
    );
    let build = |options: &[&str]| {
        let _ = std::fs::remove_dir_all(workspace.path("out"));
        workspace.windlass(["build", ".", "-o", "oci:out"]).args(options).run()
    };
    build(&["--secret", "id=s,src=tool"]).succeeds();
    // What comes behind the last RUN is copied anew. A step of the cache needs no secret.
    workspace.write("file", "2");
    build(&["--isolation", "nothing"]).succeeds();
    let image = Image::read(&format!("oci:{}", workspace.path("out").display()), None);
    assert_eq!((image.text("made"), image.text("file")), ("1".to_owned(), "2".to_owned()));
    workspace.write("tool", "2");
    let refused = |options: &[&str]| {
        let run = build(options).fails_with(ExitCode::Plan).says("RUN needs an isolation").says("Dockerfile:3");
        let _ = run.never_says("COPY");
    };
    refused(&["--isolation", "nothing"]);
    workspace.write("tool", "1");
    refused(&["--isolation", "nothing", "--no-cache"]);
    refused(&["--isolation", "nothing", "--no-cache-filter", "build"]);
    build(&["--isolation", "nothing"]).succeeds();
}

/// Takes more memory than it may have.
const GREEDY: &str = r#"RUN x=$(head -c 100000000 /dev/zero | tr '\0' a) && [ ${#x} = 100000000 ]
"#;

#[test]
fn memory_is_limited_where_control_groups_can_be_made_and_else_it_is_told() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let build = |user| {
        let workspace = Workspace::of(user);
        workspace.write("Dockerfile", format!("FROM {base}\n{GREEDY}"));
        let words = ["build", ".", "--output", "oci:out", "--memory", "64m", "--cpus", "1.5"];
        let run = workspace.windlass(words).run();
        assert_eq!(groups(), Vec::<String>::new(), "{}", run.all());
        run
    };
    let told = build(User::Nobody).succeeds().says("not limited in their memory").says("not limited in their processor time");
    let run = build(User::Root);
    let is_possible = !run.stderr.contains("not limited in their memory");
    if is_possible {
        let _ = run.fails_with(ExitCode::Build).says("RUN failed");
    } else {
        // This machine's root is like that user then, and is told the same.
        let _ = run.succeeds().says("control groups");
    }
    drop(told);
}

#[test]
fn processor_time_is_limited_by_a_group_that_holds_the_step_back() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    let busy = "RUN i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; echo busy-$((40+2)); sleep 600";
    workspace.write("Dockerfile", format!("FROM {base}\n{busy}\n"));
    let words = ["build", ".", "--cpu-quota", "10000", "--cpu-period", "50000", "--cpu-shares", "512"];
    let mut running = workspace.windlass(words).spawn();
    running.wait_for("busy-42");
    let found =
        std::process::Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("windlass-{}", running.id())]).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    let read = |name: &str| found.lines().find_map(|group| std::fs::read_to_string(format!("{group}/{name}")).ok());
    let (limit, told) = (read("cpu.cfs_quota_us").or_else(|| read("cpu.max")), read("cpu.stat"));
    running.interrupt();
    let run = running.finish().fails_with(ExitCode::Cancelled);
    // This machine's root may be unable to make groups, and is told so.
    if !run.stderr.contains("not limited in their processor time") {
        assert!(limit.is_some_and(|limit| limit.starts_with("10000")), "{found}");
        let throttled = told.unwrap().lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok());
        assert!(throttled > Some(0));
    }
    assert_eq!(groups(), Vec::<String>::new(), "{}", run.all());
}

/// The control groups of runs that have ended.
fn groups() -> Vec<String> {
    let hierarchies = ["memory", "cpu", "unified", ""].map(|name| std::path::Path::new("/sys/fs/cgroup").join(name));
    let entries = hierarchies.into_iter().flat_map(std::fs::read_dir).flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_over = |name: &String| {
        let pid = name.strip_prefix("windlass-").and_then(|pid| pid.parse::<u32>().ok());
        pid.is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    };
    names.filter(is_over).collect()
}
