//! What BuildKit makes of many small Dockerfiles, Windlass makes of them too; see `tests/conformance/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use windlass_e2e::windlass::binary;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// The cases of `unsupported.txt`: a case, and the word by which its failure must name what is not supported.
fn unsupported() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(directory().join("unsupported.txt")).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| line.split_once(' ').map(|(case, word)| (case.to_owned(), word.trim().to_owned()));
    lines.map(|line| pair(line).unwrap_or_else(|| panic!("`{line}` is not a case and a word"))).collect()
}

fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(directory().join("cases")).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn check(names: &[&str]) -> (bool, String) {
    let mut command = Command::new("python3");
    command.arg(directory().join("check.py")).arg("--bin").arg(binary()).args(["--jobs", "2", "--cases", &names.join(",")]);
    let output = command.env("AWS_EC2_METADATA_DISABLED", "true").output().expect("python3 is installed by `make test`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn every_supported_case_agrees_with_buildkit() {
    let (all, unsupported) = (cases(), unsupported());
    let names: Vec<&str> = all.iter().map(String::as_str).filter(|name| !unsupported.contains_key(*name)).collect();
    assert_eq!(all.len(), 123);
    let (agrees, text) = check(&names);
    assert!(agrees, "{text}");
}

#[test]
fn every_unsupported_case_fails_and_says_what_is_not_supported() {
    let unsupported = unsupported();
    let all = cases();
    assert!(unsupported.keys().all(|name| all.contains(name)), "a case of unsupported.txt is not there");
    if unsupported.is_empty() {
        return;
    }
    let names: Vec<&str> = unsupported.keys().map(String::as_str).collect();
    let (_, text) = check(&names);
    for (name, word) in &unsupported {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}: ")));
        let line = line.unwrap_or_else(|| panic!("{name} agrees with BuildKit: take it off unsupported.txt\n{text}"));
        assert!(line.contains("failed (status") && line.contains(word), "{name} must fail and name `{word}`: {line}");
    }
}
