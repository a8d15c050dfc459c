//! Exit codes: what CI users branch on. They are documented in `docs/exit-codes.md` and never change their meaning.

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Everything that was asked for was done.
    Success,
    /// An error of Windlass itself; please report it.
    Internal,
    /// The command line, step file or environment is wrong.
    Settings,
    /// The plan could not be made: Dockerfile, plugins, references.
    Plan,
    /// A policy plugin denied the plan or the image.
    Denied,
    /// Credentials are missing or were refused.
    Credentials,
    /// A build step failed.
    Build,
    /// A registry could not be read from or pushed to.
    Push,
    /// The image was made, but an output file could not be written.
    Output,
    /// A check found something.
    Findings,
    /// The run was cancelled by a signal or a timeout.
    Cancelled,
}

impl ExitCode {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::Internal,
        Self::Settings,
        Self::Plan,
        Self::Denied,
        Self::Credentials,
        Self::Build,
        Self::Push,
        Self::Output,
        Self::Findings,
        Self::Cancelled,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 70,
            Self::Settings => 2,
            Self::Plan => 3,
            Self::Denied => 4,
            Self::Credentials => 5,
            Self::Build => 6,
            Self::Push => 7,
            Self::Output => 8,
            Self::Findings => 9,
            Self::Cancelled => 130,
        }
    }

    /// One word for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Internal => "internal",
            Self::Settings => "settings",
            Self::Plan => "plan",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Build => "build",
            Self::Push => "push",
            Self::Output => "output",
            Self::Findings => "findings",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_endings_share_a_code() {
        let mut codes: Vec<u8> = ExitCode::ALL.iter().map(|c| c.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ExitCode::ALL.len());
    }
}
