//! What the tests share: an image of busybox, a step on it, and this program started again as another user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use windlass_core::event::Stream;

use crate::{Cancel, ExitStatus, Isolation, Request, RunError, RunSpec, Tree, Upper, enter_user_namespace, run};

const ISOLATION: &str = "WINDLASS_SANDBOX_TEST_ISOLATION";
const BUSYBOX: &str = "/bin/busybox";

/// In a copy of this program that was started by [`again`]: becomes root of a user namespace.
pub(super) fn enter_if_asked() {
    if let Ok(isolation) = std::env::var(ISOLATION) {
        let wanted = Some(isolation.parse().unwrap());
        let probe = enter_user_namespace(&Request { wanted, store: None }).unwrap();
        assert_eq!(Some(probe.chosen), wanted);
    }
}

/// The isolation that this process uses.
pub(super) fn isolation() -> Isolation {
    std::env::var(ISOLATION).map_or(Isolation::Root, |name| name.parse().unwrap())
}

/// Runs a scenario in this process, if it is root.
pub(super) fn as_is(scenario: fn()) {
    if rustix::process::geteuid().is_root() {
        scenario();
    } else {
        eprintln!("skipped: only root can test the isolation of root");
    }
}

/// Runs the scenario's test of root in a copy of this program that has another isolation.
pub(super) fn again(module: &str, name: &str, isolation: &str) {
    let module = module.strip_prefix("windlass_sandbox::").unwrap();
    let test = format!("{}::root::{name}", module.rsplit_once("::").unwrap().0);
    let Some(mut command) = unprivileged(isolation) else { return };
    let output = command.args([&test, "--exact", "--include-ignored", "--nocapture"]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// This program as an unprivileged user; `nobody`, where that can be had.
pub(super) fn unprivileged(isolation: &str) -> Option<Command> {
    let program = fs::read_link("/proc/self/exe").unwrap();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command = Command::new(program);
    } else if isolation == "subordinate-ids" {
        if !Path::new("/usr/bin/newuidmap").exists() {
            eprintln!("skipped: newuidmap is not installed (package uidmap)");
            return None;
        }
        // The machine's own files are left alone: these are seen in this mount namespace only.
        let script = r#"f=$(mktemp) && echo nobody:200000:65536 > $f && chmod 644 $f && mount --bind $f /etc/subuid &&
            mount --bind $f /etc/subgid && rm $f && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@""#;
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(program);
    } else {
        command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(program);
    }
    command.env(ISOLATION, isolation);
    Some(command)
}

/// What a step has printed, and how it has ended.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) status: Option<ExitStatus>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// The output of a step that must have succeeded.
    #[track_caller]
    pub(super) fn ok(self) -> String {
        assert_eq!(self.status, Some(ExitStatus::Code(0)), "{self:?}");
        self.stdout
    }
}

/// One step, on an image of one layer, with its directories.
pub(super) struct Step {
    pub(super) directory: TempDir,
    pub(super) spec: RunSpec,
}

impl Step {
    /// A step that runs a script.
    pub(super) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["lower", "upper", "work"] {
            make_directory(&directory.path().join(name));
        }
        write_image(&directory.path().join("lower"));
        let tree = Self::tree_in(directory.path(), vec![directory.path().join("lower")]);
        let mut spec = RunSpec::new(isolation(), tree, ["sh", "-c", script].map(ToOwned::to_owned).to_vec());
        spec.environment = vec![("PATH".to_owned(), "/bin".to_owned())];
        Self { directory, spec }
    }

    /// Layers with `upper` and `work` in a directory above them.
    pub(super) fn tree_in(directory: &Path, lower: Vec<PathBuf>) -> Tree {
        Tree::Layers { lower, upper: Some(Upper { directory: directory.join("upper"), work: directory.join("work") }) }
    }

    pub(super) fn lower(&self) -> PathBuf {
        self.directory.path().join("lower")
    }

    pub(super) fn upper(&self) -> PathBuf {
        self.directory.path().join("upper")
    }

    /// A new directory beside the layers.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        make_directory(&path);
        path
    }

    pub(super) fn run(&self) -> Output {
        self.try_run().unwrap()
    }

    pub(super) fn try_run(&self) -> Result<Output, RunError> {
        let mut output = Output::default();
        let status = run(&self.spec, &Cancel::new().unwrap(), |stream, line| {
            let text = if stream == Stream::Stdout { &mut output.stdout } else { &mut output.stderr };
            *text += &String::from_utf8_lossy(line);
            text.push('\n');
        })?;
        Ok(Output { status: Some(status), ..output })
    }

    /// Every path in the upper directory, sorted.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.upper(), &self.upper(), &mut found);
        found.sort();
        found
    }
}

/// Runs a script on a fresh image.
#[track_caller]
pub(super) fn sh(script: &str) -> String {
    Step::new(script).run().ok()
}

pub(super) fn make_directory(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An image of busybox, without any of the directories that are mounted on.
fn write_image(root: &Path) {
    for name in ["bin", "etc", "tmp", "root"] {
        make_directory(&root.join(name));
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
    let applets = "ash cat chmod chown cut dd df echo env expr false find grep head hostname id ifconfig kill ln ls mkdir mknod \
                   mount mv ping ps pwd readlink rm rmdir sed seq sh sleep sort stat tail test touch tr true umount uname wc whoami yes";
    for applet in applets.split_whitespace() {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n").unwrap();
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        if path.is_dir() && !path.is_symlink() {
            walk(root, &path, found);
        }
    }
}
