//! What can go wrong with an outside engine.

use std::path::PathBuf;

/// Why an outside engine gave no image.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The program is not on the PATH.
    #[error("the engine `{0}` is not installed: there is no such program on the PATH")]
    NotInstalled(String),
    /// The program could not be started.
    #[error("cannot start the engine {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program ended with an error.
    #[error("the engine `{program}` failed with {status}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status in words.
        status: String,
        /// The last lines that it printed.
        output: Vec<String>,
    },
    /// The program ended well and left no image.
    #[error("the engine `{program}` ended well but left no {expected}")]
    NothingHandedOver {
        /// The program.
        program: String,
        /// What it was to leave.
        expected: &'static str,
    },
    /// The mapper asks for something that there is not in this build.
    #[error("the engine mapper asks for {0}, which this build does not have")]
    NoSuchSlot(String),
    /// The mapper would show a secret on the command line.
    #[error("the engine mapper puts the secret build argument `{0}` into a command line, where every process could read it")]
    SecretInArguments(String),
    /// The mapper names a file with a path.
    #[error("the engine mapper asks for a file `{0}`; a file's name has no `/`")]
    FileName(String),
    /// A hand-off that this host cannot take.
    #[error("the engine hands its image over as {0}, which this version cannot take")]
    HandOff(String),
    /// The private directory could not be written.
    #[error("cannot write {}", path.display())]
    Workplace {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The run was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
}

impl EngineError {
    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NotInstalled(_) => Some("install it, or leave --engine out to use the embedded builder"),
            Self::Failed { .. } => Some("the engine's own output above says why; `--engine windlass` uses the embedded builder"),
            Self::NoSuchSlot(_)
            | Self::SecretInArguments(_)
            | Self::FileName(_)
            | Self::NothingHandedOver { .. }
            | Self::HandOff(_) => Some("this is a mistake of the engine mapper plugin"),
            Self::Start { .. } | Self::Workplace { .. } | Self::Cancelled => None,
        }
    }

    /// The last lines that the engine printed.
    #[must_use]
    pub fn output(&self) -> &[String] {
        match self {
            Self::Failed { output, .. } => output,
            _ => &[],
        }
    }
}
