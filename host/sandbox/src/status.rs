//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the command of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It returned this code; 0 is success.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl ExitStatus {
    /// Whether the command has succeeded.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(9) => write!(f, "killed by signal 9 (SIGKILL; a lack of memory ends like this)"),
            Self::Signal(11) => write!(f, "killed by signal 11 (SIGSEGV)"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}
