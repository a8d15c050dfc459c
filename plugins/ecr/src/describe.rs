//! What the plugin says about itself.

use windlass_plugin_sdk::{Description, Grant, Setting};

pub(crate) fn description() -> Description {
    Description::new("ecr", env!("CARGO_PKG_VERSION"), "pushes to Amazon ECR, and creates and sets up repositories there")
        .settings(location())
        .settings(identity())
        .settings(repository())
        .grant(Grant::aws_ecr("to get a registry password, and to create and set up the repository when that is wanted"))
}

fn location() -> [Setting; 4] {
    [
        Setting::text("repository", "The repository's name; the registry's host in front of it does no harm.")
            .alias("repo")
            .required(),
        Setting::text("region", "The AWS region, such as eu-west-1. Needed unless `registry` or `repository` names an ECR host."),
        Setting::text("account", "The AWS account's 12 digits. With the region they make the registry's host."),
        Setting::text("registry", "The registry's host, in place of the one that account and region make."),
    ]
}

fn identity() -> [Setting; 6] {
    [
        Setting::secret("access-key", "The id of an AWS access key. Without it, the identity of the environment is used."),
        Setting::secret("secret-key", "The secret of the access key."),
        Setting::secret("session-token", "The session token of a temporary access key."),
        Setting::text("assume-role", "The ARN of a role to assume.").alias("user-role-arn"),
        Setting::text("external-id", "The external id that the role asks for."),
        Setting::secret("oidc-token", "An OpenID Connect token with which the role is assumed.").alias("oidc-token-id"),
    ]
}

fn repository() -> [Setting; 4] {
    [
        Setting::flag("create-repository", "Whether a missing repository is created before the push.").default("false"),
        Setting::flag(
            "scan-on-push",
            "Switches the scan of pushed images on or off; the repository keeps its setting when this is not given.",
        ),
        Setting::text("lifecycle-policy", "The lifecycle policy to set, a JSON text. Steps name a file, which is read for them."),
        Setting::text("repository-policy", "The access policy to set, a JSON text. Steps name a file, which is read for them."),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/plugins-first-party.md");
        let settings = super::description().settings;
        assert!(settings.iter().all(|setting| page.contains(&format!("`{}`", setting.name))));
    }
}
