//! Bad input: Dockerfiles, contexts, and RUN steps that fail.

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Run, Workspace};

struct Place {
    registry: DockerRegistry,
    workspace: Workspace,
    base: String,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:latest");
        Self { registry, workspace: Workspace::new(), base }
    }

    /// Builds a Dockerfile that must fail, and looks whether it left anything behind.
    #[track_caller]
    fn fails(&self, dockerfile: &str, code: ExitCode) -> Run {
        self.workspace.write("Dockerfile", dockerfile.replace("BASE", &self.base));
        let name = format!("{}/app:1", self.registry.host());
        let run = self.workspace.windlass(["build", ".", "--push", "-t", &name, "--output", "oci:out"]).run().fails_with(code);
        assert!(!self.workspace.has("out/index.json"), "{}", run.all());
        assert_eq!(self.registry.tags("app"), Vec::<String>::new(), "{}", run.all());
        assert_eq!(self.workspace.mounts(), Vec::<String>::new(), "{}", run.all());
        assert_eq!(self.workspace.temporary_files(), Vec::<String>::new(), "{}", run.all());
        run
    }
}

#[test]
fn a_mistake_is_shown_with_its_line_underlined() {
    let place = Place::new();
    let run = place.fails("FROM BASE\nRUN true\nCOPPY a b\n", ExitCode::Plan);
    run.says("Dockerfile:3").says("COPPY a b").says("^^^^^").says("COPY");
}

#[test]
fn every_mistake_of_a_dockerfile_is_told() {
    let place = Place::new();
    let run = place.fails("FROM BASE\nCOPPY a b\nRUN true\nCOPY --chwon=1 a b\n", ExitCode::Plan);
    run.says("COPPY").says("Dockerfile:2").says("chwon").says("Dockerfile:4");
    place.fails("FROM BASE\nEXPOSE eighty\nSTOPSIGNAL SIGNOPE\n", ExitCode::Plan).says("eighty");
}

#[test]
fn a_dockerfile_that_is_missing_empty_or_without_from_is_an_error() {
    let place = Place::new();
    place.workspace.windlass(["build", "."]).run().fails_with(ExitCode::Plan).says("Dockerfile");
    place.fails("", ExitCode::Plan);
    place.fails("RUN true\n", ExitCode::Plan).says("FROM");
    place.workspace.windlass(["build", "nowhere"]).run().fails_with(ExitCode::Plan).says("nowhere");
}

#[test]
fn a_target_or_stage_that_is_not_there_is_named() {
    let place = Place::new();
    place.workspace.write("Dockerfile", format!("FROM {} AS builder\n", place.base));
    let run = place.workspace.windlass(["build", ".", "--target", "bulider"]).run();
    run.fails_with(ExitCode::Plan).says("bulider").says("builder");
}

#[test]
fn an_instruction_that_is_not_supported_is_named_with_its_line() {
    let place = Place::new();
    place.fails("FROM BASE\nRUN --security=insecure true\n", ExitCode::Plan).says("security").says("Dockerfile:2");
}

#[test]
fn a_file_that_copy_does_not_find_is_named() {
    let place = Place::new();
    place.workspace.write("present.txt", "x");
    let run = place.fails("FROM BASE\nCOPY present.txt absent.txt /\n", ExitCode::Build);
    run.says("absent.txt").says("Dockerfile:2").never_says("present.txt\": not found");
}

#[test]
fn a_file_that_is_ignored_is_said_to_be_so() {
    let place = Place::new();
    place.workspace.write("secret.txt", "x");
    place.workspace.write(".dockerignore", "*.txt\n");
    place.fails("FROM BASE\nCOPY secret.txt /\n", ExitCode::Build).says("secret.txt").says(".dockerignore");
}

#[test]
fn a_failing_run_shows_its_last_output_and_its_status() {
    let place = Place::new();
    let run = place.fails("FROM BASE\nRUN true\nRUN echo first; echo last words >&2; exit 42\n", ExitCode::Build);
    run.says("last words").says("42").says("Dockerfile:3");
}

#[test]
fn a_run_that_is_killed_names_the_signal() {
    let place = Place::new();
    // The step's own shell is the first process of its namespace, which no signal from within ends.
    place.fails("FROM BASE\nRUN sh -c 'kill -9 $$'; exit $?\n", ExitCode::Build).says("137").says("signal 9");
    place.fails("FROM BASE\nRUN [\"/no/such/program\"]\n", ExitCode::Build).says("/no/such/program");
}

#[test]
fn a_step_that_failed_is_not_in_the_cache() {
    let place = Place::new();
    place.workspace.write("gate", "closed");
    let dockerfile = "FROM BASE\nRUN echo kept > /kept\nCOPY gate /\nRUN grep open /gate\n";
    place.fails(dockerfile, ExitCode::Build);
    place.workspace.write("gate", "open");
    place.workspace.windlass(["build", ".", "--output", "oci:out"]).run().succeeds();
}
