//! What the plugin is called, takes and asks for.

use windlass_plugin_sdk::{Description, Grant, Setting};

pub(crate) const TOKEN_SERVICE: &str = "token-service";
pub(crate) const IDENTITY_SERVICE: &str = "identity-service";

pub(crate) fn description() -> Description {
    Description::new("gar", env!("CARGO_PKG_VERSION"), "pushes to Google's Artifact Registry and Container Registry")
        .setting(
            Setting::text("repository", "The image name; registry and project in front of it do no harm.")
                .alias("repo")
                .required(),
        )
        .setting(Setting::text(
            "registry",
            "The registry's host, with the project and repository that the image name does not have, such as \
             europe-docker.pkg.dev/project/repository.",
        ))
        .setting(Setting::text("location", "The location, in place of `registry`: LOCATION-docker.pkg.dev."))
        .setting(Setting::secret("json-key", "The key of a service account, as the JSON text that Google gives out."))
        .setting(Setting::secret("access-token", "An OAuth token that someone else has fetched."))
        .setting(Setting::secret("oidc-token", "An OpenID Connect token, exchanged by workload identity federation."))
        .setting(Setting::text("project-number", "The number of the project that has the workload identity pool."))
        .setting(Setting::text("pool-id", "The workload identity pool."))
        .setting(Setting::text("provider-id", "The provider in the pool."))
        .setting(Setting::text("service-account", "The email address of the service account that pushes."))
        .grant(
            Grant::endpoint(TOKEN_SERVICE, "https://sts.googleapis.com", "to exchange an OpenID Connect token")
                .readable("/error_description"),
        )
        .grant(
            Grant::endpoint(IDENTITY_SERVICE, "https://iamcredentials.googleapis.com", "to act as the service account")
                .readable("/error/message"),
        )
}
