//! Statements about images, read with the libraries that others read them with: in-toto's and SPDX's, for Python.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The predicate types of in-toto statements, each a line of JSON. Panics when one is against its specification.
#[must_use]
pub fn predicate_types(statements: &[String]) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(here.join("../.venv/bin/python"));
    command.arg(here.join("src/attested.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = command.spawn().expect("`make setup` installs what reads statements");
    reader.stdin.take().expect("it is piped").write_all(statements.join("\n").as_bytes()).expect("the reader reads");
    let output = reader.wait_with_output().expect("the reader ends");
    assert!(output.status.success(), "{}\n{statements:?}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("types are text").lines().map(str::to_owned).collect()
}
