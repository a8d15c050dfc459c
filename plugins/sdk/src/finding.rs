//! Making findings.

use crate::{Finding, Place, Severity};

impl Finding {
    fn new(severity: Severity, rule: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            rule: rule.to_owned(),
            message: message.into(),
            subject: None,
            place: None,
            help: None,
            attributes: Vec::new(),
        }
    }

    /// A finding that stops the run. `rule` is `area/what`; `message` is a lower-case fragment without a full stop.
    #[must_use]
    pub fn deny(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Deny, rule, message)
    }

    /// A finding that is printed while the run goes on.
    #[must_use]
    pub fn warn(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warn, rule, message)
    }

    /// A finding for whoever wants to know.
    #[must_use]
    pub fn inform(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Inform, rule, message)
    }

    /// The same finding about a setting or a path.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same finding at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same finding with advice on how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One finding is an error by itself, so that `?` works on it.
impl From<Finding> for Vec<Finding> {
    fn from(finding: Finding) -> Self {
        vec![finding]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_is_an_error_by_itself() {
        let check = |account: &str| -> Result<(), Vec<Finding>> {
            if account.len() == 12 { Ok(()) } else { Err(Finding::deny("ecr/account", "no account").about("account"))? }
        };
        assert_eq!(check("1").unwrap_err()[0].subject.as_deref(), Some("account"));
        assert!(check("012345678901").is_ok());
    }
}
