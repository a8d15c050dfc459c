//! What has to be there before an image is pushed: the repository, its policies, its scan setting.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::{AwsError, Destination};

use crate::failure::explain;

/// What the user wants of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) create: bool,
    pub(crate) scan_on_push: Option<bool>,
    pub(crate) lifecycle_policy: Option<String>,
    pub(crate) repository_policy: Option<String>,
}

/// A repository as it is found: whether its images are scanned, where that is known.
pub(crate) struct Found {
    pub(crate) scans: Option<bool>,
}

/// The calls to AWS that preparing takes.
pub(crate) trait Repositories {
    fn find(&self, name: &str) -> Result<Found, AwsError>;
    fn create(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError>;
    fn set_scanning(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError>;
    fn set_lifecycle_policy(&self, name: &str, policy: &str) -> Result<(), AwsError>;
    fn set_repository_policy(&self, name: &str, policy: &str) -> Result<(), AwsError>;
}

impl Wishes {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Brings the repository into the wanted state and says what was changed. Doing it twice does no harm.
pub(crate) fn prepare(aws: &impl Repositories, destination: &Destination, wishes: &Wishes) -> Result<Vec<String>, Vec<Finding>> {
    let name = destination.repository.as_str();
    let mut changes = Vec::new();
    if wishes.create || wishes.scan_on_push.is_some() {
        ensure(aws, destination, wishes, &mut changes)?;
    }
    if let Some(policy) = &wishes.lifecycle_policy {
        aws.set_lifecycle_policy(name, policy).map_err(|error| explain("set the lifecycle policy", destination, &error))?;
        changes.push(format!("set the lifecycle policy of {name}"));
    }
    if let Some(policy) = &wishes.repository_policy {
        aws.set_repository_policy(name, policy).map_err(|error| explain("set the access policy", destination, &error))?;
        changes.push(format!("set the access policy of {name}"));
    }
    Ok(changes)
}

fn ensure(
    aws: &impl Repositories,
    destination: &Destination,
    wishes: &Wishes,
    changes: &mut Vec<String>,
) -> Result<(), Vec<Finding>> {
    let name = destination.repository.as_str();
    let found = match aws.find(name) {
        Ok(found) => Some(found),
        Err(AwsError::NotFound(_)) if wishes.create => None,
        // Whoever may create but not look finds out by creating.
        Err(AwsError::Denied(_)) if wishes.create => None,
        Err(error) => return Err(explain("look the repository up", destination, &error)),
    };
    let found = match found {
        Some(found) => found,
        None => match aws.create(name, wishes.scan_on_push.unwrap_or(false)) {
            Ok(()) => {
                changes.push(format!("created the repository {name}"));
                return Ok(());
            }
            // Someone else was quicker, or it was there and could not be looked at.
            Err(AwsError::Exists(_)) => Found { scans: None },
            Err(error) => return Err(explain("create the repository", destination, &error)),
        },
    };
    if let Some(wanted) = wishes.scan_on_push.filter(|wanted| found.scans != Some(*wanted)) {
        aws.set_scanning(name, wanted).map_err(|error| explain("change the scan setting", destination, &error))?;
        changes.push(format!("switched the scan of pushed images {} for {name}", if wanted { "on" } else { "off" }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// AWS as far as it matters: one repository, or none, and who may do what.
    #[derive(Default)]
    struct Fake {
        scans: Option<bool>,
        exists: bool,
        denied: &'static [&'static str],
        calls: RefCell<Vec<String>>,
    }

    impl Fake {
        fn call(&self, what: &str, detail: &str) -> Result<(), AwsError> {
            self.calls.borrow_mut().push(format!("{what} {detail}").trim().to_owned());
            if self.denied.contains(&what) { Err(AwsError::Denied(format!("ecr:{what} is not allowed"))) } else { Ok(()) }
        }
    }

    impl Repositories for Fake {
        fn find(&self, name: &str) -> Result<Found, AwsError> {
            self.call("find", name)?;
            if self.exists { Ok(Found { scans: self.scans }) } else { Err(AwsError::NotFound("no such repository".to_owned())) }
        }

        fn create(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
            self.call("create", &format!("{name} {scan_on_push}"))?;
            if self.exists { Err(AwsError::Exists("it is there".to_owned())) } else { Ok(()) }
        }

        fn set_scanning(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
            self.call("scan", &format!("{name} {scan_on_push}"))
        }

        fn set_lifecycle_policy(&self, _: &str, policy: &str) -> Result<(), AwsError> {
            self.call("lifecycle", policy)
        }

        fn set_repository_policy(&self, _: &str, policy: &str) -> Result<(), AwsError> {
            self.call("access", policy)
        }
    }

    fn run(fake: &Fake, wishes: &Wishes) -> Result<Vec<String>, Vec<Finding>> {
        let destination =
            Destination { registry: "h".to_owned(), repository: "app".to_owned(), kind: "ECR".to_owned(), attributes: vec![] };
        prepare(fake, &destination, wishes)
    }

    #[test]
    fn a_missing_repository_is_created_once() {
        let wishes = Wishes { create: true, ..Wishes::default() };
        let fake = Fake::default();
        assert_eq!(run(&fake, &wishes).unwrap(), ["created the repository app"]);
        assert_eq!(*fake.calls.borrow(), ["find app", "create app false"]);
        let fake = Fake { exists: true, ..Fake::default() };
        assert!(run(&fake, &wishes).unwrap().is_empty());
        assert_eq!(*fake.calls.borrow(), ["find app"]);
    }

    #[test]
    fn scanning_is_touched_only_when_asked_for_and_not_yet_so() {
        let fake = Fake { exists: true, scans: Some(true), ..Fake::default() };
        assert!(run(&fake, &Wishes { create: true, ..Wishes::default() }).unwrap().is_empty());
        assert!(run(&fake, &Wishes { scan_on_push: Some(true), ..Wishes::default() }).unwrap().is_empty());
        let changes = run(&fake, &Wishes { scan_on_push: Some(false), ..Wishes::default() }).unwrap();
        assert_eq!(changes, ["switched the scan of pushed images off for app"]);
    }

    #[test]
    fn whoever_may_create_but_not_look_still_gets_a_repository() {
        let wishes = Wishes { create: true, scan_on_push: Some(true), ..Wishes::default() };
        let fake = Fake { denied: &["find"], ..Fake::default() };
        assert_eq!(run(&fake, &wishes).unwrap(), ["created the repository app"]);
        let fake = Fake { denied: &["find"], exists: true, ..Fake::default() };
        assert_eq!(run(&fake, &wishes).unwrap(), ["switched the scan of pushed images on for app"]);
    }

    #[test]
    fn policies_are_set_and_a_refusal_names_the_permission() {
        let wishes =
            Wishes { lifecycle_policy: Some("{1}".to_owned()), repository_policy: Some("{2}".to_owned()), ..Wishes::default() };
        let fake = Fake { exists: true, ..Fake::default() };
        assert_eq!(run(&fake, &wishes).unwrap().len(), 2);
        assert_eq!(*fake.calls.borrow(), ["lifecycle {1}", "access {2}"]);
        let fake = Fake { denied: &["access"], ..Fake::default() };
        let findings = run(&fake, &wishes).unwrap_err();
        assert!(findings[0].message.contains("ecr:access is not allowed"), "{findings:?}");
    }

    #[test]
    fn a_missing_repository_is_an_error_when_it_is_not_to_be_created() {
        let findings = run(&Fake::default(), &Wishes { scan_on_push: Some(true), ..Wishes::default() }).unwrap_err();
        assert_eq!(findings[0].rule, "ecr/not-found");
    }
}
