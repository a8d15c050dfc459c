//! `HEALTHCHECK`.

use super::CommandLine;

/// `HEALTHCHECK [options] CMD command` or `HEALTHCHECK NONE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthcheckInstruction {
    /// No check, whatever the base image says.
    None,
    /// A check.
    Check(Healthcheck),
}

/// How a container's health is checked. Durations are in nanoseconds; 0 is the runtime's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// What is run.
    pub command: CommandLine,
    /// `--interval`: between two checks.
    pub interval: i64,
    /// `--timeout`: after which a check has failed.
    pub timeout: i64,
    /// `--start-period`: in which failures do not count.
    pub start_period: i64,
    /// `--start-interval`: between two checks of the start period.
    pub start_interval: i64,
    /// `--retries`: how many failures in a row make a container unhealthy; 0 is the runtime's default.
    pub retries: u32,
}

impl HealthcheckInstruction {
    /// The `Test` of an image's configuration: `NONE`, `CMD` with arguments, or `CMD-SHELL` with a text.
    #[must_use]
    pub fn test(&self) -> Vec<String> {
        match self {
            Self::None => vec!["NONE".to_owned()],
            Self::Check(Healthcheck { command: CommandLine::Shell(text), .. }) => vec!["CMD-SHELL".to_owned(), text.clone()],
            Self::Check(Healthcheck { command: CommandLine::Exec(arguments), .. }) => {
                std::iter::once("CMD".to_owned()).chain(arguments.iter().cloned()).collect()
            }
        }
    }
}
