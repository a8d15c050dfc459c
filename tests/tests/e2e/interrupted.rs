//! Ctrl-C, a timeout and `kill -9` in the middle of things.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{Docker, DockerRegistry, Proxy, User, Windlass, Workspace};

/// Whether a process has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line.split(|&byte| byte == 0).any(|argument| argument == word.as_bytes()))
}

/// A build with a step that sleeps, and has something else sleep in the background.
struct Sleeping {
    _registry: DockerRegistry,
    base: String,
    workspace: Workspace,
    wrapper: Vec<OsString>,
}

impl Sleeping {
    fn new(user: User, seconds: &str, wrapper: impl FnOnce(&Workspace) -> Vec<OsString>) -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:1");
        let workspace = Workspace::of(user);
        let mount = "--mount=type=secret,id=s --mount=type=cache,target=/cache";
        let run = format!("(setsid sleep {seconds} &); echo it has begun; sleep {seconds}");
        workspace.write("Dockerfile", format!("FROM {base}\nRUN {mount} {run}\n"));
        workspace.write("secret", "hidden");
        let wrapper = wrapper(&workspace);
        Self { _registry: registry, base, workspace, wrapper }
    }

    fn build(&self) -> Windlass<'_> {
        let words = ["build", ".", "--output", "oci:out", "--progress", "plain", "--secret", "id=s,src=secret"];
        self.workspace.windlass(words).wrapped(self.wrapper.clone())
    }

    /// Fails unless nothing is left that the next run would not remove.
    fn assert_next_run_is_well(&self) {
        assert!(self.workspace.mounts().is_empty() && !self.workspace.has("out/index.json"));
        self.workspace.write("Dockerfile", format!("FROM {}\nRUN echo > /done\n", self.base));
        self.build().run().succeeds();
        let left = std::fs::read_dir(self.workspace.root().join("cache/windlass/v1/tmp")).unwrap();
        assert_eq!(left.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>(), Vec::<OsString>::new());
        assert_eq!((self.workspace.mounts(), self.workspace.temporary_files()), (Vec::new(), Vec::new()));
    }
}

fn unwrapped(_: &Workspace) -> Vec<OsString> {
    Vec::new()
}

/// Kills a process and all below it, in such an order that nobody can react to it.
fn kill_tree(process: u32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    let _ = kill_process(pid, Signal::STOP);
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children: String = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default()).collect();
    children.split_whitespace().for_each(|child| kill_tree(child.parse().unwrap()));
    let _ = kill_process(pid, Signal::KILL);
}

fn kill_a_run(user: User, seconds: &str) {
    let sleeping = Sleeping::new(user, seconds, unwrapped);
    let mut run = sleeping.build().spawn();
    run.wait_for("it has begun\n");
    assert!(is_running(seconds));
    kill_tree(run.id());
    assert!(!run.finish().status.success());
    let end = Instant::now() + Duration::from_secs(60);
    while is_running(seconds) {
        assert!(Instant::now() < end, "the step's process outlived the run");
        std::thread::sleep(Duration::from_millis(20));
    }
    sleeping.assert_next_run_is_well();
}

fn interrupt_a_run(user: User, seconds: &str, wrapper: impl FnOnce(&Workspace) -> Vec<OsString>) {
    let sleeping = Sleeping::new(user, seconds, wrapper);
    let workspace = &sleeping.workspace;
    let mut run = sleeping.build().spawn();
    run.wait_for("it has begun\n");
    assert!(is_running(seconds));
    run.interrupt();
    let run = run.finish();
    assert!(run.took < Duration::from_secs(60), "{}", run.all());
    run.fails_with(ExitCode::Cancelled);
    assert!(!is_running(seconds), "the step's process outlived the run");
    assert!(workspace.mounts().is_empty() && workspace.temporary_files().is_empty() && !workspace.has("out/index.json"));
    sleeping.assert_next_run_is_well();
}

#[test]
fn in_a_run_it_ends_the_step_and_leaves_nothing() {
    interrupt_a_run(User::Root, "76541", unwrapped);
}

#[test]
fn in_a_run_of_an_unprivileged_user_it_does_the_same() {
    interrupt_a_run(User::Nobody, "76542", unwrapped);
}

#[test]
fn in_a_run_of_a_pod_it_does_the_same() {
    let docker = Docker::start();
    interrupt_a_run(User::Root, "76543", |workspace| docker.container(workspace, &[]));
}

#[test]
fn killed_with_all_its_processes_a_run_leaves_what_the_next_one_removes() {
    kill_a_run(User::Root, "76544");
    kill_a_run(User::Nobody, "76545");
}

#[test]
fn a_timeout_ends_the_step_with_all_its_processes() {
    let sleeping = Sleeping::new(User::Root, "76546", unwrapped);
    let step = "type: BuildAndPushDockerRegistry\nname: b\nidentifier: b\ntimeout: 5s\nspec:\n  connectorRef: c\n  repo: a/b\n  \
                tags: [latest]\n";
    sleeping.workspace.write("step.yaml", step);
    sleeping.workspace.write("Dockerfile", sleeping.workspace.read("Dockerfile").replace("--mount=type=secret,id=s ", ""));
    let run = sleeping.workspace.windlass(["run", "step.yaml", "--no-push", "--progress", "plain"]).run();
    let run = run.fails_with(ExitCode::Cancelled).says("it has begun").says("timeout of 5 seconds");
    assert!(!is_running("76546"), "the step's process outlived the run\n{}", run.all());
    sleeping.assert_next_run_is_well();
}

#[test]
fn in_a_push_it_moves_no_tag() {
    let registry = DockerRegistry::open();
    let proxy = Proxy::before(registry.host(), |request| {
        if request.method == "PUT" || request.method == "PATCH" {
            std::thread::sleep(Duration::from_secs(600));
        }
        None
    });
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = workspace.windlass(["build", ".", "--push", "-t", &format!("{}/app:1", proxy.host())]).spawn();
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !proxy.seen().iter().any(|request| request.method == "PUT" || request.method == "PATCH") {
        assert!(std::time::Instant::now() < end, "nothing was pushed");
        std::thread::sleep(Duration::from_millis(20));
    }
    run.interrupt();
    let run = run.finish();
    assert!(run.took < Duration::from_secs(60), "{}", run.all());
    run.fails_with(ExitCode::Cancelled);
    assert!(registry.tags("app").is_empty() && workspace.temporary_files().is_empty());
}
