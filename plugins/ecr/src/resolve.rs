//! Where the image goes: the registry's host and the repository's path.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::core::Repository;
use windlass_plugin_sdk::registry_adapter::Destination;

use crate::host::{Host, PUBLIC, is_account, is_region};

/// The settings that say where the image goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Location {
    pub(crate) region: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) registry: Option<String>,
    pub(crate) repository: String,
}

/// The attributes under which later calls find region and account again.
pub(crate) const REGION: &str = "region";
pub(crate) const ACCOUNT: &str = "account";

/// The destination, and what is worth a warning. All problems are told at once.
pub(crate) fn resolve(location: &Location) -> Result<(Destination, Vec<String>), Vec<Finding>> {
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    let (named, path) = repository(&location.repository);
    let given = location.registry.as_deref().map(strip).filter(|registry| !registry.is_empty());
    let registry = match (given, named) {
        (Some(given), Some(named)) if given != named => {
            findings.push(other_registry(&given, &named));
            Some(given)
        }
        (given, named) => given.or(named),
    };
    let account = account(location, &mut findings, &mut warnings);
    let region = region(location, &mut findings);
    if registry.as_deref().is_some_and(|registry| registry == PUBLIC || registry.starts_with("public.ecr.")) {
        findings.push(public());
        return Err(findings);
    }
    let host = registry.as_deref().and_then(Host::parse);
    let region = match (host.as_ref(), region) {
        (Some(host), Some(region)) if host.region != region => {
            warnings.push(format!("the region is {}, as the registry's host says, not {region}", host.region));
            Some(host.region.clone())
        }
        (host, region) => region.or_else(|| host.map(|host| host.region.clone())),
    };
    let account = match (host.as_ref(), account) {
        (Some(host), Some(account)) if host.account != account => {
            findings.push(other_account(&host.account, &account));
            None
        }
        (host, account) => account.or_else(|| host.map(|host| host.account.clone())),
    };
    let registry = registry.or_else(|| Some(Host { account: account.clone()?, region: region.clone()? }.name()));
    missing(location, registry.as_deref(), region.as_deref(), &mut findings);
    let (Some(registry), Some(region), true) = (registry, region, findings.is_empty()) else { return Err(findings) };
    let repository = Repository::new(&registry, &path)
        .map_err(|error| Finding::deny("ecr/repository", error.to_string()).about("repository"))?;
    let attributes = std::iter::once((REGION.to_owned(), region)).chain(account.map(|account| (ACCOUNT.to_owned(), account)));
    let destination = Destination {
        registry: repository.registry().to_owned(),
        repository: repository.path().to_owned(),
        kind: "ECR".to_owned(),
        attributes: attributes.collect(),
    };
    Ok((destination, warnings))
}

/// Takes the host off the front of a repository, where one stands there.
fn repository(text: &str) -> (Option<String>, String) {
    let text = strip(text);
    let text = text.trim_start_matches('/');
    match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) => {
            // A host that was put in front twice comes off twice.
            let rest = rest.strip_prefix(first).and_then(|rest| rest.strip_prefix('/')).unwrap_or(rest);
            (Some(first.to_owned()), rest.to_owned())
        }
        _ => (None, text.to_owned()),
    }
}

fn strip(address: &str) -> String {
    let address = address.trim();
    let address = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    address.trim_end_matches('/').to_owned()
}

fn account(location: &Location, findings: &mut Vec<Finding>, warnings: &mut Vec<String>) -> Option<String> {
    let account = location.account.as_deref().map(str::trim).filter(|account| !account.is_empty())?;
    if !is_account(account) {
        let finding =
            Finding::deny("ecr/account", format!("`{account}` is not an AWS account: it is 12 digits")).about("account");
        findings.push(finding);
    } else if account.len() < 12 {
        let digits = account.len();
        warnings.push(format!(
            "account {account} has {digits} digits, but AWS accounts have 12; an unquoted number in YAML loses its leading zeros"
        ));
    }
    Some(account.to_owned())
}

fn region(location: &Location, findings: &mut Vec<Finding>) -> Option<String> {
    let region = location.region.as_deref().map(str::trim).filter(|region| !region.is_empty())?;
    if !is_region(region) {
        let finding = Finding::deny("ecr/region", format!("`{region}` is not an AWS region"));
        findings.push(finding.about("region").help("regions are named like eu-west-1"));
    }
    Some(region.to_owned())
}

fn missing(location: &Location, registry: Option<&str>, region: Option<&str>, findings: &mut Vec<Finding>) {
    let mut add =
        |subject: &str, message: &str, help: &str| findings.push(Finding::deny("ecr/missing", message).about(subject).help(help));
    if location.repository.trim().is_empty() {
        add("repository", "`repository` is missing", "set it to the image name");
    }
    if region.is_none() {
        add("region", "`region` is missing, and the registry's host does not name it", "set it to a region such as eu-west-1");
    }
    if registry.is_none() && location.account.is_none() {
        add(
            "account",
            "neither `account` nor `registry` says whose registry it is",
            "set `account` to the AWS account's 12 digits",
        );
    }
}

fn other_registry(given: &str, named: &str) -> Finding {
    let message = format!("the image name begins with {named}, but the registry is {given}");
    Finding::deny("ecr/registry", message).about("repository").help("leave one of the two hosts out")
}

fn other_account(host: &str, account: &str) -> Finding {
    let message = format!("the registry belongs to account {host}, but the account is {account}");
    Finding::deny("ecr/account", message).about("account").help("leave `account` out, or correct one of them")
}

fn public() -> Finding {
    let finding =
        Finding::deny("ecr/public", format!("{PUBLIC} is Amazon's public registry, which this adapter does not push to"));
    finding.about("registry").help("use the adapter `docker-registry` with the user AWS and the output of `aws ecr-public get-login-password --region us-east-1`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

    fn location(region: &str, account: &str, registry: &str, repository: &str) -> Location {
        let option = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Location {
            region: option(region),
            account: option(account),
            registry: option(registry),
            repository: repository.to_owned(),
        }
    }

    fn show(region: &str, account: &str, registry: &str, repository: &str) -> String {
        match resolve(&location(region, account, registry, repository)) {
            Ok((destination, _)) => format!("{}/{}", destination.registry, destination.repository),
            Err(findings) => findings
                .iter()
                .map(|f| format!("{}: {}", f.subject.as_deref().unwrap_or(""), f.message))
                .collect::<Vec<_>>()
                .join("; "),
        }
    }

    #[test]
    fn account_and_region_make_the_host() {
        assert_eq!(show("us-east-1", "123456789012", "", "app"), format!("{HOST}/app"));
        assert_eq!(show("cn-north-1", "123456789012", "", "/a/b"), "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b");
    }

    #[test]
    fn a_host_in_front_of_the_name_is_not_put_there_again() {
        for repository in [format!("{HOST}/app"), format!("https://{HOST}/app"), format!("{HOST}/{HOST}/app")] {
            assert_eq!(show("us-east-1", "123456789012", "", &repository), format!("{HOST}/app"), "{repository}");
            assert_eq!(show("", "", HOST, &repository), format!("{HOST}/app"), "{repository}");
            assert_eq!(show("", "", "", &repository), format!("{HOST}/app"), "{repository}");
        }
    }

    #[test]
    fn a_host_that_is_not_amazons_may_stand_in_for_it() {
        assert_eq!(show("eu-west-1", "123456789012", "http://localhost:5000/", "app"), "localhost:5000/app");
        assert!(show("", "", "registry.example.com", "app").contains("region: `region` is missing"));
    }

    #[test]
    fn the_registrys_region_holds_with_a_warning() {
        let (destination, warnings) = resolve(&location("eu-west-1", "", HOST, "app")).unwrap();
        assert_eq!(
            destination.attributes,
            [(REGION.to_owned(), "us-east-1".to_owned()), (ACCOUNT.to_owned(), "123456789012".to_owned())]
        );
        assert!(warnings[0].contains("us-east-1") && warnings[0].contains("not eu-west-1"), "{warnings:?}");
    }

    #[test]
    fn a_short_account_passes_with_a_warning_and_a_wrong_one_does_not() {
        let (destination, warnings) = resolve(&location("us-east-1", "12345", "", "test-image")).unwrap();
        assert_eq!(destination.registry, "12345.dkr.ecr.us-east-1.amazonaws.com");
        assert!(warnings[0].contains("12345 has 5 digits"), "{warnings:?}");
        assert!(show("us-east-1", "YOUR_ACCOUNT", "", "app").contains("is not an AWS account"));
        assert!(show("us-east-1", "1234567890123", "", "app").contains("is not an AWS account"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        assert_eq!(
            show("", "", "", ""),
            "repository: `repository` is missing; region: `region` is missing, and the registry's host does not name it; \
             account: neither `account` nor `registry` says whose registry it is"
        );
        let told = show("east", "me", "", "app");
        assert!(told.contains("account: `me`") && told.contains("region: `east`"), "{told}");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(show("", "", HOST, "999999999999.dkr.ecr.us-east-1.amazonaws.com/app").contains("begins with 999999999999"));
        assert!(show("us-east-1", "999999999999", HOST, "app").contains("belongs to account 123456789012"));
        assert!(show("us-east-1", "", "public.ecr.aws", "a/app").contains("public registry"));
        assert!(show("us-east-1", "", "", "public.ecr.aws/a/app").contains("public registry"));
    }

    #[test]
    fn an_illegal_name_says_what_is_wrong_with_it() {
        assert!(show("us-east-1", "123456789012", "", "Team/App").contains("`team/app`"));
        assert!(show("us-east-1", "123456789012", "", "app:1.0").contains("not an image name"));
    }
}
