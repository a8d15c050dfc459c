//! Ctrl-C in the middle of things.

use std::time::Duration;

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Proxy, User, Workspace};

/// Whether a process has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line.split(|&byte| byte == 0).any(|argument| argument == word.as_bytes()))
}

fn interrupt_a_run(user: User, seconds: &str) {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::of(user);
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo it has begun; sleep {seconds}\n"));
    let mut run = workspace.windlass(["build", ".", "--output", "oci:out", "--progress", "plain"]).spawn();
    run.wait_for("it has begun\n");
    assert!(is_running(seconds));
    run.interrupt();
    let run = run.finish();
    assert!(run.took < Duration::from_secs(60), "{}", run.all());
    run.fails_with(ExitCode::Cancelled);
    assert!(!is_running(seconds), "the step's process outlived the run");
    assert!(workspace.mounts().is_empty() && workspace.temporary_files().is_empty() && !workspace.has("out/index.json"));
    // What is left of the interrupted run does not stand in the way of the next.
    workspace.write("Dockerfile", format!("FROM {base}\nRUN echo > /done\n"));
    workspace.windlass(["build", ".", "--output", "oci:out"]).run().succeeds();
}

#[test]
fn in_a_run_it_ends_the_step_and_leaves_nothing() {
    interrupt_a_run(User::Root, "76541");
}

#[test]
fn in_a_run_of_an_unprivileged_user_it_does_the_same() {
    interrupt_a_run(User::Nobody, "76542");
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
