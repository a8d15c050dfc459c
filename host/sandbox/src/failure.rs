//! What went wrong inside the sandbox, in a form that can be sent to the caller.

use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// A step of setting up the sandbox that failed.
pub(crate) type Step<T> = Result<T, Failure>;

/// What failed; `errno` is the kernel's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// Something that the specification did not ask for by name.
    Setup { action: String, errno: i32 },
    /// The mount of this target.
    Mount { target: PathBuf, problem: String, errno: i32 },
    /// The change to the working directory.
    Directory { path: PathBuf, errno: i32 },
    /// The change of the user.
    User { uid: u32, gid: u32, errno: i32 },
    /// No such program, in any of the directories searched.
    CommandNotFound { name: String, searched: Option<String> },
    /// The program is there and cannot be executed.
    Command { path: String, problem: CommandProblem, errno: i32 },
}

/// Why a program that is there cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CommandProblem {
    /// The mode forbids it, or it is a directory.
    Denied,
    /// It is no program for this machine; the text tells what it is.
    Format(String),
    /// What its first line or its header asks for is not in the image.
    Interpreter(String),
    /// Anything else.
    Other,
}

/// Adds what was tried to what the kernel answered.
pub(crate) trait Attempt<T> {
    /// `action` completes "failed to".
    fn to(self, action: &str) -> Step<T>;

    /// The same for one of the mounts of the specification.
    fn on(self, target: &std::path::Path, problem: &str) -> Step<T>;
}

impl<T> Attempt<T> for Result<T, Errno> {
    fn to(self, action: &str) -> Step<T> {
        self.map_err(|errno| Failure::Setup { action: action.to_owned(), errno: errno.raw_os_error() })
    }

    fn on(self, target: &std::path::Path, problem: &str) -> Step<T> {
        self.map_err(|errno| Failure::Mount {
            target: target.to_owned(),
            problem: problem.to_owned(),
            errno: errno.raw_os_error(),
        })
    }
}
