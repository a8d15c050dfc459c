//! Executing the command, and telling why that does not work.

use std::ffi::CString;
use std::path::Path;

use rustix::io::Errno;

use super::interpreter;
use crate::failure::{CommandProblem, Failure};
use crate::spec::RunSpec;
use crate::sys;

/// Where programs are looked for when the environment has no `PATH`: docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Longer texts of the specification are cut in messages.
const SHOWN: usize = 1000;

/// Executes the command of the specification; returns when that fails.
pub(super) fn execute(spec: &RunSpec) -> Failure {
    let (arguments, environment) = texts(spec);
    let Some(name) = spec.arguments.first() else { return not_found("", None) };
    if name.contains('/') {
        return try_one(name, &arguments, &environment).unwrap_or_else(|| not_found(name, None));
    }
    let path = spec.environment.iter().rev().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
    let mut denied = None;
    for directory in path.split(':') {
        // An empty entry is the working directory.
        let candidate = if directory.is_empty() { format!("./{name}") } else { format!("{directory}/{name}") };
        match try_one(&candidate, &arguments, &environment) {
            None => {}
            // There may be another one further on, as every shell has it.
            Some(failure @ Failure::Command { problem: CommandProblem::Denied, .. }) => denied = denied.or(Some(failure)),
            Some(failure) => return failure,
        }
    }
    denied.unwrap_or_else(|| not_found(name, Some(path)))
}

/// Executes one file; `None` when there is none of that name.
fn try_one(path: &str, arguments: &[CString], environment: &[CString]) -> Option<Failure> {
    let file = CString::new(path).ok()?;
    let errno = sys::execve(&file, arguments, environment);
    let problem = match errno {
        Errno::NOENT | Errno::NOTDIR if !Path::new(path).exists() => return None,
        Errno::NOENT => CommandProblem::Interpreter(cut(&interpreter::of(path))),
        Errno::ACCESS => CommandProblem::Denied,
        Errno::NOEXEC => CommandProblem::Format(interpreter::format(path)),
        _ => CommandProblem::Other,
    };
    Some(Failure::Command { path: cut(path), problem, errno: errno.raw_os_error() })
}

fn not_found(name: &str, searched: Option<&str>) -> Failure {
    Failure::CommandNotFound { name: cut(name), searched: searched.map(cut) }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The specification was checked for NUL characters before it was sent.
fn texts(spec: &RunSpec) -> (Vec<CString>, Vec<CString>) {
    let arguments = spec.arguments.iter().filter_map(|argument| CString::new(argument.as_str()).ok());
    let environment = spec.environment.iter().filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok());
    (arguments.collect(), environment.collect())
}
