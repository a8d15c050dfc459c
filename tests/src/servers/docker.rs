//! Debian's dockerd, for a container as Docker makes one when nothing is asked for: its runc, its default capabilities and its
//! default seccomp profile. A Kubernetes pod without a security context is such a container.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::START_LIMIT;
use crate::base_images::{busybox_files, in_place_files};
use crate::windlass::binary;
use crate::workspace::Workspace;

/// Debian's client: another one may come before it in `PATH`.
const CLIENT: &str = "/usr/bin/docker";
/// The image of most containers, and that for the isolation in place.
const IMAGE: &str = "machine";
const IN_PLACE: &str = "in-place";

/// A running dockerd without networks, with an image of busybox and one for the isolation in place.
#[derive(Debug)]
pub struct Docker {
    daemon: Child,
    directory: TempDir,
}

impl Docker {
    /// Starts it and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = |name: &str| directory.path().join(name);
        let log = std::fs::File::create(path("log")).expect("the directory is ours");
        let copy = log.try_clone().expect("a file can be cloned");
        let daemon = Command::new("dockerd")
            .args(["--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=vfs"])
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(address(directory.path()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .spawn()
            .expect("dockerd is installed by `make test` (docker.io)");
        let mut docker = Self { daemon, directory };
        docker.wait_until_ready();
        docker.import(IMAGE, &busybox_files());
        docker.import(IN_PLACE, &in_place_files());
        docker
    }

    fn wait_until_ready(&mut self) {
        let end = Instant::now() + START_LIMIT;
        while !self.client(&["version"]).output().is_ok_and(|output| output.status.success()) {
            let said = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let ended = self.daemon.try_wait().expect("the child is ours");
            assert!(ended.is_none() && Instant::now() < end, "dockerd is not ready; it said:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn import(&self, name: &str, files: &[u8]) {
        let mut child = self.client(&["import", "-", name]).stdin(Stdio::piped()).spawn().expect("docker.io has a client");
        child.stdin.take().expect("it is piped").write_all(files).expect("docker reads its input");
        assert!(child.wait().expect("the child is ours").success(), "docker cannot import an image");
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CLIENT);
        command.arg("--host").arg(address(self.directory.path())).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// The words before a command that run it in a new container, with `workspace` and the binary under test at the paths
    /// that they have here, and on this machine's network. `options` are further ones of `docker run`. To be used with
    /// [`wrapped`](crate::Windlass::wrapped).
    #[must_use]
    pub fn container(&self, workspace: &Workspace, options: &[&str]) -> Vec<OsString> {
        self.container_of(IMAGE, workspace, options)
    }

    /// The same in the image for the isolation in place, which is asked for. The container's root may not change its root
    /// directory, as where a cluster's runtime leaves that right out.
    #[must_use]
    pub fn container_in_place(&self, workspace: &Workspace) -> Vec<OsString> {
        let asked =
            ["--cap-drop", "SYS_CHROOT", "--env", "WINDLASS_ISOLATION=in-place", "--env", "WINDLASS_STORE=/windlass/store"];
        self.container_of(IN_PLACE, workspace, &asked)
    }

    fn container_of(&self, image: &str, workspace: &Workspace, options: &[&str]) -> Vec<OsString> {
        let shared = |path: PathBuf| [OsString::from("--volume"), in_both(&path)];
        let mut words: Vec<OsString> = vec![CLIENT.into(), "--host".into(), address(self.directory.path()).into()];
        words.extend(["run", "--rm", "--network", "host", "--workdir"].map(OsString::from));
        words.push(workspace.path("").into());
        words.extend([shared(workspace.root().to_owned()), shared(binary())].into_iter().flatten());
        for (name, _) in workspace.variables() {
            words.extend(["--env".into(), name.into()]);
        }
        words.extend(options.iter().map(OsString::from));
        words.push(image.into());
        words
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Asked to end, it ends its containers and its containerd too, and undoes its mounts.
        if let Some(pid) = i32::try_from(self.daemon.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.daemon.wait();
    }
}

fn address(directory: &Path) -> String {
    format!("unix://{}", directory.join("socket").display())
}

fn in_both(path: &Path) -> OsString {
    [path.as_os_str(), path.as_os_str()].join(std::ffi::OsStr::new(":"))
}
