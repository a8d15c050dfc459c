//! `RUN --mount=type=ssh`, with OpenSSH's own programs in the step.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Run, User, Workspace};

/// Busybox with this machine's `ssh-add` and `ssh-keygen`, and the libraries that they load.
fn place_of(user: User, steps: &str) -> (DockerRegistry, Workspace) {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::of(user));
    let base = Busybox::default().push(&registry, "base:latest");
    for program in ["/usr/bin/ssh-add", "/usr/bin/ssh-keygen"] {
        let listed = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        for file in libraries.chain([program]) {
            workspace.write(&format!("programs{file}"), std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}")));
        }
    }
    workspace.write("Dockerfile", format!("FROM {base}\nCOPY --chmod=755 programs /\n{steps}"));
    (registry, workspace)
}

fn place(steps: &str) -> (DockerRegistry, Workspace) {
    place_of(User::Root, steps)
}

fn key(workspace: &Workspace, kind: &str) -> String {
    let path = workspace.path(&format!("key-{kind}"));
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", &format!("comment-{kind}"), "-f"]).arg(&path).status();
    assert!(made.expect("ssh-keygen is installed by `make test`").success());
    path.display().to_string()
}

fn public(key: &str) -> String {
    std::fs::read_to_string(format!("{key}.pub")).unwrap()
}

/// OpenSSH's agent, for as long as this lives.
struct Agent(Child);

impl Agent {
    fn with(socket: &Path, keys: &[&str]) -> Self {
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self(child);
        for key in keys {
            let add = || Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", socket).stderr(Stdio::null()).status();
            let begun = std::time::Instant::now();
            while !add().unwrap().success() {
                assert!(begun.elapsed().as_secs() < 60, "the agent does not take the key");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn build(workspace: &Workspace, options: &[&str]) -> Run {
    workspace.windlass(["build", ".", "-o", "oci:out", "--no-cache"]).args(options).run()
}

fn image(workspace: &Workspace) -> Image {
    Image::read(&format!("oci:{}", workspace.path("out").display()), None)
}

const SIGN: &str =
    "RUN --mount=type=ssh ssh-add -L > /public && echo message > /message && ssh-keygen -q -Y sign -f /public -n file /message\n";

fn verify(workspace: &Workspace, image: &Image) {
    let signature = workspace.write("message.sig", image.text("message.sig"));
    let mut check = Command::new("ssh-keygen")
        .args(["-Y", "check-novalidate", "-n", "file", "-s"])
        .arg(signature)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), b"message\n").unwrap();
    assert!(check.wait().unwrap().success(), "ssh-keygen accepts the signature");
}

#[test]
fn keys_of_every_kind_are_held_by_an_agent_of_ours() {
    let (_registry, workspace) = place(SIGN);
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = key(&workspace, kind);
        let run = build(&workspace, &["--ssh", &format!("default={key}")]).succeeds();
        let image = image(&workspace);
        assert_eq!(image.text("public"), public(&key), "{}", run.all());
        verify(&workspace, &image);
    }
}

#[test]
fn an_agent_of_the_machine_is_asked_and_nothing_in_it_is_changed() {
    let steps = "RUN --mount=type=ssh,required ssh-add -D; ssh-add -x < /dev/null; ssh-add -L > /public && test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /where\n";
    for user in [User::Root, User::Nobody] {
        let (_registry, workspace) = place_of(user, steps);
        let key = key(&workspace, "ed25519");
        let socket = workspace.path("agent");
        let _agent = Agent::with(&socket, &[&key]);
        if user == User::Nobody {
            std::os::unix::fs::chown(&socket, Some(65534), Some(65534)).unwrap();
            // ssh-agent serves its own user and root only; the other one is asked by way of keys.
            let file = workspace.write("copy", std::fs::read(&key).unwrap());
            let _ = build(&workspace, &["--ssh", &format!("default={}", file.display())]).succeeds();
        } else {
            let run = workspace.windlass(["build", ".", "-o", "oci:out", "--ssh", "default"]).env("SSH_AUTH_SOCK", &socket).run();
            let _ = run.succeeds();
        }
        let image = image(&workspace);
        assert_eq!((image.text("public"), image.text("where").as_str()), (public(&key), "/run/buildkit/ssh_agent.0\n"));
        assert!(!image.files.keys().any(|path| path.contains("ssh_agent")), "{:?}", image.files.keys());
    }
}

#[test]
fn ids_targets_owners_and_modes_are_those_of_the_mount() {
    let steps = "RUN --mount=type=ssh,id=work,target=/tmp/agent,mode=660,uid=7,gid=8 stat -c '%a %u %g' /tmp/agent > /seen; echo $SSH_AUTH_SOCK >> /seen\n\
                 RUN --mount=type=ssh,id=absent echo \"[$SSH_AUTH_SOCK]\" > /none\n";
    let (_registry, workspace) = place(steps);
    let key = key(&workspace, "ed25519");
    let _ = build(&workspace, &["--ssh", &format!("work={key}")]).succeeds();
    assert_eq!(image(&workspace).text("seen"), "660 7 8\n/tmp/agent\n");
    assert_eq!(image(&workspace).text("none"), "[]\n");
    workspace.write("Dockerfile", workspace.read("Dockerfile").replace("id=absent", "id=absent,required=true"));
    let _ = build(&workspace, &["--ssh", &format!("work={key}")])
        .fails_with(ExitCode::Build)
        .says("the ssh agent `absent` is required");
}

#[test]
fn a_steps_ssh_key_is_held_by_an_agent_and_is_nowhere_else() {
    let (registry, workspace) = place(SIGN);
    let key = key(&workspace, "ed25519");
    let text = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let variables = [("PLUGIN_REGISTRY", registry.host()), ("PLUGIN_REPO", "app"), ("PLUGIN_SSH_AGENT_KEY", text.as_str())];
    let run = workspace.windlass(["run", "--from-env", "docker", "--report", "report.json"]).envs(&variables).run().succeeds();
    let image = Image::read(&format!("docker://{}/app:latest", registry.host()), None);
    assert_eq!(image.text("public"), public(&key));
    verify(&workspace, &image);
    let canary = text.lines().nth(3).unwrap();
    assert!(!workspace.read("report.json").contains(canary) && !image.config.to_string().contains(canary));
    assert!(image.files.values().all(|file| !String::from_utf8_lossy(&file.content).contains(canary)));
    let _ = run.never_says(canary);
}

#[test]
fn what_is_no_agent_and_no_key_is_refused_before_anything_is_built() {
    let (_registry, workspace) = place(SIGN);
    let _ = build(&workspace, &["--ssh", "default"]).fails_with(ExitCode::Plan).says("SSH_AUTH_SOCK is not set");
    let _ = build(&workspace, &["--ssh", "default=absent"]).fails_with(ExitCode::Plan).says("cannot read the ssh key absent");
    workspace.write("nokey", "text");
    let _ = build(&workspace, &["--ssh", "default=nokey"]).fails_with(ExitCode::Plan).says("not a private key");
    let locked = workspace.path("locked");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "passphrase", "-f"]).arg(&locked).status().unwrap();
    assert!(made.success());
    let run = build(&workspace, &["--ssh", &format!("default={}", locked.display())]).fails_with(ExitCode::Plan);
    let _ = run.says("locked with a passphrase").never_says("#1 ");
}
