//! The real binary, run where nothing of this machine's settings reaches it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_core::ExitCode;

use crate::servers::moto::Moto;
use crate::workspace::{NOBODY, User, Workspace};

/// How long any run of the tests may take.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// The binary under test: `WINDLASS_BIN`, else the release build of the workspace.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("WINDLASS_BIN") {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "WINDLASS_BIN names {}, which is not there", path.display());
        return path;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let triples = [format!("{}-unknown-linux-musl", std::env::consts::ARCH), String::new()];
    let candidates: Vec<_> = triples.iter().map(|triple| target.join(triple).join("release/windlass")).collect();
    let found = candidates.iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("windlass has not been built: there is none of {candidates:?}; run `make build`")).clone()
}

/// A command line, not run yet.
#[derive(Debug)]
#[must_use]
pub struct Windlass<'a> {
    workspace: &'a Workspace,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
}

impl Workspace {
    /// `windlass`, to be run here.
    pub fn windlass<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Windlass<'_> {
        let mut variables: Vec<(OsString, OsString)> =
            self.variables().into_iter().map(|(name, value)| (name.into(), value)).collect();
        variables.push(("AWS_EC2_METADATA_DISABLED".into(), "true".into()));
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Windlass { workspace: self, arguments, variables, wrapper: Vec::new() }
    }
}

impl Windlass<'_> {
    /// Adds arguments.
    pub fn args<I: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    pub fn envs(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        self
    }

    /// Leads all of AWS to `moto`, with keys from the environment.
    pub fn aws(self, moto: &Moto) -> Self {
        self.env("AWS_ENDPOINT_URL", moto.url()).env("AWS_ACCESS_KEY_ID", "AKIATEST").env("AWS_SECRET_ACCESS_KEY", "test-secret")
    }

    /// Sends what is meant for `host` to `url`.
    pub fn map(self, host: &str, url: &str) -> Self {
        self.args(["--registry-map", &format!("{host}={url}")])
    }

    /// Runs it by way of another program, which must become it in the end (`exec`).
    pub fn wrapped<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.wrapper = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Runs it to its end.
    #[must_use = "a run proves nothing until its end is looked at"]
    pub fn run(self) -> Run {
        self.spawn().finish()
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let root = self.workspace.root();
        let mut words = self.wrapper;
        if self.workspace.user() == User::Nobody {
            words.extend(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"].map(OsString::from),
            );
        }
        words.push(reachable(root, self.workspace.user()).into_os_string());
        words.extend(self.arguments);
        let number = fs::read_dir(root).expect("the directory is ours").count();
        let (stdout, stderr) = (root.join(format!("stdout-{number}")), root.join(format!("stderr-{number}")));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.variables).current_dir(self.workspace.path(""));
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout).expect("the directory is ours"));
        command.stderr(File::create(&stderr).expect("the directory is ours"));
        let shown = words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Running { child, command: shown, stdout, stderr, begun: Instant::now() }
    }
}

/// A path of the binary that `user` can reach: a build directory may be closed to others.
fn reachable(root: &Path, user: User) -> PathBuf {
    let binary = binary();
    if user == User::Root {
        return binary;
    }
    let copy = root.join("windlass");
    if !copy.exists() {
        fs::copy(&binary, &copy).expect("the directory is ours");
        std::os::unix::fs::chown(&copy, Some(NOBODY), Some(NOBODY)).expect("the tests run as root");
    }
    copy
}

/// A run that is going on.
#[derive(Debug)]
#[must_use]
pub struct Running {
    child: Child,
    command: String,
    stdout: PathBuf,
    stderr: PathBuf,
    begun: Instant,
}

impl Running {
    /// Waits until one of its outputs holds `text`.
    pub fn wait_for(&mut self, text: &str) {
        while !self.output().contains(text) {
            let ended = self.child.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "{} ended before it said `{text}`:\n{}", self.command, self.output());
            assert!(self.begun.elapsed() < RUN_LIMIT, "{} did not say `{text}`:\n{}", self.command, self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it what Ctrl-C sends.
    pub fn interrupt(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has an id");
        kill_process(pid, Signal::INT).expect("the child is running");
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a machine that goes down does: it can do nothing about it.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
    }

    /// Waits for its end.
    #[must_use = "a run proves nothing until its end is looked at"]
    pub fn finish(mut self) -> Run {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            if self.begun.elapsed() > RUN_LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("{} did not end within {RUN_LIMIT:?}:\n{}", self.command, self.output());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        Run { status, command: self.command, stdout, stderr, took: self.begun.elapsed() }
    }

    fn output(&self) -> String {
        read(&self.stderr) + &read(&self.stdout)
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// The command line.
    pub command: String,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Run {
    /// Fails unless it ended well.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.success(), "expected success\n{}", self.all());
        self
    }

    /// Fails unless it ended with `code`, and by itself: no signal, no panic.
    #[track_caller]
    pub fn fails_with(self, code: ExitCode) -> Self {
        let expected = Some(i32::from(code.code()));
        assert_eq!(self.status.code(), expected, "expected `{}`\n{}", code.name(), self.all());
        assert!(!self.stderr.contains("panicked at"), "it panicked\n{}", self.all());
        assert!(!self.stderr.trim().is_empty(), "it failed without a word");
        self
    }

    /// Fails unless standard error holds `text`, in any case.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.to_lowercase().contains(&text.to_lowercase()), "expected `{text}` on standard error\n{}", self.all());
        self
    }

    /// Fails when one of its outputs holds `text`.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "did not expect `{text}`\n{}", self.all());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("standard output is not JSON: {error}\n{}", self.all()))
    }

    /// Everything, for messages.
    #[must_use]
    pub fn all(&self) -> String {
        format!("$ {}\n{}\n--- standard output\n{}\n--- standard error\n{}", self.command, self.status, self.stdout, self.stderr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace's command with a shell in the binary's place.
    fn shell<'a>(workspace: &'a Workspace, script: &str) -> Windlass<'a> {
        workspace.windlass(["argument"]).wrapped(["sh", "-c", script, "sh"])
    }

    #[test]
    fn nothing_of_the_tests_environment_reaches_a_run() {
        let workspace = Workspace::new();
        let run = shell(&workspace, "env; pwd; exit 6").env("GIVEN", "x").run().fails_quietly();
        assert!(run.stdout.contains("GIVEN=x") && run.stdout.contains("AWS_EC2_METADATA_DISABLED=true"), "{}", run.all());
        assert!(!run.stdout.contains("CARGO"), "{}", run.all());
        assert!(run.stdout.contains(&workspace.path("").display().to_string().trim_end_matches('/').to_owned()), "{}", run.all());
        assert!(!workspace.temporary_files().iter().any(|_| true) && workspace.mounts().is_empty());
    }

    #[test]
    fn a_run_can_be_watched_and_interrupted() {
        let workspace = Workspace::new();
        let mut run = shell(&workspace, "trap 'echo caught >&2; exit 130' INT; echo ready; while :; do sleep 0.05; done").spawn();
        run.wait_for("ready");
        run.interrupt();
        let _ = run.finish().fails_with(ExitCode::Cancelled).says("caught");
    }

    impl Run {
        fn fails_quietly(self) -> Self {
            assert_eq!(self.status.code(), Some(6), "{}", self.all());
            self
        }
    }
}
