//! Dockerfiles of the kind that people have, built by Windlass and by buildah and compared file by file.

use std::path::Path;
use std::process::Command;

use windlass_e2e::base_images::push_debian;
use windlass_e2e::{DockerRegistry, Image, Workspace};

/// What a build leaves behind where it has mounted something for RUN, and what holds times or machine names.
const NOT_COMPARED: [&str; 12] = [
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "run",
    "run/secrets",
    "dev",
    "dev/shm",
    "dev/pts",
    "dev/mqueue",
    "proc",
    "sys",
    "etc",
];

struct Bases {
    registry: DockerRegistry,
    tools: String,
    slim: String,
}

impl Bases {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let tools = push_debian(&registry, "tools:1", &["tcc", "libc6-dev", "make", "passwd", "python3-minimal"]);
        let slim = push_debian(&registry, "slim:1", &[]);
        Self { registry, tools, slim }
    }

    /// Builds the same with both and compares configuration and files.
    fn compare(&self, files: &[(&str, &str)], dockerfile: &str) -> Image {
        let workspace = Workspace::new();
        for (name, content) in files {
            workspace.write(name, content);
        }
        workspace.write("Dockerfile", dockerfile.replace("TOOLS", &self.tools).replace("SLIM", &self.slim));
        workspace.windlass(["build", ".", "--output", "oci:own"]).run().succeeds();
        let own = Image::read(&format!("oci:{}", workspace.path("own").display()), None);
        let name = format!("{}/compared:1", self.registry.host());
        buildah(&workspace.path(""), &workspace.root().join("buildah"), &name);
        let theirs = Image::read(&format!("docker://{name}"), None);
        for key in ["Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes", "StopSignal", "OnBuild"] {
            assert_eq!(own.config["config"][key], theirs.config["config"][key], "{key} of {dockerfile}");
        }
        let compared = |image: &Image| {
            image.files.clone().into_iter().filter(|(path, _)| !NOT_COMPARED.contains(&path.as_str())).collect::<Vec<_>>()
        };
        let (ours, others) = (compared(&own), compared(&theirs));
        let names = |files: &[(String, _)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&others), "{dockerfile}");
        for ((path, ours), (_, others)) in ours.iter().zip(&others) {
            assert_eq!(
                (ours.kind, ours.mode, ours.owner, &ours.target),
                (others.kind, others.mode, others.owner, &others.target),
                "{path}"
            );
            assert!(ours.content == others.content, "the content of {path} differs in {dockerfile}");
        }
        own
    }
}

fn buildah(context: &Path, store: &Path, name: &str) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        command.args([
            "--root",
            &store.join("root").display().to_string(),
            "--runroot",
            &store.join("run").display().to_string(),
        ]);
        let output = command
            .args(["--storage-driver", "overlay"])
            .args(arguments)
            .current_dir(context)
            .output()
            .expect("buildah is installed by `make test`");
        assert!(output.status.success(), "buildah {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["build", "--isolation", "chroot", "--tls-verify=false", "--identity-label=false", "-t", "localhost/compared", "."]);
    run(&["push", "--tls-verify=false", "localhost/compared", &format!("docker://{name}")]);
    // buildah binds its store onto itself and leaves it so; the directory could not be removed.
    let _ = Command::new("umount").arg("-l").arg(store.join("root/overlay")).status();
}

#[test]
fn a_program_in_c_is_compiled_in_one_stage_and_shipped_in_another() {
    let files = [
        ("Makefile", "app: main.o greet.o\n\ttcc -o $@ $^\n%.o: %.c greet.h\n\ttcc -O2 -c $<\n"),
        ("main.c", "#include \"greet.h\"\nint main(void) { greet(\"world\"); return 0; }\n"),
        (
            "greet.c",
            "#include <stdio.h>\n#include \"greet.h\"\nvoid greet(const char *name) { printf(\"hello %s\\n\", name); }\n",
        ),
        ("greet.h", "void greet(const char *name);\n"),
    ];
    let image = Bases::new().compare(
        &files,
        "FROM TOOLS AS build\nWORKDIR /src\nCOPY Makefile *.c *.h ./\nRUN make\nRUN ./app > expected\nFROM SLIM\nCOPY --from=build /src/app /usr/local/bin/app\n\
         COPY --from=build --chown=nobody:nogroup /src/expected /srv/\nRUN app > /srv/said && cmp /srv/said /srv/expected\nUSER nobody\nENTRYPOINT [\"app\"]\n",
    );
    assert_eq!(image.text("srv/said"), "hello world\n");
}

#[test]
fn an_application_in_python_gets_a_user_directories_and_a_health_check() {
    let files = [
        ("requirements.txt", "# none\n"),
        ("app/__init__.py", ""),
        ("app/server.py", "import sys\nprint('ok', sys.version_info.major)\n"),
        ("app/__pycache__/old.pyc", "old"),
        (".dockerignore", "**/__pycache__\n.git\n"),
    ];
    let image = Bases::new().compare(
        &files,
        "FROM TOOLS\nENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\nWORKDIR /app\nRUN useradd --uid 1500 --no-log-init app && install -d -o app /var/lib/app\n\
         COPY requirements.txt .\nCOPY --chown=app app ./app\nUSER app\nRUN python3 -m app.server > /var/lib/app/out\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"app.server\"]\n",
    );
    assert_eq!(image.text("var/lib/app/out"), "ok 3\n");
    assert!(!image.files.contains_key("app/app/__pycache__"));
}

#[test]
fn many_small_steps_with_links_removals_and_modes_come_out_the_same() {
    let image = Bases::new().compare(
        &[("site/index.html", "<p>\n"), ("conf/default", "a=1\n"), ("start.sh", "#!/bin/sh\nexec cat /etc/site/default\n")],
        "FROM SLIM\nRUN mkdir -p /srv/site /etc/site && ln -s /srv/site /srv/link && ln /etc/passwd /srv/passwd\nCOPY site/ /srv/site/\nCOPY conf /etc/site\n\
         COPY --chmod=755 start.sh /\nRUN rm -rf /usr/share/doc /usr/share/man && rm /srv/passwd\nRUN chmod 1777 /srv && chgrp -R games /srv/site && mkfifo /srv/pipe\n\
         RUN mv /etc/site/default /etc/site/renamed && cp -a /etc/site/renamed /etc/site/default\nRUN rm -rf /srv/site && mkdir /srv/site && echo new > /srv/site/new\nVOLUME /data\nSTOPSIGNAL SIGQUIT\nCMD /start.sh\n",
    );
    assert!(image.files.contains_key("srv/site/new") && !image.files.contains_key("srv/site/index.html"));
}
