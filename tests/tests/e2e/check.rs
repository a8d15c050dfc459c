//! `windlass build --check` tells what is likely a mistake, and contacts and runs nothing.

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::{Run, Workspace, ports};

/// Its base cannot be had, and its RUN step would fail.
const DOCKERFILE: &str = "FROM HOST/none:1 AS Base\nRUN false\nENV DB_PASSWORD=x\nUSER $DAEMON_USER\nCOPY a.log /\nCMD run it\n";

fn workspace(dockerfile: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", dockerfile.replace("HOST", &ports::nobody_there()));
    workspace.write(".dockerignore", "*.log\n");
    workspace
}

fn names(findings: &Value, key: &str) -> Vec<String> {
    findings.as_array().unwrap().iter().map(|finding| finding[key].as_str().unwrap().to_owned()).collect()
}

fn shows(run: &Run, texts: &[&str]) {
    assert!(texts.iter().all(|text| run.stdout.contains(text)), "expected {texts:?} on standard output\n{}", run.all());
}

const RULES: [&str; 5] = [
    "check/StageNameCasing",
    "check/SecretsUsedInArgOrEnv",
    "check/UndefinedVar",
    "check/CopyIgnoredFile",
    "check/JSONArgsRecommended",
];

#[test]
fn findings_are_shown_with_their_lines() {
    let workspace = workspace(DOCKERFILE);
    let run = workspace.windlass(["build", ".", "--check"]).run().fails_with(ExitCode::Findings);
    shows(
        &run,
        &["Dockerfile:1:", "AS Base", "^^^^", "check/StageNameCasing", "COPY a.log /", "left out of the context", "note: "],
    );
    let _ = run.says("4 warnings, 1 notes");
    assert!(!workspace.has("store"), "a check needs no store");
}

#[test]
fn programs_get_json() {
    let workspace = workspace(DOCKERFILE);
    let run = workspace.windlass(["build", ".", "--check", "--format", "json"]).run().fails_with(ExitCode::Findings);
    let answer = run.json();
    assert_eq!((&answer["outcome"], names(&answer["findings"], "rule")), (&json!("findings"), RULES.map(str::to_owned).to_vec()));
    assert_eq!(answer["findings"][3]["place"], json!({"file": "./Dockerfile", "line": 5, "column": 6, "length": 5}));
    assert_eq!(names(&answer["findings"], "severity"), ["warn", "warn", "inform", "warn", "warn"]);
}

#[test]
fn code_review_gets_sarif() {
    let workspace = workspace(DOCKERFILE);
    let run = workspace.windlass(["build", ".", "--check", "--format", "sarif"]).run().fails_with(ExitCode::Findings);
    let log = run.json();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let driver = &log["runs"][0]["tool"]["driver"];
    let results = &log["runs"][0]["results"];
    assert_eq!(driver["name"], "windlass");
    assert_eq!(names(results, "ruleId"), RULES);
    assert_eq!(names(results, "level"), ["warning", "warning", "note", "warning", "warning"]);
    let described = names(&driver["rules"], "id");
    assert!(RULES.iter().all(|rule| described.iter().any(|id| id == rule)), "{described:?}");
    let place = &results[3]["locations"][0]["physicalLocation"];
    let expected =
        json!({"artifactLocation": {"uri": "Dockerfile"}, "region": {"startLine": 5, "startColumn": 6, "endColumn": 11}});
    assert_eq!(*place, expected);
    assert!(results[3]["message"]["text"].as_str().unwrap().contains("a.log"));
}

#[test]
fn nothing_found_is_success() {
    let workspace = workspace("FROM HOST/none:1 AS base\nENV PATH=/x:$PATH\nUSER $DAEMON_USER\nCMD [\"x\"]\n");
    let _ = workspace.windlass(["build", ".", "--check"]).run().succeeds().says("0 warnings, 1 notes");
    workspace.write("Dockerfile", "FROM scratch\nCMD [\"x\"]\n");
    let _ = workspace.windlass(["build", ".", "--check"]).run().succeeds().says("found nothing");
    let run = workspace.windlass(["build", ".", "--check", "--format", "sarif"]).run().succeeds();
    assert_eq!(run.json()["runs"][0]["results"], json!([]));
}

#[test]
fn the_directive_and_the_build_argument_choose_what_counts() {
    let workspace = workspace(&format!("# check=skip=all\n{DOCKERFILE}"));
    let _ = workspace.windlass(["build", ".", "--check"]).run().succeeds();
    let choice = "BUILDKIT_DOCKERFILE_CHECK=skip=StageNameCasing,CopyIgnoredFile;error=true";
    let run = workspace.windlass(["build", ".", "--check", "--format", "json", "--build-arg", choice]).run();
    let findings = run.fails_with(ExitCode::Findings).json()["findings"].clone();
    assert_eq!(names(&findings, "rule"), [RULES[1], RULES[2], RULES[4]]);
    assert_eq!(names(&findings, "severity"), ["deny", "inform", "deny"]);
    workspace.write("Dockerfile", "# check=skipp=all\nFROM scratch\n");
    shows(&workspace.windlass(["build", ".", "--check"]).run().fails_with(ExitCode::Plan), &["skipp", "Dockerfile:1"]);
}

#[test]
fn what_cannot_be_built_is_told_in_every_format() {
    let workspace = workspace("FROM scratch\nCOPPY a b\n");
    shows(&workspace.windlass(["build", ".", "--check"]).run().fails_with(ExitCode::Plan), &["COPPY", "Dockerfile:2"]);
    let run = workspace.windlass(["build", ".", "--check", "--format", "sarif"]).run().fails_with(ExitCode::Plan);
    let log = run.json();
    assert_eq!(names(&log["runs"][0]["results"], "level"), ["error"]);
    workspace.write("Dockerfile", "FROM scratch AS Base\nCOPY --from=later a b\nFROM scratch AS later\n");
    let run = workspace.windlass(["build", ".", "--check", "--target", "nowhere"]).run().fails_with(ExitCode::Plan);
    shows(&run, &["nowhere", "check/StageNameCasing"]);
    let _ = workspace.windlass(["build", ".", "--format", "json"]).run().fails_with(ExitCode::Settings).says("--check");
}
