//! The host names of Amazon's private registries.

/// The host of a private registry, taken apart: `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, with `-fips` behind `ecr` for
/// the endpoints of that kind, and with `.cn` behind for the regions of China.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) account: String,
    pub(crate) region: String,
}

/// What stands in front of images in Amazon's public registry.
pub(crate) const PUBLIC: &str = "public.ecr.aws";

impl Host {
    /// Reads a host name.
    pub(crate) fn parse(host: &str) -> Option<Self> {
        let rest = host.strip_suffix(".amazonaws.com.cn").or_else(|| host.strip_suffix(".amazonaws.com"))?;
        let (account, rest) = rest.split_once(".dkr.")?;
        let region = rest.strip_prefix("ecr.").or_else(|| rest.strip_prefix("ecr-fips."))?;
        (is_account(account) && is_region(region)).then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }

    /// The host name.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}.dkr.ecr.{}.{}",
            self.account,
            self.region,
            if is_china(&self.region) { "amazonaws.com.cn" } else { "amazonaws.com" }
        )
    }
}

/// Whether a region belongs to AWS China, whose names end otherwise.
pub(crate) fn is_china(region: &str) -> bool {
    region.starts_with("cn-")
}

/// Whether a text can be an account's number; a real one has 12 digits.
pub(crate) fn is_account(text: &str) -> bool {
    !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text can be a region's name, such as `eu-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 30 && text.split('-').count() >= 3 && text.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(account: &str, region: &str) -> Host {
        Host { account: account.to_owned(), region: region.to_owned() }
    }

    #[test]
    fn names_are_made_and_read_back() {
        for (host, name) in [
            (host("123456789012", "us-east-1"), "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
            (host("123456789012", "cn-north-1"), "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"),
            (host("12345", "us-gov-west-1"), "12345.dkr.ecr.us-gov-west-1.amazonaws.com"),
        ] {
            assert_eq!(host.name(), name);
            assert_eq!(Host::parse(name), Some(host));
        }
        let fips = "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com";
        assert_eq!(Host::parse(fips), Some(host("123456789012", "us-east-1")));
    }

    #[test]
    fn other_hosts_are_none_of_amazons() {
        for name in [
            "public.ecr.aws",
            "registry.example.com",
            "x.dkr.ecr.us-east-1.amazonaws.com",
            "1.dkr.ecr.amazonaws.com",
            "1.dkr.ecr.us-east-1.amazonaws.com.evil.example",
        ] {
            assert_eq!(Host::parse(name), None, "{name}");
        }
    }
}
