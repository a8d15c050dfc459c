//! What the plugin is called, takes and asks for.

use windlass_plugin_sdk::{Description, Grant, Setting};

pub(crate) const DIRECTORY: &str = "directory";
pub(crate) const REGISTRY: &str = "registry";

pub(crate) fn description() -> Description {
    Description::new("acr", env!("CARGO_PKG_VERSION"), "pushes to Azure's Container Registry")
        .setting(
            Setting::text("repository", "The image name; the registry's host in front of it does no harm.")
                .alias("repo")
                .required(),
        )
        .setting(Setting::text("registry", "The registry's host, such as team.azurecr.io; or its name alone."))
        .setting(Setting::text("client-id", "The application (client) id of the service principal or managed identity."))
        .setting(Setting::secret("client-secret", "The secret of the service principal."))
        .setting(Setting::text("tenant-id", "The directory (tenant) that the identity belongs to; for `oidc-token`."))
        .setting(Setting::secret("oidc-token", "An OpenID Connect token that the identity trusts."))
        .grant(
            Grant::endpoint(DIRECTORY, "https://login.microsoftonline.com", "to exchange an OpenID Connect token")
                .readable("/error_description"),
        )
        .grant(
            Grant::endpoint(REGISTRY, "https://{registry}", "to exchange the directory's token for one of the registry's")
                .readable("/errors/0/message"),
        )
}
