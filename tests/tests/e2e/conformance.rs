//! What BuildKit makes of many small Dockerfiles, Windlass makes of them too; see `tests/conformance/README.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use windlass_e2e::windlass::binary;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn cases(of: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory().join(of)).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn all_agree(names: &[String]) {
    let mut command = Command::new("python3");
    command.arg(directory().join("check.py")).arg("--bin").arg(binary()).args(["--jobs", "2", "--cases", &names.join(",")]);
    let output = command.env("AWS_EC2_METADATA_DISABLED", "true").output().expect("python3 is installed by `make test`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn every_recorded_case_agrees_with_buildkit() {
    let names = cases("cases");
    assert_eq!(names.len(), 123);
    all_agree(&names);
}

#[test]
fn every_case_of_our_own_agrees_with_its_answer() {
    let names = cases("cases-own");
    assert!(names.len() >= 120, "only {} cases", names.len());
    all_agree(&names);
}
