//! Google's and Azure's registries, by the variables of the plugins that are replaced.

use windlass_core::ExitCode;
use windlass_e2e::{DockerRegistry, Run, Workspace};

const KEY: &str = r#"{"type":"service_account","private_key":"canary"}"#;

/// Runs `--from-env KIND` with these variables, the registry `host` being `registry`.
fn run(kind: &str, registry: &DockerRegistry, host: &str, variables: &[(&str, &str)]) -> Run {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = workspace.windlass(["run", "--from-env", kind]).envs(variables).env("PLUGIN_TAGS", "1,2");
    run.map(host, &registry.url()).run()
}

#[test]
fn a_service_account_pushes_to_artifact_registry() {
    let registry = DockerRegistry::with_login("_json_key", KEY);
    let variables = [("PLUGIN_LOCATION", "europe"), ("PLUGIN_REPO", "project/team/app"), ("PLUGIN_JSON_KEY", KEY)];
    let done = run("gar", &registry, "europe-docker.pkg.dev", &variables).succeeds();
    assert_eq!(registry.tags("project/team/app"), ["1", "2"]);
    done.says("console.cloud.google.com").never_says("canary");
}

#[test]
fn a_token_pushes_to_container_registry() {
    let registry = DockerRegistry::with_login("oauth2accesstoken", "a token");
    let variables = [("PLUGIN_REGISTRY", "eu.gcr.io/project"), ("PLUGIN_REPO", "app"), ("ACCESS_TOKEN", "a token")];
    run("gcr", &registry, "eu.gcr.io", &variables).succeeds();
    assert_eq!(registry.tags("project/app"), ["1", "2"]);
}

#[test]
fn a_service_principal_pushes_to_azure() {
    let registry = DockerRegistry::with_login("app-id", "app secret");
    let variables = [("PLUGIN_REPO", "team.azurecr.io/app"), ("CLIENT_ID", "app-id"), ("CLIENT_SECRET", "app secret")];
    run("acr", &registry, "team.azurecr.io", &variables).succeeds().never_says("app secret");
    assert_eq!(registry.tags("app"), ["1", "2"]);
    let half = [("PLUGIN_REPO", "team.azurecr.io/app"), ("CLIENT_SECRET", "app secret")];
    run("acr", &registry, "team.azurecr.io", &half).fails_with(ExitCode::Credentials).says("client-id");
}
