//! Dockerfiles of the kind that people have, built by Windlass and by buildah and compared file by file.

use std::path::Path;
use std::process::Command;

use windlass_e2e::base_images::push_debian;
use windlass_e2e::{DockerRegistry, Image, Workspace};

mod cases;

use cases::{CASES, Case};

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

struct Place {
    registry: DockerRegistry,
    tools: String,
    slim: String,
    /// Both builders keep their stores from one case to the next.
    stores: Workspace,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let packages = ["tcc", "libc6-dev", "make", "passwd", "python3-minimal", "nginx-light", "nodejs"];
        let tools = push_debian(&registry, "tools:1", &packages);
        let slim = push_debian(&registry, "slim:1", &[]);
        Self { registry, tools, slim, stores: Workspace::new() }
    }

    /// Builds a case with both and compares configuration and files.
    fn compare(&self, case: &Case) {
        let workspace = Workspace::new();
        for (name, content) in case.files {
            workspace.write(name, content);
        }
        workspace.write("Dockerfile", case.dockerfile.replace("TOOLS", &self.tools).replace("SLIM", &self.slim));
        let store = self.stores.path("windlass").display().to_string();
        // Outside the context, which buildah reads next.
        let layout = format!("oci:{}", self.stores.path(&format!("made-{}", case.name)).display());
        workspace.windlass(["build", ".", "--output", &layout, "--store", &store]).run().succeeds();
        let own = Image::read(&layout, None);
        let name = format!("{}/compared-{}:1", self.registry.host(), case.name);
        buildah(&workspace.path(""), &self.stores.path("buildah"), &name);
        let theirs = Image::read(&format!("docker://{name}"), None);
        for key in ["Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes", "StopSignal", "OnBuild"] {
            assert_eq!(own.config["config"][key], theirs.config["config"][key], "{key} of {}", case.name);
        }
        same_files(case.name, &own, &theirs);
        for (path, content) in case.made {
            assert_eq!(own.text(path), *content, "{path} of {}", case.name);
        }
    }
}

fn same_files(case: &str, own: &Image, theirs: &Image) {
    let compared = |image: &Image| {
        image.files.clone().into_iter().filter(|(path, _)| !NOT_COMPARED.contains(&path.as_str())).collect::<Vec<_>>()
    };
    let (ours, others) = (compared(own), compared(theirs));
    let names = |files: &[(String, _)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&others), "{case}");
    for ((path, ours), (_, others)) in ours.iter().zip(&others) {
        assert_eq!(
            (ours.kind, ours.mode, ours.owner, &ours.target),
            (others.kind, others.mode, others.owner, &others.target),
            "{path} of {case}"
        );
        assert!(ours.content == others.content, "the content of {path} of {case} differs");
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
fn dockerfiles_of_every_kind_come_out_as_buildah_makes_them() {
    let place = Place::new();
    CASES.iter().for_each(|case| place.compare(case));
}
