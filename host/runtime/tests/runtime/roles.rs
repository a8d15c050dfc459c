//! Each world with a guest that tells what it sees: what goes in, what comes out, and what stays hidden.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::{guest, message};
use serde_json::json;
use windlass_core::plan::{Base, Build, Destination as PlannedDestination, Engine};
use windlass_core::setting::Value;
use windlass_core::{Digest, Place, Plan, Repository, Secret};
use windlass_plugin_test::{
    Authorization, AwsError, BuildRequest, Destination, FakeAwsEcr, FakeExchange, FakeImage, FakeRegistry, HandOff,
    InstructionFacts, Piece, PlanFacts, Slot, SourceFacts, StageFacts, Tagging, Target, Verdict, tags, variables,
};
use windlass_runtime::{Allowed, Problem};

const CANARY: &str = "canary-5f1d9c";

fn destination() -> Destination {
    Destination::new(Repository::new("registry.example.com", "team/app").unwrap(), "Guest")
}

#[test]
fn a_dialect_moves_secrets_that_it_cannot_read() {
    let plugin = guest("guest_dialect");
    let raw = windlass_plugin_test::json(&json!({
        "region": "eu-west-1",
        "password": CANARY,
        "spec": { "labels": { "a.b": "1" }, "tags": ["x"], "unknown": { "token": CANARY } },
    }));
    let told = plugin.translate(&raw, &SourceFacts::default()).unwrap();
    let password = told.assignments.iter().find(|a| a.target == Target::PushCredentials).unwrap();
    assert_eq!(password.assignment.value, Value::Secret(Secret::new(CANARY)));
    assert_eq!(password.assignment.origin.name, "password");
    let labels = told.assignments.iter().find(|a| a.assignment.name == "labels").unwrap();
    assert_eq!(labels.assignment.value, Value::Pairs(vec![("a.b".to_owned(), "1".to_owned())]));
    let outcome = |name: &str| told.outcomes.iter().find(|outcome| outcome.name == name).unwrap();
    assert_eq!(outcome("password").verdict, Verdict::Ignored("secret: None".to_owned()));
    assert_eq!(outcome("password").value.as_deref(), Some("[redacted]"));
    assert_eq!(outcome("spec.unknown.token").verdict, Verdict::Unknown(Some("hidden: None None None".to_owned())));
    assert_eq!(outcome("region").value.as_deref(), Some("eu-west-1"));
    assert!(!format!("{told:?}").contains("canary"));
    assert_eq!((told.adapter.as_deref(), told.tag_policies.len()), (Some("guest-adapter"), 1));
}

#[test]
fn a_dialect_that_forgets_invents_or_repeats_a_name_is_caught() {
    let plugin = guest("guest_dialect");
    for (mode, expected) in
        [("forget", "no outcome for `mode`"), ("invent", "an outcome for `invented`"), ("double", "two outcomes for `mode`")]
    {
        let error = message(plugin.translate(&variables(&[("mode", mode)]), &SourceFacts::default()));
        assert!(error.contains(expected), "{mode}: {error}");
    }
}

#[test]
fn a_dialect_gets_files_that_the_user_or_a_grant_names_and_no_others() {
    let plugin = guest("guest_dialect").files(&[("policy.json", "{}"), (".tags", "1,2"), ("/etc/shadow", CANARY)]);
    let find = |raw: &[(&str, &str)], name: &str| {
        let told = plugin.translate(&variables(raw), &SourceFacts::default()).unwrap();
        told.assignments.into_iter().find(|a| a.assignment.name == name).map(|a| a.assignment.value)
    };
    assert_eq!(find(&[("policy-file", "policy.json")], "policy"), Some(Value::Text("{}".to_owned())));
    assert_eq!(find(&[], "tags"), Some(Value::Text("1,2".to_owned())));
    let error = message(plugin.translate(&variables(&[("mode", "outside")]), &SourceFacts::default()));
    assert!(error.contains("the file `/etc/shadow`") && !error.contains("canary"), "{error}");
    let error = message(plugin.translate(&variables(&[("policy-file", "missing.json")]), &SourceFacts::default()));
    assert!(error.contains("the file `missing.json` does not exist"), "{error}");
    let plugin = guest("guest_dialect").files(&[]);
    assert!(
        plugin.translate(&variables(&[]), &SourceFacts::default()).unwrap().assignments.is_empty(),
        "a granted file may be absent"
    );
}

#[test]
fn findings_of_a_dialect_get_the_place_of_the_name_they_are_about() {
    let mut raw = variables(&[("region", "x"), ("mode", "refuse")]);
    let place = |line| Some(Place { file: "step.yaml".to_owned(), line, column: 1, length: 0 });
    raw.entries[0].origin.place = place(7);
    raw.entries.push(windlass_plugin_test::RawEntry {
        name: "spec".to_owned(),
        value: windlass_plugin_test::RawValue::Map(Vec::new()),
        origin: windlass_core::setting::Origin { name: "spec".to_owned(), place: place(9) },
    });
    let Problem::Findings(findings) = guest("guest_dialect").translate(&raw, &SourceFacts::default()).unwrap_err().problem else {
        panic!("no findings")
    };
    assert_eq!(findings[0].place, place(9), "the nearest parent of what is missing");
    raw.entries[1].value = windlass_plugin_test::RawValue::Text(String::new());
    let told = guest("guest_dialect").translate(&raw, &SourceFacts::default()).unwrap();
    assert_eq!(told.findings[0].place, place(7));
}

#[test]
fn an_adapter_resolves_and_does_not_see_its_secret() {
    let plugin = guest("guest_adapter");
    let told = plugin.resolve(&[("password", CANARY)], &SourceFacts::default()).unwrap();
    assert_eq!((told.repository.to_string().as_str(), told.kind.as_str()), ("registry.example.com/team/app", "Guest"));
    assert_eq!(plugin.said()[0].message, "password: None true");
    let error = message(plugin.resolve(&[("repository", "Team/App")], &SourceFacts::default()));
    assert!(error.contains("the destination `registry.example.com/Team/App`"), "{error}");
    let links = |settings: &[(&str, &str)]| plugin.links(settings, &told, &Digest::from_sha256([0; 32]));
    assert!(links(&[]).unwrap()[0].url.starts_with("https://example.com/sha256:0"));
    assert!(message(links(&[("mode", "plain-link")])).contains("expected an HTTPS address"));
}

#[test]
fn an_adapter_hands_secrets_back_by_their_handle_and_gets_its_attributes_again() {
    let plugin = guest("guest_adapter");
    let settings = [("mode", "setting"), ("password", CANARY)];
    let resolved = plugin.resolve(&settings, &SourceFacts::default()).unwrap();
    let told = plugin.authorize(&settings, &resolved).unwrap();
    assert_eq!(told, Authorization::Basic { user: "kept".to_owned(), password: Secret::new(CANARY), expires: Some(7) });
    assert_eq!(plugin.authorize(&[("mode", "anonymous")], &resolved).unwrap(), Authorization::Anonymous);
    assert!(message(plugin.authorize(&[("mode", "setting"), ("password", "")], &resolved)).contains("no password"));
}

#[test]
fn an_adapter_talks_to_aws_through_the_port_when_that_is_granted() {
    let aws = FakeAwsEcr::with_repositories(&[]);
    let plugin = guest("guest_adapter").aws(aws.clone());
    let settings = [("mode", "aws"), ("password", CANARY)];
    let told = plugin.authorize(&settings, &destination()).unwrap();
    assert!(
        matches!(told, Authorization::Basic { user, password, .. } if user == "AWS" && password.expose() == "canary-ecr-password")
    );
    assert_eq!(
        plugin.prepare(&settings, &destination()).unwrap(),
        ["created 012345678901.dkr.ecr.eu-west-1.amazonaws.com/team/app"]
    );
    assert!(plugin.prepare(&settings, &destination()).unwrap().is_empty(), "it exists by now");
    assert_eq!(aws.calls()[..2], ["authorize", "create-repository team/app scan-on-push=true immutable-tags=false"]);
    let session = &aws.sessions()[0];
    assert_eq!((session.region.as_str(), session.registry.as_deref()), ("eu-west-1", Some("012345678901")));
    assert_eq!(session.access_key.as_ref().unwrap().secret, Secret::new(CANARY));
    aws.fail("authorize", AwsError::Denied(format!("the key {CANARY} is not allowed")));
    let error = message(plugin.authorize(&settings, &destination()));
    assert!(error.contains("denied: the key [redacted] is not allowed"), "{error}");
    let plugin = guest("guest_adapter").aws(aws).allow(Allowed::Named(vec!["token".to_owned()]));
    assert!(message(plugin.authorize(&settings, &destination())).contains("not granted"));
    assert!(message(guest("guest_adapter").authorize(&settings, &destination())).contains("not granted"), "without a port");
}

#[test]
fn an_exchange_is_composed_and_taken_apart_without_the_adapter_seeing_a_secret() {
    let answer = r#"{"access_token":"canary-token-77","expires_in":3600}"#;
    let fake = FakeExchange::answering(&[(200, answer)]);
    let plugin = guest("guest_adapter").exchange(fake.clone());
    let settings = [("mode", "exchange"), ("password", "pass word")];
    let told = plugin.authorize(&settings, &destination()).unwrap();
    assert_eq!(told, Authorization::Bearer { token: Secret::new("canary-token-77"), expires: Some(3600) });
    let sent = &fake.sent()[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://token.example.com/oauth2/token?scope=push"));
    assert_eq!(sent.headers, [("Authorization".to_owned(), "Basic dXNlcjpwYXNzIHdvcmQ=".to_owned())]);
    assert!(sent.body.starts_with("grant_type=password&password=pass%20word&assertion=eyJ"), "{}", sent.body);
}

#[test]
fn an_exchange_does_not_give_tokens_away_whatever_the_grant_says() {
    let error = |peek: &str, answer: &str| {
        let plugin = guest("guest_adapter").exchange(FakeExchange::answering(&[(200, answer)]));
        message(plugin.authorize(&[("mode", "exchange"), ("password", "hunter-22"), ("peek", peek)], &destination()))
    };
    let body = r#"{"access_token":"canary-token-77","error":"no"}"#;
    assert!(error("/access_token", body).contains("not granted: `/access_token` is not readable"));
    assert!(error("/scope", body).contains("not granted: `/scope` is not readable"));
    let told = error("/error", r#"{"error":"wrong password hunter-22"}"#);
    assert!(told.contains("looks like a secret") && !told.contains("hunter"), "{told}");
    let told = error("/error", r#"{"error":"canary-token-77","access_token":"canary-token-77"}"#);
    assert!(told.contains("looks like a secret") && !told.contains("canary"), "{told}");
}

#[test]
fn what_an_adapter_can_have_kept_or_repeated_is_limited() {
    let fake = FakeExchange::answering(&[]);
    let plugin = guest("guest_adapter").exchange(fake.clone());
    let ask = |mode: &str, extract: &str| {
        let settings = [("mode", mode), ("extract", extract), ("password", CANARY)];
        message(plugin.authorize(&settings, &destination()))
    };
    assert!(ask("exchange", "31").contains("33 extractions; expected at most 32"));
    assert!(fake.sent().is_empty());
    assert!(ask("sessions", "0").contains("the limit `handles` allows 20000"));
    assert!(ask("long-region", "0").contains("a region of 100000 bytes; expected at most 2048 bytes"));
}

#[test]
fn an_exchange_reaches_only_what_is_granted() {
    let fake = FakeExchange::answering(&[(401, "{}"), (200, "{}")]);
    let plugin = guest("guest_adapter").exchange(fake.clone());
    let ask = |endpoint: &str, path: &str| {
        let settings = [("mode", "exchange"), ("password", CANARY), ("endpoint", endpoint), ("path", path)];
        message(plugin.authorize(&settings, &destination()))
    };
    assert!(ask("elsewhere", "/").contains("not granted: the grant `elsewhere` is not given"));
    assert!(ask("token", "@evil.example/").contains("invalid: the path"));
    assert!(fake.sent().is_empty());
    assert!(ask("token", "/x").contains("401: None None"));
    // `{registry}` is the destination's; that grant has nothing readable.
    assert!(ask("own", "/x").contains("not granted: `/expires_in` is not readable"));
}

#[test]
fn a_tag_policy_sees_the_facts_the_granted_variables_and_the_granted_registry() {
    let variables = BTreeMap::from([("CI_CHANNEL".to_owned(), "beta".to_owned()), ("HOME".to_owned(), "home".to_owned())]);
    let source = SourceFacts { branch: Some("main".to_owned()), variables, ..SourceFacts::default() };
    let plugin = guest("guest_tagger").registry(FakeRegistry::with_tags(&["1", "2"]));
    assert_eq!(plugin.tags(&[("mode", "source")], &source, &[]).unwrap(), Tagging::Tags(tags(&["main", "beta"])));
    assert_eq!(plugin.tags(&[("mode", "registry")], &source, &[]).unwrap(), Tagging::Tags(tags(&["1", "2"])));
    let plugin = plugin.allow(Allowed::Nothing);
    assert_eq!(plugin.tags(&[("mode", "source")], &source, &[]).unwrap(), Tagging::Tags(tags(&["main"])));
    assert_eq!(plugin.tags(&[("mode", "registry")], &source, &[]).unwrap(), Tagging::Tags(tags(&["not-granted"])));
}

#[test]
fn a_mapper_speaks_of_slots_that_the_request_has() {
    let plugin = guest("guest_mapper");
    let request = BuildRequest {
        labels: vec![("a".to_owned(), "1".to_owned())],
        platforms: vec![windlass_core::Platform::new("linux", "arm64", None)],
        secret_arguments: vec!["TOKEN".to_owned()],
        ..BuildRequest::default()
    };
    let told = plugin.map(&[], &request).unwrap().invocation;
    assert_eq!(told.command(), ["builder", "--root={scratch}/root", "{context}", "--label=a=1", "linux/arm64"]);
    assert_eq!(told.environment, [("TOKEN".to_owned(), vec![Piece::Slot(Slot::Argument("TOKEN".to_owned()))])]);
    assert_eq!((told.hand_off, told.files.len()), (HandOff::OciLayout, 1));
    for (mode, expected) in [
        ("empty", "the program ``"),
        ("path", "the program `/bin/sh`"),
        ("secret", "the secret `TOKEN` on the command line"),
        ("slot", "the slot `secret` for `unknown`"),
        ("file", "the file name `../escape`"),
        ("zero", "a text with a zero byte"),
    ] {
        let error = message(plugin.map(&[("mode", mode)], &request));
        assert!(error.contains(expected), "{mode}: {error}");
    }
}

fn plan() -> Plan {
    let place = Place { file: "Dockerfile".to_owned(), line: 1, column: 6, length: 12 };
    let base = Base { reference: "busybox:1.36".to_owned(), repository: Some(Repository::parse("busybox").unwrap()), place };
    Plan {
        destinations: vec![PlannedDestination {
            registry: "registry.example.com".to_owned(),
            repository: "team/app".to_owned(),
            tags: tags(&["1"]),
            adapter: "guest-adapter".to_owned(),
            kind: "Guest".to_owned(),
        }],
        push: true,
        engine: Engine { name: "windlass".to_owned(), command: Vec::new(), hand_off: None },
        plugins: Vec::new(),
        build: Build {
            context: ".".to_owned(),
            dockerfile: Some("Dockerfile".to_owned()),
            archive: None,
            target: None,
            platforms: Vec::new(),
            build_args: Vec::new(),
            labels: Vec::new(),
            squash: false,
            cache_repository: None,
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            bases: vec![base],
        },
        outputs: Vec::new(),
        settings: Vec::new(),
        findings: Vec::new(),
    }
}

#[test]
fn a_policy_sees_bases_instructions_and_destinations_with_their_places() {
    let instruction = InstructionFacts {
        keyword: "COPY".to_owned(),
        text: "a b".to_owned(),
        flags: vec![("from".to_owned(), "x".to_owned())],
        heredocs: Vec::new(),
        place: Place { file: "Dockerfile".to_owned(), line: 2, column: 1, length: 0 },
    };
    let stage = StageFacts { name: Some("build".to_owned()), instructions: vec![instruction], ..StageFacts::default() };
    let mut facts = PlanFacts::new(plan());
    facts.stages.push(stage);
    facts.views.push(Some(FakeRegistry::with_tags(&["latest"])));
    let shown = |plugin: &windlass_plugin_test::PluginUnderTest| -> Vec<String> {
        plugin.check_plan(&[], facts.clone()).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        shown(&guest("guest_policy").allow(Allowed::Nothing)),
        [
            r#"Dockerfile:1: busybox:1.36 Some("docker.io") Some("library/busybox") Some("1.36") false"#,
            r#"Dockerfile:2: COPY a b [("from", "x")] Some("build")"#,
            r#"registry.example.com/team/app ["1"] None"#,
        ],
        "the view is not granted"
    );
    let granted = shown(&guest("guest_policy"));
    assert!(granted[2].contains("Some(Ok(Some(\"sha256:"), "{granted:?}");
}

#[test]
fn a_policy_reads_an_image_and_no_more_than_its_limit_at_once() {
    let plugin = guest("guest_policy");
    let image = FakeImage::new("{}", &[("/etc/os-release", "ID=none"), ("/etc/passwd", "root")]);
    let found = plugin.check_image(&[], image.clone()).unwrap();
    assert_eq!(found[0].message, "linux/amd64 ID=none os-release,passwd 1");
    assert_eq!(plugin.check_image(&[("path", "/x")], image).unwrap()[0].message, "the image has no /x");
    let large = FakeImage::new("{}", &[("/large", &"x".repeat(5 << 20))]);
    let error = message(plugin.check_image(&[("path", "/large")], large as Arc<_>));
    assert!(error.contains("the limit `read-bytes` allows 4194304"), "{error}");
}
