//! What a plugin with the grant may look at: the destination's tags, with the credentials of the push.

use windlass_core::ExitCode;
use windlass_e2e::{DockerRegistry, Proxy, Workspace};

use crate::plugin_author::{build_example, step_to};

/// A step for a registry that wants a password, and configurations with and without the grant for a plugin.
fn workspace(host: &str, plugin: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    workspace.write("step.yaml", step_to(host));
    workspace.write("granted.toml", format!("[grants]\n{plugin} = [\"registry-view\"]\n"));
    workspace.write("closed.toml", "");
    workspace
}

const PASSWORD: [&str; 4] = ["--set", "push-credentials.username=ci", "--set", "push-credentials.password=canary-look-6e1f"];

#[test]
fn a_tag_policy_with_the_grant_sees_the_tags_that_are_there() {
    let registry = DockerRegistry::with_login("ci", "canary-look-6e1f");
    let workspace = workspace(registry.host(), "guest-tagger");
    let plugin = build_example("windlass-test-guests", "guest_tagger").display().to_string();
    let run = |command: &str, configuration: &str, mode: &str| {
        let run = workspace.windlass([command, "step.yaml", "--config", configuration, "--tag-policy", &plugin]);
        run.args(["--set", &format!("guest-tagger.mode={mode}")]).args(PASSWORD).run()
    };
    // Nothing is there yet: a repository that does not exist has no tags, so the default is taken.
    let plan = run("plan", "granted.toml", "registry").succeeds().all();
    assert!(plan.contains("latest") && !plan.contains("not-granted") && !plan.contains("unreachable"), "{plan}");
    workspace.windlass(["run", "step.yaml", "--set", "step.tags=one,two"]).args(PASSWORD).run().succeeds();
    let plan = run("plan", "granted.toml", "registry").succeeds().all();
    assert!(plan.contains("one") && plan.contains("two"), "{plan}");
    let plan = run("plan", "closed.toml", "registry").succeeds().all();
    assert!(plan.contains("not-granted"), "{plan}");
}

#[test]
fn a_policy_with_the_grant_sees_each_destination() {
    let registry = DockerRegistry::with_login("ci", "canary-look-6e1f");
    let workspace = workspace(registry.host(), "guest-policy");
    let plugin = build_example("windlass-test-guests", "guest_policy").display().to_string();
    workspace.windlass(["run", "step.yaml"]).args(PASSWORD).run().succeeds();
    let run = |configuration: &str| {
        let run = workspace.windlass(["run", "step.yaml", "--config", configuration, "--policy", &plugin]);
        run.args(["--set", "guest-policy.path=/Dockerfile"]).args(PASSWORD).run().succeeds().all()
    };
    let granted = run("granted.toml");
    assert!(granted.contains("Some(Ok(Some(\"sha256:"), "{granted}");
    let closed = run("closed.toml");
    assert!(closed.contains("[\"latest\"] None"), "{closed}");
}

/// The look and the push share one client: the registry asks once who it is.
#[test]
fn a_policys_look_and_the_push_log_in_once() {
    let registry = DockerRegistry::with_login("ci", "canary-look-6e1f");
    let proxy = Proxy::before(registry.host(), |_| None);
    let workspace = workspace(proxy.host(), "guest-policy");
    let plugin = build_example("windlass-test-guests", "guest_policy").display().to_string();
    let run = workspace.windlass(["run", "step.yaml", "--config", "granted.toml", "--policy", &plugin]);
    run.args(["--set", "guest-policy.path=/Dockerfile"]).args(PASSWORD).run().succeeds();
    let seen = proxy.seen();
    let strangers: Vec<_> = seen.iter().filter(|request| request.header("authorization").is_none()).collect();
    assert!(seen.iter().any(|request| request.target.contains("/manifests/latest")), "{seen:?}");
    assert_eq!(strangers.len(), 1, "{strangers:?}");
}

#[test]
fn a_plan_that_needs_a_look_tells_why_there_is_none() {
    let registry = DockerRegistry::with_login("ci", "canary-look-6e1f");
    let workspace = workspace(registry.host(), "guest-tagger");
    let plugin = build_example("windlass-test-guests", "guest_tagger").display().to_string();
    let run = workspace.windlass(["plan", "step.yaml", "--config", "granted.toml", "--tag-policy", &plugin]);
    // The guest makes a tag of the refusal.
    let plan = run.args(["--set", "guest-tagger.mode=registry"]).run().succeeds().all();
    assert!(plan.contains("app:unreachable"), "{plan}");
    // Half a pair of credentials is told before anybody is asked.
    let run = workspace.windlass(["plan", "step.yaml", "--config", "granted.toml", "--tag-policy", &plugin]);
    let run = run.args(["--set", "guest-tagger.mode=registry", "--set", "push-credentials.username=ci"]).run();
    run.fails_with(ExitCode::Credentials);
}
