//! Steps in, settings out.

use super::*;

fn text(name: &str, value: &str) -> (String, Given) {
    (name.to_owned(), Given::Text(value.to_owned()))
}

fn texts(name: &str, values: &[&str]) -> (String, Given) {
    (name.to_owned(), Given::Texts(values.iter().map(|value| (*value).to_owned()).collect()))
}

fn pairs(name: &str, values: &[(&str, &str)]) -> (String, Given) {
    (name.to_owned(), Given::Pairs(values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()))
}

/// The smallest step of Harness's documentation.
fn minimal() -> Vec<(String, Given)> {
    vec![
        text("type", "BuildAndPushECR"),
        text("name", "BuildAndPushECR_1"),
        text("identifier", "BuildAndPushECR_1"),
        text("spec.connectorRef", "YOUR_AWS_CONNECTOR_ID"),
        text("spec.region", "us-east-1"),
        text("spec.account", "12345"),
        text("spec.imageName", "test-image"),
        texts("spec.tags", &["latest"]),
    ]
}

fn with(more: &[(String, Given)]) -> Translation {
    let mut step = minimal();
    step.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    step.extend_from_slice(more);
    read(&step)
}

fn setting(made: &Translation, target: Target, name: &str) -> Option<Value> {
    made.assignments.iter().find(|a| a.target == target && a.name == name).map(|a| a.value.clone())
}

fn step_text(made: &Translation, name: &str) -> String {
    match setting(made, Target::Step, name) {
        Some(Value::Text(text)) => text,
        other => format!("{other:?}"),
    }
}

fn verdict_of<'a>(made: &'a Translation, name: &str) -> &'a Verdict {
    &made.outcomes.iter().find(|outcome| outcome.name == name).unwrap().verdict
}

fn told(made: &Translation) -> Vec<String> {
    made.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.subject.as_deref().unwrap_or_default())).collect()
}

#[test]
fn the_smallest_step_is_an_ecr_build() {
    let made = read(&minimal());
    assert_eq!(made.adapter.as_deref(), Some("ecr"));
    assert_eq!(setting(&made, Target::Adapter, "region"), Some(Value::Text("us-east-1".to_owned())));
    assert_eq!(setting(&made, Target::Adapter, "account"), Some(Value::Text("12345".to_owned())));
    assert_eq!(setting(&made, Target::Adapter, "repository"), Some(Value::Text("test-image".to_owned())));
    assert_eq!(setting(&made, Target::Step, "tags"), Some(Value::Texts(vec!["latest".to_owned()])));
    assert_eq!(step_text(&made, "name"), "BuildAndPushECR_1");
    assert!(made.findings.is_empty(), "{:?}", made.findings);
    assert!(matches!(verdict_of(&made, "spec.connectorRef"), Verdict::Ignored(reason) if reason.contains("environment")));
    assert_eq!(*verdict_of(&made, "identifier"), Verdict::Used);
}

#[test]
fn the_documentations_gar_step_says_what_becomes_of_each_variable() {
    let made = read(&[
        text("identifier", "pushGCR"),
        text("name", "push GCR"),
        text("type", "BuildAndPushGAR"),
        text("spec.connectorRef", "GCR_CONNECTOR"),
        text("spec.host", "us.gcr.io"),
        text("spec.projectID", "some-gcp-project"),
        text("spec.imageName", "some-image-name"),
        texts("spec.tags", &["1.0", "1.2"]),
        pairs("spec.buildArgs", &[("foo", "bar"), ("hello", "world")]),
        pairs("spec.labels", &[("foo", "bar"), ("hello", "world")]),
        text("spec.target", "dev-env"),
        text("spec.context", "."),
        text("spec.dockerfile", "harnessDockerfile"),
        text("spec.remoteCacheImage", "test/cache"),
        text("spec.envVariables.PLUGIN_TAR_PATH", "./harnesstarpath"),
        text("spec.envVariables.PLUGIN_IMAGE_DOWNLOAD_RETRY", "2"),
        text("spec.envVariables.PLUGIN_COMPRESSED_CACHING", "false"),
        text("spec.envVariables.PLUGIN_USE_NEW_RUN", "true"),
        ("spec.envVariables.PLUGIN_GARBAGE".to_owned(), Given::Hidden),
    ]);
    assert_eq!(made.adapter.as_deref(), Some("gar"));
    assert!(made.findings.is_empty(), "{:?}", made.findings);
    assert_eq!(setting(&made, Target::Adapter, "registry"), Some(Value::Text("us.gcr.io/some-gcp-project".to_owned())));
    assert_eq!(step_text(&made, "tar-path"), "./harnesstarpath");
    assert_eq!(step_text(&made, "cache-repo"), "us.gcr.io/some-gcp-project/test/cache");
    assert_eq!(setting(&made, Target::Step, "pull-retry"), Some(Value::Integer(2)));
    assert_eq!(step_text(&made, "target"), "dev-env");
    assert_eq!(*verdict_of(&made, "spec.envVariables.PLUGIN_GARBAGE"), Verdict::Unknown(None));
    for name in ["COMPRESSED_CACHING", "USE_NEW_RUN"] {
        assert!(matches!(verdict_of(&made, &format!("spec.envVariables.PLUGIN_{name}")), Verdict::Ignored(_)), "{name}");
    }
    for name in ["spec.projectID", "spec.host", "spec.labels", "spec.envVariables.PLUGIN_TAR_PATH"] {
        assert_eq!(*verdict_of(&made, name), Verdict::Used, "{name}");
    }
}

#[test]
fn every_type_of_step_finds_its_adapter() {
    for (kind, adapter, fields) in [
        ("BuildAndPushECR", "ecr", vec![text("spec.region", "r"), text("spec.account", "1"), text("spec.imageName", "i")]),
        (
            "BuildAndPushGAR",
            "gar",
            vec![text("spec.host", "h.pkg.dev"), text("spec.projectID", "p"), text("spec.imageName", "i")],
        ),
        ("BuildAndPushGCR", "gar", vec![text("spec.host", "gcr.io"), text("spec.projectID", "p"), text("spec.imageName", "i")]),
        ("BuildAndPushACR", "acr", vec![text("spec.repository", "a.azurecr.io/i"), text("spec.subscriptionId", "s")]),
        ("BuildAndPushDockerRegistry", "docker-registry", vec![text("spec.repo", "team/app"), text("spec.registryRef", "r")]),
    ] {
        let step: Vec<(String, Given)> = [vec![text("type", kind), texts("spec.tags", &["1"])], fields].concat();
        let made = read(&step);
        assert_eq!((made.adapter.as_deref(), told(&made)), (Some(adapter), Vec::new()), "{kind}");
    }
}

#[test]
fn all_missing_fields_are_told_at_once() {
    let made = read(&[text("type", "BuildAndPushECR"), text("spec.imageName", "")]);
    assert_eq!(
        told(&made),
        [
            "settings/missing spec.region",
            "settings/missing spec.account",
            "settings/missing spec.imageName",
            "settings/missing spec.tags"
        ]
    );
}

#[test]
fn misspelt_fields_are_refused_with_the_nearest_one() {
    let made = with(&[
        ("spec.regoin".to_owned(), Given::Hidden),
        ("imageName".to_owned(), Given::Hidden),
        ("spec.zzz".to_owned(), Given::Hidden),
    ]);
    assert_eq!(told(&made), ["settings/unknown spec.regoin", "settings/unknown imageName", "settings/unknown spec.zzz"]);
    assert_eq!(made.findings[0].help.as_deref(), Some("did you mean `spec.region`?"));
    assert_eq!(made.findings[1].help.as_deref(), Some("did you mean `spec.imageName`?"));
    assert!(made.findings[2].help.as_deref().unwrap().contains("plugin inspect"));
    assert_eq!(*verdict_of(&made, "spec.regoin"), Verdict::Unknown(Some("spec.region".to_owned())));
}

#[test]
fn other_types_of_step_are_refused_by_name() {
    let made = read(&[text("type", "BuildAndPushECS")]);
    assert_eq!(told(&made), ["harness-step/type type"]);
    assert_eq!(made.findings[0].help.as_deref(), Some("did you mean `BuildAndPushECR`?"));
    assert!(read(&[text("type", "Run")]).findings[0].help.as_deref().unwrap().starts_with("Windlass runs BuildAndPushECR, "));
    assert!(read(&[]).findings[0].message.contains("`type` is missing"));
}

#[test]
fn expressions_that_nobody_replaced_are_refused_by_name() {
    let made = with(&[
        texts("spec.tags", &["v.<+pipeline.sequenceId>"]),
        pairs("spec.buildArgs", &[("SHA", "<+codebase.commitSha>")]),
        text("spec.connectorRef", "<+input>"),
        text("spec.envVariables.PLUGIN_TARGET", "<+stage.name>"),
    ]);
    assert_eq!(
        told(&made),
        [
            "harness-step/expression spec.tags",
            "harness-step/expression spec.buildArgs",
            "harness-step/expression spec.envVariables.PLUGIN_TARGET"
        ]
    );
    assert!(made.findings[0].message.contains("`<+pipeline.sequenceId>`"));
}

#[test]
fn fields_come_before_variables_and_the_step_before_its_surroundings() {
    let made = with(&[
        text("spec.dockerfile", "a"),
        text("spec.envVariables.PLUGIN_DOCKERFILE", "b"),
        text("PLUGIN_TAG", "environment"),
        text("spec.envVariables.PLUGIN_CUSTOM_DNS", "1.1.1.1"),
        text("PLUGIN_CUSTOM_DNS", "9.9.9.9"),
        text("PLUGIN_USER_ROLE_ARN", "arn:aws:iam::123456789012:role/push"),
    ]);
    assert_eq!(step_text(&made, "dockerfile"), "a");
    assert_eq!(setting(&made, Target::Step, "tags"), Some(Value::Texts(vec!["latest".to_owned()])));
    assert_eq!(setting(&made, Target::Step, "custom-dns"), Some(Value::Texts(vec!["1.1.1.1".to_owned()])));
    assert_eq!(
        setting(&made, Target::Adapter, "assume-role"),
        Some(Value::Text("arn:aws:iam::123456789012:role/push".to_owned()))
    );
    assert_eq!(
        *verdict_of(&made, "spec.envVariables.PLUGIN_DOCKERFILE"),
        Verdict::Ignored("`spec.dockerfile` is given, and comes first".to_owned())
    );
    assert!(made.findings.is_empty(), "{:?}", made.findings);
}

#[test]
fn optional_fields_reach_their_settings() {
    let made = with(&[
        text("timeout", "1h 30m"),
        text("spec.resources.limits.memory", "2Gi"),
        text("spec.resources.limits.cpu", "500m"),
        pairs("spec.labels", &[("org.opencontainers.image.title", "a, b")]),
        pairs("spec.buildArgs", &[("FLAGS", "-O2,-g")]),
        pairs("spec.envDockerSecrets", &[("token", "TOKEN")]),
        texts("spec.cacheFrom", &["type=registry,ref=a/b", "type=inline"]),
        text("spec.envVariables.PLUGIN_AUTO_TAG", "true"),
    ]);
    assert_eq!(
        (step_text(&made, "timeout"), step_text(&made, "memory-limit"), step_text(&made, "cpu-limit")),
        ("1h 30m".into(), "2Gi".into(), "500m".into())
    );
    assert_eq!(
        setting(&made, Target::Step, "labels"),
        Some(Value::Pairs(vec![("org.opencontainers.image.title".into(), "a, b".into())]))
    );
    assert_eq!(setting(&made, Target::Step, "build-args"), Some(Value::Pairs(vec![("FLAGS".into(), "-O2,-g".into())])));
    assert_eq!(
        setting(&made, Target::Step, "cache-from"),
        Some(Value::Texts(vec!["type=registry,ref=a/b".into(), "type=inline".into()]))
    );
    assert_eq!(made.tag_policies, ["auto-tag"]);
}

#[test]
fn what_belongs_to_the_pipeline_is_left_to_it() {
    let made = with(&[
        ("failureStrategies.0.onFailure.action.type".to_owned(), Given::Hidden),
        ("when.stageStatus".to_owned(), Given::Hidden),
        text("spec.optimize", "true"),
        texts("spec.baseImageConnectorRefs", &["docker"]),
        text("spec.runAsUser", "0"),
    ]);
    assert!(made.findings.is_empty(), "{:?}", made.findings);
    for name in [
        "failureStrategies.0.onFailure.action.type",
        "when.stageStatus",
        "spec.optimize",
        "spec.baseImageConnectorRefs",
        "spec.runAsUser",
    ] {
        assert!(matches!(verdict_of(&made, name), Verdict::Ignored(_)), "{name}");
    }
}

#[test]
fn tags_may_come_from_a_policy_and_the_registry_from_a_variable() {
    let mut step = minimal();
    step.retain(|(name, _)| !matches!(name.as_str(), "spec.tags" | "spec.region" | "spec.account"));
    step.push(text("spec.envVariables.PLUGIN_AUTO_TAG", "true"));
    step.push(text("spec.envVariables.PLUGIN_REGISTRY", "123456789012.dkr.ecr.us-east-1.amazonaws.com"));
    assert!(told(&read(&step)).is_empty());
}

#[test]
fn every_name_has_exactly_one_outcome_and_secrets_are_only_forwarded() {
    let made = with(&[
        ("spec.envVariables.PLUGIN_ACCESS_KEY".to_owned(), Given::Secret),
        ("spec.envVariables.PLUGIN_SECRET_KEY".to_owned(), Given::Secret),
        text("spec.remoteCacheImage", "app/cache"),
    ]);
    for outcome in &made.outcomes {
        assert_eq!(made.outcomes.iter().filter(|other| other.name == outcome.name).count(), 1, "{}", outcome.name);
    }
    let key = setting(&made, Target::Adapter, "secret-key");
    assert_eq!(key, Some(Value::SecretOf("spec.envVariables.PLUGIN_SECRET_KEY".to_owned())));
    assert_eq!(step_text(&made, "cache-repo"), "12345.dkr.ecr.us-east-1.amazonaws.com/app/cache");
}

#[test]
fn a_field_of_the_wrong_form_says_what_it_must_be() {
    let made = with(&[texts("spec.region", &["a", "b"]), pairs("timeout", &[("a", "b")])]);
    assert_eq!(told(&made), ["settings/value spec.region", "settings/value timeout"]);
}

#[test]
fn an_empty_map_is_nothing_and_a_text_in_its_place_is_refused() {
    let made = with(&[text("spec.envVariables", ""), text("spec.resources", "")]);
    assert!(told(&made).is_empty());
    assert_eq!(told(&with(&[text("spec.envVariables", "PLUGIN_NO_PUSH=true")])), ["settings/value spec.envVariables"]);
}

#[test]
fn variables_of_the_stage_that_are_none_of_a_plugins_are_left_alone() {
    let made = with(&[
        ("BUILD_MODE".to_owned(), Given::Hidden),
        ("PLUGIN_GARBAGE".to_owned(), Given::Hidden),
        text("DRONE_OUTPUT", "out.env"),
    ]);
    assert!(matches!(verdict_of(&made, "BUILD_MODE"), Verdict::Ignored(_)));
    assert_eq!(*verdict_of(&made, "PLUGIN_GARBAGE"), Verdict::Unknown(None));
    assert_eq!(step_text(&made, "output-file"), "out.env");
    assert!(told(&made).is_empty());
}
