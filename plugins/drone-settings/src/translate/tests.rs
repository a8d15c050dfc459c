//! Variables in, settings out: the contract of the replaced plugins, and where their traps are mended.

use windlass_plugin_sdk::Severity;
use windlass_plugin_sdk::dialect::Value;

use super::*;
use crate::variables::Variant::{Docker, Ecr};

const REGISTRY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
const ECR: [(&str, &str); 2] = [("PLUGIN_REGISTRY", REGISTRY), ("PLUGIN_REPO", "app")];

/// Secrets are written as `<secret>` here.
fn run(variant: &Variant, variables: &[(&str, &str)]) -> Translation {
    let given = |text: &str| if text == "<secret>" { Given::Secret } else { Given::Text(text.to_owned()) };
    let inputs: Vec<Input> = variables.iter().map(|(name, text)| Input::variable(name, given(text))).collect();
    translate(variant, &inputs)
}

fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Texts(texts) => texts.join("|"),
        Value::Pairs(pairs) => pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("|"),
        Value::SecretOf(name) => format!("secret {name}"),
        Value::File(path) => format!("file {path}"),
        Value::Other(name) => panic!("{name}"),
    }
}

/// The value of the setting `owner.name`; empty when it is not set.
fn setting(made: &Translation, name: &str) -> String {
    let owner = |target: &Target| match target {
        Target::Step => "step".to_owned(),
        Target::Adapter => "adapter".to_owned(),
        Target::TagPolicy(policy) => policy.clone(),
        Target::PushCredentials => "push".to_owned(),
        Target::BaseImageCredentials => "base".to_owned(),
        other => panic!("{other:?}"),
    };
    let values: Vec<String> =
        made.assignments.iter().filter(|a| format!("{}.{}", owner(&a.target), a.name) == name).map(|a| show(&a.value)).collect();
    assert!(values.len() < 2, "{name} is set twice: {values:?}");
    values.into_iter().next().unwrap_or_default()
}

fn told(made: &Translation) -> Vec<String> {
    made.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.subject.as_deref().unwrap_or_default())).collect()
}

fn verdict<'a>(made: &'a Translation, name: &str) -> &'a Verdict {
    &made.outcomes.iter().find(|outcome| outcome.name == name).unwrap().verdict
}

fn ignored(made: &Translation, name: &str) -> String {
    match verdict(made, name) {
        Verdict::Ignored(reason) => reason.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

fn docker(variables: &[(&str, &str)]) -> Translation {
    run(&Docker, &[&[("PLUGIN_REPO", "team/app")], variables].concat())
}

#[test]
fn the_smallest_ecr_step_names_its_adapter_and_reads_the_tags_file() {
    let made = run(&Ecr, &ECR);
    assert_eq!(made.adapter.as_deref(), Some("ecr"));
    assert_eq!(setting(&made, "adapter.registry"), REGISTRY);
    assert_eq!(setting(&made, "adapter.repository"), "app");
    assert_eq!(setting(&made, "step.tags"), "file .tags");
    assert!(made.findings.is_empty() && made.tag_policies.is_empty(), "{:?}", made.findings);
}

#[test]
fn every_variable_has_exactly_one_outcome() {
    let variables: Vec<(&str, &str)> = variables::all().flat_map(|variable| variable.names).map(|name| (*name, "true")).collect();
    for variant in [Ecr, Docker, Variant::Google, Variant::Azure] {
        let made = run(&variant, &variables);
        for (name, _) in &variables {
            assert_eq!(made.outcomes.iter().filter(|outcome| outcome.name == *name).count(), 1, "{name}");
            assert!(!matches!(verdict(&made, name), Verdict::Unknown(_)), "{name}");
        }
    }
}

#[test]
fn one_to_one_settings_keep_their_values() {
    for (variable, text, name, value) in [
        ("PLUGIN_DOCKERFILE", "docker/Dockerfile", "step.dockerfile", "docker/Dockerfile"),
        ("PLUGIN_TARGET", "dev", "step.target", "dev"),
        ("PLUGIN_PLATFORM", "linux/arm64", "step.platforms", "linux/arm64"),
        ("PLUGIN_CUSTOM_PLATFORM", "linux/amd64,linux/arm64", "step.platforms", "linux/amd64|linux/arm64"),
        ("PLUGIN_BUILD_ARGS_FROM_ENV", "A, B", "step.build-args-from-env", "A|B"),
        ("PLUGIN_CUSTOM_DNS", "1.1.1.1,9.9.9.9", "step.custom-dns", "1.1.1.1|9.9.9.9"),
        ("PLUGIN_ADD_HOST", "db:10.0.0.1", "step.add-hosts", "db:10.0.0.1"),
        ("PLUGIN_SECRETS_FROM_ENV", "token=TOKEN", "step.build-secrets-from-env", "token=TOKEN"),
        ("PLUGIN_SECRET", "id=x,src=y", "step.build-secret", "id=x,src=y"),
        ("PLUGIN_SSH_AGENT_KEY", "<secret>", "step.ssh-key", "secret PLUGIN_SSH_AGENT_KEY"),
        ("PLUGIN_TAR_PATH", "out.tar", "step.tar-path", "out.tar"),
        ("PLUGIN_DESTINATION_TAR_PATH", "out.tar", "step.tar-path", "out.tar"),
        ("PLUGIN_ARTIFACT_FILE", "a.json", "step.artifact-file", "a.json"),
        ("DRONE_OUTPUT", "out.env", "step.output-file", "out.env"),
        ("PLUGIN_PUSH_RETRY", "3", "step.push-retry", "3"),
        ("PLUGIN_IMAGE_DOWNLOAD_RETRY", "2", "step.pull-retry", "2"),
        ("PLUGIN_CACHE_TTL", "24", "step.cache-ttl-hours", "24"),
        ("PLUGIN_REPRODUCIBLE", "true", "step.reproducible", "true"),
        ("PLUGIN_SINGLE_SNAPSHOT", "T", "step.single-layer", "true"),
        ("PLUGIN_PULL_IMAGE", "false", "step.pull", "false"),
        ("PLUGIN_REGISTRY_CERTIFICATE", "r.example=/ca.pem", "step.registry-certificates", "r.example=/ca.pem"),
        ("PLUGIN_REGISTRY_CLIENT_CERT", "r.example=/c.pem,/k.pem", "step.registry-client-certs", "r.example=/c.pem,/k.pem"),
        ("PLUGIN_CACHE_FROM", "type=registry,ref=a/b", "step.cache-from", "type=registry,ref=a/b"),
        ("PLUGIN_CACHE_TO", "type=local,dest=x;type=inline", "step.cache-to", "type=local,dest=x|type=inline"),
        ("PLUGIN_SKIP_PUSH_IF_TAG_EXISTS", "1", "step.skip-push-if-tag-exists", "true"),
        ("PLUGIN_ENV_FILE", "x.env", "step.env-file", "x.env"),
    ] {
        for variant in [Docker, Ecr] {
            let made = run(&variant, &[&ECR[..], &[(variable, text)]].concat());
            assert_eq!(setting(&made, name), value, "{variable}");
            assert_eq!(*verdict(&made, variable), Verdict::Used, "{variable}");
        }
    }
}

#[test]
fn flags_and_numbers_are_strict_and_all_mistakes_are_told_at_once() {
    let made = docker(&[("PLUGIN_NO_PUSH", "yes"), ("PLUGIN_PUSH_RETRY", "-1"), ("PLUGIN_REPRODUCIBLE", "on")]);
    let mut rules = told(&made);
    rules.sort();
    assert_eq!(
        rules,
        ["settings/value PLUGIN_NO_PUSH", "settings/value PLUGIN_PUSH_RETRY", "settings/value PLUGIN_REPRODUCIBLE"]
    );
    let message = &made.findings.iter().find(|f| f.subject.as_deref() == Some("PLUGIN_NO_PUSH")).unwrap().message;
    assert_eq!(
        message,
        "`PLUGIN_NO_PUSH` must be true or false (1, t, T, TRUE, True, 0, f, F, FALSE and False are taken as well), not `yes`"
    );
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let made = docker(&[("PLUGIN_TAG", ""), ("PLUGIN_TAGS", "a"), ("PLUGIN_NO_PUSH", "")]);
    assert_eq!(setting(&made, "step.tags"), "a");
    assert!(ignored(&made, "PLUGIN_TAG").contains("empty"));
    assert!(made.findings.is_empty());
}

#[test]
fn the_first_name_of_a_variable_holds_and_the_other_is_told() {
    let made = docker(&[("PLUGIN_TAGS", "b"), ("PLUGIN_TAG", "a")]);
    assert_eq!(setting(&made, "step.tags"), "a");
    assert_eq!(ignored(&made, "PLUGIN_TAGS"), "`PLUGIN_TAG` is given, and comes first");
}

#[test]
fn one_wish_not_to_push_is_enough() {
    for variables in [
        &[("PLUGIN_DRY_RUN", "false"), ("PLUGIN_NO_PUSH", "true")][..],
        &[("PLUGIN_DRY_RUN", "true")],
        &[("KANIKO_NO_PUSH", "1")],
    ] {
        assert_eq!(setting(&docker(variables), "step.push"), "false", "{variables:?}");
    }
    assert_eq!(setting(&docker(&[("PLUGIN_NO_PUSH", "false")]), "step.push"), "");
}

#[test]
fn without_a_repository_only_a_build_is_possible() {
    let made = run(&Docker, &[("PLUGIN_NO_PUSH", "true"), ("PLUGIN_REGISTRY", "r.example")]);
    assert_eq!((made.adapter.as_deref(), told(&made).len()), (None, 0));
    assert!(ignored(&made, "PLUGIN_REGISTRY").contains("no destination"));
    assert_eq!(told(&run(&Ecr, &[])), ["settings/missing PLUGIN_REPO", "settings/missing PLUGIN_REGISTRY"]);
}

#[test]
fn an_ecr_registry_may_come_from_account_and_region_or_stand_in_the_repository() {
    let repository = format!("{REGISTRY}/app");
    assert!(told(&run(&Ecr, &[("PLUGIN_REPO", &repository)])).is_empty());
    let made = run(&Ecr, &[("PLUGIN_REPO", "app"), ("PLUGIN_ACCOUNT", "123456789012"), ("AWS_REGION", "us-east-1")]);
    assert!(told(&made).is_empty());
    assert_eq!(
        (setting(&made, "adapter.account").as_str(), setting(&made, "adapter.region").as_str()),
        ("123456789012", "us-east-1")
    );
}

#[test]
fn tags_are_split_and_auto_tag_becomes_a_policy() {
    let made = docker(&[("PLUGIN_TAGS", "1.0, 1.0.1 ,,latest")]);
    assert_eq!(setting(&made, "step.tags"), "1.0|1.0.1|latest");
    let made = docker(&[("PLUGIN_TAGS", "latest"), ("PLUGIN_AUTO_TAG", "true"), ("PLUGIN_AUTO_TAG_SUFFIX", "arm64")]);
    assert_eq!(made.tag_policies, ["auto-tag"]);
    assert_eq!((setting(&made, "step.tags").as_str(), setting(&made, "auto-tag.suffix").as_str()), ("latest", "arm64"));
    let made = docker(&[("PLUGIN_AUTO_TAG_SUFFIX", "arm64")]);
    assert!(made.tag_policies.is_empty() && ignored(&made, "PLUGIN_AUTO_TAG_SUFFIX").contains("not true"));
}

#[test]
fn expanded_tags_are_listed_once_and_do_not_go_with_auto_tag() {
    let made = docker(&[("PLUGIN_TAGS", "v1.2.3,1.2"), ("PLUGIN_EXPAND_TAG", "true")]);
    assert_eq!(setting(&made, "step.tags"), "1|1.2|1.2.3|1.2.0");
    let made = docker(&[("PLUGIN_AUTO_TAG", "true"), ("PLUGIN_EXPAND_TAG", "true")]);
    assert_eq!(told(&made), ["settings/conflict PLUGIN_EXPAND_TAG"]);
}

#[test]
fn build_arguments_with_commas_have_a_variable_of_their_own() {
    let made = docker(&[("PLUGIN_BUILD_ARGS_NEW", "FLAGS=-O2,-g; NAME=x;"), ("PLUGIN_BUILD_ARGS", "FLAGS=-O2,-g")]);
    assert_eq!(setting(&made, "step.build-args"), "FLAGS=-O2,-g|NAME=x");
    assert!(ignored(&made, "PLUGIN_BUILD_ARGS").contains("PLUGIN_BUILD_ARGS_NEW"));
    let made = docker(&[("PLUGIN_BUILD_ARGS_NEW", "A=1"), ("PLUGIN_BUILD_ARGS", "A=2"), ("PLUGIN_MULTIPLE_BUILD_ARGS", "false")]);
    assert_eq!(setting(&made, "step.build-args"), "A=2");
    let made = docker(&[("PLUGIN_BUILD_ARGS", "A=2"), ("PLUGIN_MULTIPLE_BUILD_ARGS", "true")]);
    assert_eq!(setting(&made, "step.build-args"), "A=2");
}

#[test]
fn a_build_argument_that_was_torn_apart_is_told() {
    let made = docker(&[("PLUGIN_BUILD_ARGS", "FLAGS=-O2,-g")]);
    assert_eq!(told(&made), ["build-args/value PLUGIN_BUILD_ARGS"]);
    assert!(
        made.findings[0].message.contains("`-g`") && made.findings[0].help.as_ref().unwrap().contains("PLUGIN_BUILD_ARGS_NEW")
    );
}

#[test]
fn a_bare_build_argument_takes_its_value_from_the_environment() {
    let made = docker(&[("PLUGIN_BUILD_ARGS", "TOKEN,A=1"), ("PLUGIN_BUILD_ARGS_FROM_ENV", "OTHER")]);
    assert_eq!(setting(&made, "step.build-args-from-env"), "TOKEN|OTHER");
    assert!(told(&made).is_empty());
    let made = docker(&[("PLUGIN_BUILD_ARGS", "A=1,TOKEN")]);
    assert_eq!(
        (told(&made), made.findings[0].severity.clone()),
        (vec!["build-args/from-environment PLUGIN_BUILD_ARGS".to_owned()], Severity::Warn)
    );
}

#[test]
fn labels_keep_their_commas_and_the_users_own_come_last() {
    let made = docker(&[
        ("PLUGIN_LABEL_SCHEMA", "url=https://a.example,vendor=me"),
        ("PLUGIN_CUSTOM_LABELS", "team=one, two,org.opencontainers.image.vendor=you"),
    ]);
    assert_eq!(
        setting(&made, "step.labels"),
        "org.opencontainers.image.url=https://a.example|team=one, two|org.opencontainers.image.vendor=you"
    );
    let made = docker(&[("PLUGIN_LABEL_SCHEMA", "vendor=me"), ("PLUGIN_AUTO_LABEL", "false")]);
    assert_eq!(setting(&made, "step.labels"), "");
    assert_eq!(ignored(&made, "PLUGIN_LABEL_SCHEMA"), "`PLUGIN_AUTO_LABEL` is false");
}

#[test]
fn the_cache_repository_gets_its_registry_once() {
    let cache = |repository: &str| {
        let made = run(&Ecr, &[&ECR[..], &[("PLUGIN_ENABLE_CACHE", "true"), ("PLUGIN_CACHE_REPO", repository)]].concat());
        (setting(&made, "step.cache"), setting(&made, "step.cache-repo"))
    };
    let full = format!("{REGISTRY}/test/cache");
    assert_eq!(cache("test/cache"), ("true".to_owned(), full.clone()));
    assert_eq!(cache(&full), ("true".to_owned(), full));
    assert_eq!(cache(""), ("true".to_owned(), String::new()));
    let made = docker(&[("PLUGIN_CACHE_REPO", "team/cache")]);
    assert_eq!(ignored(&made, "PLUGIN_CACHE_REPO"), "`PLUGIN_ENABLE_CACHE` is not true");
}

#[test]
fn certificates_are_left_unseen_in_every_variant() {
    for variant in [Docker, Ecr] {
        let made = run(&variant, &[&ECR[..], &[("PLUGIN_SKIP_TLS_VERIFY", "true")]].concat());
        assert_eq!(setting(&made, "step.skip-tls-verify"), "true");
        let made = run(&variant, &[&ECR[..], &[("PLUGIN_SKIP_TLS_VERIFY_REGISTRY", "true")]].concat());
        assert_eq!(setting(&made, "step.skip-tls-verify"), "true");
    }
}

#[test]
fn pushing_only_needs_one_image_and_permission_to_push() {
    let push_only = |more: &[(&str, &str)]| docker(&[&[("PLUGIN_PUSH_ONLY", "true")], more].concat());
    let made = push_only(&[("PLUGIN_SOURCE_TAR_PATH", "x.tar")]);
    assert_eq!((setting(&made, "step.push-only").as_str(), setting(&made, "step.source-tar-path").as_str()), ("true", "x.tar"));
    assert!(told(&made).is_empty());
    assert_eq!(told(&push_only(&[])), ["settings/missing PLUGIN_PUSH_ONLY"]);
    assert_eq!(
        told(&push_only(&[("PLUGIN_SOURCE_TAR_PATH", "x"), ("PLUGIN_DRY_RUN", "true")])),
        ["settings/conflict PLUGIN_PUSH_ONLY"]
    );
    assert!(ignored(&docker(&[("PLUGIN_SOURCE_TAR_PATH", "x")]), "PLUGIN_SOURCE_TAR_PATH").contains("PLUGIN_PUSH_ONLY"));
}

#[test]
fn push_credentials_are_whole_and_for_the_right_registry() {
    let made = docker(&[("PLUGIN_USERNAME", "me"), ("PLUGIN_PASSWORD", "<secret>"), ("ACCESS_TOKEN", "<secret>")]);
    assert_eq!(
        (setting(&made, "push.username").as_str(), setting(&made, "push.password").as_str()),
        ("me", "secret PLUGIN_PASSWORD")
    );
    assert_eq!(setting(&made, "push.access-token"), "");
    assert_eq!(setting(&docker(&[("ACCESS_TOKEN", "<secret>")]), "push.access-token"), "secret ACCESS_TOKEN");
    assert_eq!(told(&docker(&[("PLUGIN_USERNAME", "me")])), ["credentials/incomplete PLUGIN_PASSWORD"]);
    assert_eq!(told(&docker(&[("PLUGIN_PASSWORD", "<secret>")])), ["credentials/incomplete PLUGIN_USERNAME"]);
    let other = [
        ("PLUGIN_REPO", "ghcr.io/a/b"),
        ("PLUGIN_REGISTRY", "https://index.docker.io/v1/"),
        ("PLUGIN_USERNAME", "me"),
        ("PLUGIN_PASSWORD", "<secret>"),
    ];
    assert_eq!(told(&run(&Docker, &other)), ["credentials/other-registry PLUGIN_REPO"]);
    assert_eq!(setting(&docker(&[("PLUGIN_CONFIG", "<secret>")]), "push.docker-config"), "secret PLUGIN_CONFIG");
}

#[test]
fn in_the_ecr_step_user_and_password_are_for_base_images() {
    let credentials = [("PLUGIN_USERNAME", "me"), ("PLUGIN_PASSWORD", "<secret>")];
    let made = run(&Ecr, &[&ECR[..], &credentials, &[("PLUGIN_DOCKER_REGISTRY", "https://index.docker.io/v2/")]].concat());
    let base = ["registry", "username", "password"].map(|name| setting(&made, &format!("base.{name}")));
    assert_eq!(base, ["docker.io", "me", "secret PLUGIN_PASSWORD"]);
    assert_eq!((setting(&made, "push.username").as_str(), told(&made).len()), ("", 0));
    let made = run(&Ecr, &[&ECR[..], &credentials].concat());
    assert!(ignored(&made, "PLUGIN_USERNAME").contains("PLUGIN_DOCKER_REGISTRY"));
    assert!(told(&made).is_empty());
    let made = run(&Ecr, &[&ECR[..], &[("DOCKER_REGISTRY", "r.example")]].concat());
    assert_eq!(told(&made), ["credentials/incomplete PLUGIN_DOCKER_USERNAME", "credentials/incomplete PLUGIN_DOCKER_PASSWORD"]);
}

#[test]
fn aws_identities_are_whole_and_the_role_has_two_names() {
    let ecr = |more: &[(&str, &str)]| run(&Ecr, &[&ECR[..], more].concat());
    let made = ecr(&[("PLUGIN_ACCESS_KEY", "<secret>"), ("PLUGIN_SECRET_KEY", "<secret>"), ("PLUGIN_SESSION_TOKEN", "<secret>")]);
    assert_eq!(setting(&made, "adapter.session-token"), "secret PLUGIN_SESSION_TOKEN");
    assert_eq!(told(&ecr(&[("PLUGIN_ACCESS_KEY", "<secret>")])), ["credentials/incomplete PLUGIN_SECRET_KEY"]);
    for name in ["PLUGIN_ASSUME_ROLE", "PLUGIN_USER_ROLE_ARN"] {
        let made = ecr(&[(name, "arn:aws:iam::1:role/x"), ("PLUGIN_EXTERNAL_ID", "e"), ("PLUGIN_OIDC_TOKEN_ID", "<secret>")]);
        let role = ["assume-role", "external-id", "oidc-token"].map(|name| setting(&made, &format!("adapter.{name}")));
        assert_eq!(role, ["arn:aws:iam::1:role/x", "e", "secret PLUGIN_OIDC_TOKEN_ID"]);
    }
    assert!(ignored(&ecr(&[("PLUGIN_OIDC_TOKEN_ID", "<secret>")]), "PLUGIN_OIDC_TOKEN_ID").contains("PLUGIN_ASSUME_ROLE"));
}

#[test]
fn repository_settings_reach_the_adapter_and_policies_are_read_from_files() {
    let made = run(
        &Ecr,
        &[
            &ECR[..],
            &[("PLUGIN_CREATE_REPOSITORY", "true"), ("PLUGIN_SCAN_ON_PUSH", "false")],
            &[("PLUGIN_LIFECYCLE_POLICY", "policy.json"), ("PLUGIN_REPOSITORY_POLICY", "{\"Version\": 1}")],
        ]
        .concat(),
    );
    let values = ["create-repository", "scan-on-push", "lifecycle-policy", "repository-policy"]
        .map(|name| setting(&made, &format!("adapter.{name}")));
    assert_eq!(values, ["true", "false", "file policy.json", "{\"Version\": 1}"]);
    assert_eq!(told(&docker(&[("PLUGIN_CREATE_REPOSITORY", "true")])), ["settings/unsupported PLUGIN_CREATE_REPOSITORY"]);
}

#[test]
fn what_has_no_effect_says_why_in_words() {
    let made = docker(&[
        ("PLUGIN_SNAPSHOT_MODE", "redo"),
        ("PLUGIN_MTU", "1400"),
        ("PLUGIN_REGION", "eu-west-1"),
        ("PLUGIN_JSON_KEY", "<secret>"),
    ]);
    assert_eq!(ignored(&made, "PLUGIN_MTU"), "there is no docker daemon to set up");
    assert!(ignored(&made, "PLUGIN_SNAPSHOT_MODE").contains("not by comparing snapshots"));
    assert_eq!(ignored(&made, "PLUGIN_REGION"), "it means nothing to the registry adapter `docker-registry`");
    assert_eq!(ignored(&made, "PLUGIN_JSON_KEY"), "it means nothing to the registry adapter `docker-registry`");
    assert!(made.findings.is_empty());
}

#[test]
fn what_would_silently_change_the_result_is_refused_unless_it_is_off() {
    let made = docker(&[
        ("PLUGIN_COSIGN_PRIVATE_KEY", "<secret>"),
        ("PLUGIN_BAKE_FILE", "x.hcl"),
        ("PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK", "false"),
    ]);
    let mut rules = told(&made);
    rules.sort();
    assert_eq!(rules, ["settings/unsupported PLUGIN_BAKE_FILE", "settings/unsupported PLUGIN_COSIGN_PRIVATE_KEY"]);
    assert!(ignored(&made, "PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK").contains("false"));
}

#[test]
fn an_unknown_variable_is_told_with_the_nearest_known_one() {
    let made = docker(&[("PLUGIN_GARBAGE", "yoyo"), ("PLUGIN_DOCKERFLE", "x")]);
    assert_eq!(*verdict(&made, "PLUGIN_GARBAGE"), Verdict::Unknown(None));
    assert_eq!(*verdict(&made, "PLUGIN_DOCKERFLE"), Verdict::Unknown(Some("PLUGIN_DOCKERFILE".to_owned())));
}

#[test]
fn context_and_its_sub_path_become_one_directory() {
    assert_eq!(setting(&docker(&[("PLUGIN_CONTEXT", "src/"), ("PLUGIN_CONTEXT_SUB_PATH", "/app")]), "step.context"), "src/app");
    assert_eq!(setting(&docker(&[("PLUGIN_CONTEXT_SUB_PATH", "app")]), "step.context"), "./app");
}
