//! ADD from git by SSH: with OpenSSH's server, and with the agent or key that the user hands over.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use windlass_core::ExitCode;
use windlass_e2e::{Image, Run, Workspace, ports};

/// OpenSSH's server, for as long as this lives. It lets in root with one key.
struct Server {
    child: Child,
    port: u16,
}

/// The server wants a directory of its own; what it writes there nobody else sees.
const PRIVATE: &str = "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -f \"$0\"";
/// Windlass trusts the hosts of this machine's SSH settings: these are ours.
const SETTINGS: &str = "mount --bind \"$SETTINGS\" /etc/ssh && exec \"$0\" \"$@\"";

impl Server {
    fn start(workspace: &Workspace, public: &Path) -> Self {
        let port = ports::free();
        let host_key = key(workspace, "host");
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no\n",
            host_key.display(),
            public.display()
        );
        let settings = workspace.write("sshd_config", settings);
        let host = std::fs::read_to_string(host_key.with_extension("pub")).unwrap();
        workspace.write("settings/ssh_known_hosts", format!("[127.0.0.1]:{port} {host}"));
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", PRIVATE]).arg(settings).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed().as_secs() < 60, "sshd does not answer: is openssh-server installed by `make test`?");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key(workspace: &Workspace, name: &str) -> std::path::PathBuf {
    let path = workspace.path(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
    assert!(made.expect("ssh-keygen is installed by `make test`").success());
    path
}

fn repository(workspace: &Workspace) -> String {
    let bare = workspace.path("r.git");
    let script = "git init -q -b main source && cd source && echo text > file && git add . && \
                  git -c user.name=t -c user.email=t@t.test commit -q -m one && git clone -q --bare . ../r.git";
    let made =
        Command::new("sh").args(["-c", script]).current_dir(workspace.path(".")).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
    assert!(made.unwrap().success());
    bare.display().to_string()
}

fn build(workspace: &Workspace, options: &[&str]) -> Run {
    let run = workspace.windlass(["build", ".", "-o", "oci:out", "-t", "app:1"]).args(options);
    let settings = workspace.path("settings").display().to_string();
    run.env("SETTINGS", settings).wrapped(["unshare", "--mount", "sh", "-c", SETTINGS]).run()
}

#[test]
fn a_repository_is_fetched_with_the_key_of_the_user_and_with_no_other() {
    let workspace = Workspace::new();
    let user = key(&workspace, "user");
    let server = Server::start(&workspace, &user.with_extension("pub"));
    let bare = repository(&workspace);
    workspace.write("Dockerfile", format!("FROM scratch\nADD ssh://root@127.0.0.1:{}{bare}#main /r\n", server.port));
    let _ = build(&workspace, &[]).fails_with(ExitCode::Build).says("Dockerfile:2").says("--ssh default");
    let other = key(&workspace, "other");
    let run = build(&workspace, &["--ssh", &format!("default={}", other.display())]);
    let _ = run.fails_with(ExitCode::Build).says("Permission denied");
    // An agent with another name is for steps that ask for it.
    let run = build(&workspace, &["--ssh", &format!("work={}", user.display())]);
    let _ = run.fails_with(ExitCode::Build).says("Permission denied");
    let run = build(&workspace, &["--ssh", &format!("default={}", user.display())]).succeeds();
    let image = Image::read(&format!("oci:{}", workspace.path("out").display()), None);
    assert_eq!(image.text("r/file"), "text\n", "{}", run.all());
    // A host that nobody has vouched for gets nothing.
    workspace.write("settings/ssh_known_hosts", "");
    let run = build(&workspace, &["--no-cache", "--ssh", &format!("default={}", user.display())]);
    let _ = run.fails_with(ExitCode::Build).says("Host key verification failed").says("known_hosts");
}
