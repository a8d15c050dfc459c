//! Why a step runs: `--explain` and the report name what is not as it was.

use serde_json::Value;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Run, Workspace};

struct Place {
    _registry: DockerRegistry,
    base: String,
    workspace: Workspace,
}

impl Place {
    fn new(dockerfile: &str) -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:1");
        let place = Self { _registry: registry, base, workspace: Workspace::new() };
        place.rewrite(dockerfile);
        place
    }

    fn rewrite(&self, dockerfile: &str) {
        self.workspace.write("Dockerfile", format!("FROM {}\n{dockerfile}", self.base));
    }

    /// A build with further arguments, and the reason that the report gives for the step with `part` in its title.
    fn build(&self, more: &[&str]) -> (Run, Value) {
        self.build_with("canary-1", more)
    }

    /// The same, with a value for the variable `TOKEN`.
    fn build_with(&self, token: &str, more: &[&str]) -> (Run, Value) {
        let arguments = ["build", ".", "--output", "type=cacheonly", "--report", "report.json", "--explain"];
        let run = self.workspace.windlass(arguments).args(more).env("TOKEN", token).run().succeeds();
        (run, serde_json::from_str(&self.workspace.read("report.json")).unwrap())
    }
}

fn reason<'a>(report: &'a Value, part: &str) -> &'a str {
    let mut steps = report["steps"].as_array().unwrap().iter();
    let step = steps.find(|step| step["title"].as_str().unwrap().contains(part)).unwrap();
    assert_eq!(step["outcome"] == "run", step["reason"].is_string(), "{step}");
    step["reason"].as_str().unwrap_or("cached")
}

#[test]
fn the_file_that_changed_is_named_and_what_comes_after_it_says_so() {
    let place = Place::new("WORKDIR /w\nCOPY src /src/\nRUN cat /src/* > /all\n");
    place.workspace.write("src/main.c", "1");
    place.workspace.write("src/other.c", "1");
    let (run, report) = place.build(&[]);
    assert_eq!(reason(&report, "COPY src"), "first build of this step here");
    let _ = run.says("runs because: first build of this step here");
    place.workspace.write("src/main.c", "2");
    place.workspace.write("src/new.c", "2");
    let (run, report) = place.build(&[]);
    assert_eq!(reason(&report, "WORKDIR"), "cached");
    assert_eq!(reason(&report, "COPY src"), "src/main.c changed, src/new.c is new");
    assert_eq!(reason(&report, "RUN cat"), "the step before it changed");
    let _ = run.says("runs because: src/main.c changed, src/new.c is new");
    let (run, report) = place.build(&["--progress", "json"]);
    assert_eq!(reason(&report, "RUN cat"), "cached");
    let _ = run.never_says("explained");
    let (run, report) = place.build(&["--no-cache", "--progress", "json"]);
    assert_eq!(reason(&report, "RUN cat"), "the cache was not asked");
    assert!(run.stderr.contains(r#""event":"explained""#) && run.stderr.contains(r#""reason":"the cache was not asked""#));
    // Only who asks is told.
    place.workspace.write("src/main.c", "3");
    let quiet = place.workspace.windlass(["build", ".", "--output", "type=cacheonly"]).run().succeeds();
    let _ = quiet.says("COPY src").never_says("main.c");
}

#[test]
fn arguments_variables_instructions_and_what_was_removed_are_told_apart() {
    let place = Place::new("ARG VERSION=1\nENV MODE=a\nRUN echo $VERSION > /v\nRUN echo second\n");
    place.build(&[]);
    let (_, report) = place.build(&["--build-arg", "VERSION=2"]);
    assert_eq!(reason(&report, "RUN echo $V"), "ARG VERSION changed");
    place.rewrite("ARG VERSION=1\nENV MODE=b\nRUN echo $VERSION > /v\nRUN echo second\n");
    let (_, report) = place.build(&["--build-arg", "VERSION=2"]);
    assert_eq!(reason(&report, "RUN echo $V"), "ENV MODE changed");
    place.rewrite("ARG VERSION=1\nENV MODE=b\nRUN echo other > /v\nRUN echo second\n");
    let (_, report) = place.build(&["--build-arg", "VERSION=2"]);
    assert_eq!(reason(&report, "RUN echo other"), "the instruction changed");
    assert_eq!(reason(&report, "RUN echo second"), "the step before it changed");
    let prune = ["cache", "prune", "--max-size", "0", "--keep", "digests"];
    let _ = place.workspace.windlass(prune).run().succeeds();
    let (_, report) = place.build(&["--build-arg", "VERSION=2"]);
    assert_eq!(reason(&report, "RUN echo other"), "what it made is not in the store any more");
}

#[test]
fn a_secret_argument_is_named_and_nothing_of_its_value_is_kept() {
    let place = Place::new("ARG TOKEN\nRUN echo started\n");
    place.build(&["--build-arg", "TOKEN"]);
    let (_, report) = place.build(&["--build-arg", "TOKEN"]);
    assert_eq!(reason(&report, "RUN echo"), "cached");
    let (run, report) = place.build_with("canary-2", &["--build-arg", "TOKEN"]);
    assert_eq!(reason(&report, "RUN echo"), "ARG TOKEN changed", "{}", run.all());
    let digests = place.workspace.root().join("cache/windlass/v1/digests");
    let ledgers = std::fs::read_dir(digests).unwrap().map(|entry| entry.unwrap().path());
    let ledgers: Vec<String> = ledgers
        .filter(|path| path.display().to_string().contains("steps-"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert!(
        !ledgers.is_empty() && ledgers.iter().all(|text| text.contains("the command") && !text.contains("TOKEN")),
        "{ledgers:?}"
    );
}
