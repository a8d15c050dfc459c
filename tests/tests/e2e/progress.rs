//! What is printed while a build goes on.

use serde_json::Value;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Workspace};

fn place() -> (DockerRegistry, Workspace) {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let workspace = Workspace::new();
    workspace
        .write("Dockerfile", format!("FROM {base}\nRUN echo to stdout; echo to stderr >&2; printf '\\033[31mred\\033[0m\\n'\n"));
    (registry, workspace)
}

#[test]
fn plain_lines_where_there_is_no_terminal() {
    let (_registry, workspace) = place();
    let run = workspace.windlass(["build", ".", "--output", "oci:out"]).run().succeeds();
    let run = run.says("to stdout").says("to stderr").says("RUN echo");
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\r'), "no escapes outside a terminal: {}", run.all());
    assert!(!run.stdout.contains("to stdout"), "standard output is for the result: {}", run.all());
}

#[test]
fn one_json_object_a_line_for_machines() {
    let (_registry, workspace) = place();
    let run = workspace.windlass(["build", ".", "--output", "oci:out", "--progress", "json"]).run().succeeds();
    let events: Vec<Value> =
        run.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is not JSON"))).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert!(of("started") >= 2 && of("log") >= 2, "{}", run.all());
    assert_eq!(of("started"), of("finished"), "what begins ends: {}", run.all());
    assert!(events.iter().any(|event| event["line"] == "to stderr" && event["stream"] == "stderr"), "{}", run.all());
}

#[test]
fn nothing_but_the_result_when_quiet() {
    let (_registry, workspace) = place();
    let run = workspace.windlass(["build", ".", "--output", "oci:out", "--progress", "quiet"]).run().succeeds();
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("sha256:"), "{}", run.all());
}

#[test]
fn a_failure_is_told_even_when_quiet() {
    let (_registry, workspace) = place();
    workspace.write("Dockerfile", "FROM scratch\nCOPY absent /\n");
    let run = workspace.windlass(["build", ".", "--output", "oci:out", "--progress", "quiet"]).run();
    run.fails_with(windlass_core::ExitCode::Build).says("absent");
}
