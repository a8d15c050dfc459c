//! What a failed AWS call means, in the words of a user.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::{AwsError, Destination};

/// The finding for a call that failed while trying to do `what`.
pub(crate) fn explain(what: &str, destination: &Destination, error: &AwsError) -> Vec<Finding> {
    let name = &destination.repository;
    let (rule, why, help) = match error {
        AwsError::NotFound(text) => ("not-found", text, "check region, account and image name, or set `create-repository`"),
        AwsError::Exists(text) => ("exists", text, "it was created by someone else at the same time; run the step again"),
        AwsError::Denied(text) => {
            ("denied", text, "the identity needs the permission that the message names; `assume-role` uses another one")
        }
        AwsError::Throttled(text) => ("throttled", text, "AWS takes fewer calls than were made; run the step again later"),
        AwsError::NoCredentials(text) => {
            ("credentials", text, "give `access-key` and `secret-key`, or run where AWS gives an identity")
        }
        AwsError::Invalid(text) => ("invalid", text, "correct the value that the message names"),
        AwsError::Unreachable(text) => ("unreachable", text, "check `region`, and that the network lets calls to AWS through"),
        AwsError::NotGranted(text) => ("not-granted", text, "allow the plugin `ecr` to use aws-ecr"),
        AwsError::Other(text) => ("aws", text, "the message is AWS's own"),
    };
    let message = format!("could not {what} for {name}: {}", why.trim_end_matches('.'));
    vec![Finding::deny(&format!("ecr/{rule}"), message).about(destination.registry.clone()).help(help)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_where_and_why() {
        let destination =
            Destination { registry: "host".to_owned(), repository: "app".to_owned(), kind: "ECR".to_owned(), attributes: vec![] };
        let finding =
            &explain("create the repository", &destination, &AwsError::Denied("ecr:CreateRepository is not allowed.".to_owned()))
                [0];
        assert_eq!(finding.rule, "ecr/denied");
        assert_eq!(finding.message, "could not create the repository for app: ecr:CreateRepository is not allowed");
        assert!(finding.help.is_some());
    }
}
