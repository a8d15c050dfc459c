//! The image's page in the AWS console.

use windlass_plugin_sdk::registry_adapter::{Destination, Link};

use crate::host::is_china;
use crate::resolve::{ACCOUNT, REGION};

/// The link, when account and region are known.
pub(crate) fn console(destination: &Destination, digest: &str) -> Option<Link> {
    let attribute = |name: &str| destination.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (region, account) = (attribute(REGION)?, attribute(ACCOUNT)?);
    let domain = if is_china(region) { "console.amazonaws.cn" } else { "console.aws.amazon.com" };
    let repository = &destination.repository;
    let url = format!(
        "https://{region}.{domain}/ecr/repositories/private/{account}/{repository}/_/image/{digest}/details?region={region}"
    );
    Some(Link { title: "AWS console".to_owned(), url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(region: &str) -> String {
        let attributes = vec![(REGION.to_owned(), region.to_owned()), (ACCOUNT.to_owned(), "123456789012".to_owned())];
        let destination =
            Destination { registry: "h".to_owned(), repository: "team/app".to_owned(), kind: "ECR".to_owned(), attributes };
        console(&destination, "sha256:00").unwrap().url
    }

    #[test]
    fn the_link_leads_to_the_image_in_its_region() {
        assert_eq!(
            link("eu-west-1"),
            "https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app/_/image/sha256:00/details?region=eu-west-1"
        );
        assert!(link("cn-north-1").starts_with("https://cn-north-1.console.amazonaws.cn/"));
    }
}
