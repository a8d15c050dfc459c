//! What the helper program `docker-credential-ecr-login` does, without the program.

use super::{AwsError, EcrOptions, EcrSession};
use crate::environment::Environment;
use crate::keychain::Credential;

/// The ends of the host names of private ECR registries. A token goes to no other host.
const SUFFIXES: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "on.aws", "on.amazonwebservices.com.cn"];

/// The host of a private ECR registry, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    account: String,
    region: String,
}

impl Host {
    /// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com` and the forms for other partitions, FIPS and dual stack.
    pub(crate) fn parse(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once(".dkr.").or_else(|| host.split_once(".dkr-"))?;
        let rest = rest.strip_prefix("ecr-fips.").or_else(|| rest.strip_prefix("ecr."))?;
        let (region, suffix) = rest.split_once('.')?;
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (account.bytes().all(|b| b.is_ascii_digit()) && fits(account) && fits(region) && SUFFIXES.contains(&suffix))
            .then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }
}

/// Logs in to the registry at `host` with the identity that `environment` leads to.
pub(crate) async fn log_in(host: &Host, environment: &Environment) -> Result<Credential, AwsError> {
    let options = EcrOptions { region: Some(host.region.clone()), ..EcrOptions::default() };
    let session = EcrSession::open(options, environment.clone()).await?;
    let mut authorizations = session.authorize(std::slice::from_ref(&host.account)).await?;
    let authorization = authorizations.swap_remove(0);
    Ok(Credential::Basic { username: authorization.username, password: authorization.password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_private_registries_are_told_from_others() {
        let host = |account: &str, region: &str| Some(Host { account: account.to_owned(), region: region.to_owned() });
        assert_eq!(Host::parse("123456789012.dkr.ecr.eu-west-1.amazonaws.com"), host("123456789012", "eu-west-1"));
        assert_eq!(Host::parse("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com"), host("123456789012", "us-gov-west-1"));
        assert_eq!(Host::parse("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"), host("123456789012", "cn-north-1"));
        assert_eq!(Host::parse("123456789012.dkr-ecr.eu-west-1.on.aws"), host("123456789012", "eu-west-1"));
        for other in [
            "public.ecr.aws",
            "x.dkr.ecr.eu-west-1.amazonaws.com",
            "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "1.dkr.ecr..amazonaws.com",
            ".dkr.ecr.eu-west-1.amazonaws.com",
            "docker.io",
        ] {
            assert_eq!(Host::parse(other), None, "{other}");
        }
    }
}
