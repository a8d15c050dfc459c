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

/// A terminal that shows the lines obeys neither a step's output nor an error nor a plan; a program reads what was written.
#[test]
fn json_has_what_a_terminal_would_obey_in_escapes() {
    const TEXT: &str = "\u{1b}[2J\u{7f}\u{9b}31m\u{61c}\u{200e}\u{202e}\u{2066}x";
    let (_registry, workspace) = place();
    let base = workspace.read("Dockerfile").lines().next().unwrap().to_owned();
    let unfit = |c: char| c != '\n' && (c.is_control() || TEXT.contains(c) && !c.is_ascii());
    let build = |dockerfile: String| {
        workspace.write("Dockerfile", dockerfile);
        let run = workspace.windlass(["build", ".", "--output", "oci:out", "--progress", "json"]).run();
        assert!(!run.stderr.contains(unfit), "{:?}", run.stderr);
        run
    };
    let events = |stderr: &str| stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let run = build(format!("{base}\nRUN echo '{TEXT}'\n")).succeeds();
    assert!(events(&run.stderr).iter().any(|event| event["line"] == TEXT), "{}", run.all());
    let run = build(format!("{base}\nCOPY \"a{TEXT}\" /\n"));
    assert!(events(&run.stderr).iter().any(|event| event["event"] == "error"), "{}", run.all());
    let label = format!("a={TEXT}");
    let variables = [("PLUGIN_REPO", "app"), ("PLUGIN_REGISTRY", "r.example"), ("PLUGIN_CUSTOM_LABELS", label.as_str())];
    let run = workspace.windlass(["plan", "--from-env", "docker", "--format", "json"]).envs(&variables).run();
    assert!(!run.all().contains(unfit), "{:?}", run.all());
    assert!(run.json()["build"]["labels"].to_string().contains(&Value::from(TEXT).to_string()), "{}", run.all());
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
