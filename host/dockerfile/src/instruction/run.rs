//! `RUN` and what it executes.

use super::command::with_shell;
use super::mount::{Mount, MountError, MountOptions};
use super::{CommandLine, InlineFile};
use crate::parse::heredoc::{self, Heredoc};

/// Where the script of a `RUN` heredoc with a `#!` line is found while it runs.
pub const SCRIPT_DIRECTORY: &str = "/dev/pipes";

/// `RUN [--mount=…] [--network=…] [--security=…] [--device=…] command`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstruction {
    /// The command as written, without the bodies of heredocs.
    pub command: CommandLine,
    /// The heredocs of the command, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`
    pub mounts: Vec<MountOptions>,
    /// `--network`
    pub network: Network,
    /// `--security`
    pub security: Security,
    /// `--device`
    pub devices: Vec<Device>,
}

/// `RUN --network`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// The build's network.
    #[default]
    Default,
    /// No network.
    None,
    /// The host's network.
    Host,
}

/// `RUN --security`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// The build's sandbox.
    #[default]
    Sandbox,
    /// Without a sandbox.
    Insecure,
}

/// `RUN --device=name[,required]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The device's name in the container device interface.
    pub name: String,
    /// Whether the step fails without it.
    pub is_required: bool,
}

/// What a `RUN` executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// A file that must be there, read-only and executable (755), in [`SCRIPT_DIRECTORY`] while it runs.
    pub script: Option<InlineFile>,
}

impl RunInstruction {
    /// What to execute, given the image's `SHELL`; an empty one means `/bin/sh -c`.
    ///
    /// A heredoc that is the whole command is the text for the shell or, when it begins with `#!`, a script that the
    /// shell runs. Other heredocs go to the shell behind the command. The build fills in no variables in any of them.
    #[must_use]
    pub fn execution(&self, shell: &[String]) -> Execution {
        let text = match (&self.command, self.heredocs.as_slice()) {
            (CommandLine::Shell(text), [_, ..]) => text,
            (command, _) => return Execution { arguments: command.arguments(shell), script: None },
        };
        if heredoc::recognise(text).is_some() {
            let body = self.heredocs[0].without_tabs();
            let name = &self.heredocs[0].name;
            if body.starts_with("#!") {
                let arguments = with_shell(shell, format!("{SCRIPT_DIRECTORY}/{name}"));
                let script = InlineFile { name: name.clone(), content: body, expands: false };
                return Execution { arguments, script: Some(script) };
            }
            return Execution { arguments: with_shell(shell, body), script: None };
        }
        let mut full = text.clone();
        for heredoc in &self.heredocs {
            full.push('\n');
            full.push_str(&heredoc.body);
            full.push_str(&heredoc.name);
        }
        Execution { arguments: with_shell(shell, full), script: None }
    }

    /// The mounts, typed. Their variables must have been filled in.
    ///
    /// # Errors
    /// When a mount has an unknown option, a value that is none, or lacks what its type needs.
    pub fn typed_mounts(&self) -> Result<Vec<Mount>, MountError> {
        self.mounts.iter().map(MountOptions::typed).collect()
    }
}
