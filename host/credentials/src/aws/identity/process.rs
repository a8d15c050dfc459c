//! `credential_process`: a command of a profile that prints credentials.

use std::path::Path;

use serde_json::Value;

use super::{Step, read_document};
use crate::aws::context::Context;
use crate::program;

/// Runs `command` with the shell, as AWS's own tools do, and reads what it prints.
pub(super) async fn step(context: &Context, command: &str) -> Step {
    let broken = |why: String| Step::Broken(format!("`credential_process` failed: {why}"), None);
    let shell = Path::new("/bin/sh");
    let answer = match program::run(shell, &["-c", command], "", &context.environment, program::TIME_LIMIT).await {
        Ok(answer) => answer,
        Err(error) => return broken(windlass_core::chain(&error)),
    };
    if !answer.success {
        // What it printed may be secret, on either output: some print the whole answer and then fail.
        return broken(answer.ending);
    }
    let version = serde_json::from_str::<Value>(&answer.stdout).ok().and_then(|value| value.get("Version")?.as_i64());
    match version {
        Some(1) => read_document(&answer.stdout, "SessionToken", "credential_process").map_or_else(broken, Step::Found),
        Some(other) => broken(format!("its answer has version {other}; expected 1")),
        None => broken("its answer is not an object with `Version`".to_owned()),
    }
}
