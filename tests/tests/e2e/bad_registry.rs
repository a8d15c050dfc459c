//! Bad input: registries that are not there, refuse, or lie.

use serde_json::json;
use windlass_core::ExitCode;
use windlass_e2e::base_images::{Busybox, foreign_architecture};
use windlass_e2e::servers::scripted::{Response, Scripted};
use windlass_e2e::{DockerRegistry, Image, Moto, Proxy, Run, Workspace, http, ports};

use crate::ecr::{ACCOUNT, Ecr, HOST};

const STEP: &str = "type: BuildAndPushECR\nname: b\nidentifier: b\nspec: {connectorRef: c, region: us-east-1, account: \"12345\", imageName: test-image, tags: [latest]}\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("Dockerfile", "FROM scratch\nCOPY step.yaml /\n");
    workspace.write("step.yaml", STEP);
    workspace
}

#[track_caller]
fn builds(dockerfile: &str, code: ExitCode) -> Run {
    let workspace = workspace();
    workspace.write("Dockerfile", dockerfile);
    let run = workspace.windlass(["build", ".", "--output", "oci:out"]).run().fails_with(code);
    assert!(!workspace.has("out/index.json") && workspace.mounts().is_empty() && workspace.temporary_files().is_empty());
    run
}

#[test]
fn without_aws_credentials_everything_that_was_tried_is_listed_in_order() {
    let workspace = workspace();
    let moto = Moto::start();
    let run = workspace.windlass(["run", "step.yaml"]).env("AWS_ENDPOINT_URL", moto.url()).map(HOST, "http://127.0.0.1:9").run();
    let run = run.fails_with(ExitCode::Credentials);
    let mut rest = run.stderr.as_str();
    for place in ["environment", "profile", "web identity", "container", "instance"] {
        let (_, after) =
            rest.split_once(place).unwrap_or_else(|| panic!("{place} is not listed, or not in order: {}", run.all()));
        rest = after;
    }
}

#[test]
fn an_expired_token_and_a_denied_identity_are_credential_errors() {
    for (code, said) in
        [("ExpiredTokenException", "expired"), ("AccessDeniedException", "denied"), ("UnrecognizedClientException", "invalid")]
    {
        let aws = Scripted::start(move |_| Response::json(400, &format!(r#"{{"__type":"{code}","message":"AWS says {said}"}}"#)));
        let workspace = workspace();
        let keys = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "x")];
        let run = workspace
            .windlass(["run", "step.yaml"])
            .envs(&keys)
            .env("AWS_ENDPOINT_URL", aws.url())
            .map(HOST, "http://127.0.0.1:9");
        run.run().fails_with(ExitCode::Credentials).says(&format!("AWS says {said}"));
    }
}

#[test]
fn a_password_that_the_registry_refuses_is_a_credential_error() {
    let registry = DockerRegistry::with_login("AWS", "another password");
    let (workspace, moto) = (workspace(), Moto::start());
    let run = workspace.windlass(["run", "step.yaml"]).aws(&moto).map(HOST, &registry.url()).run();
    run.fails_with(ExitCode::Credentials).says(HOST).never_says(&Moto::password(ACCOUNT));
    assert!(registry.tags("test-image").is_empty());
}

#[test]
fn a_repository_that_does_not_exist_is_named_with_the_way_to_have_it_made() {
    let ecr = Ecr::start();
    let answer = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'test-image' does not exist in the registry with id '12345'"}]}"#;
    let proxy = Proxy::before(ecr.registry.host(), move |request| {
        request.target.starts_with("/v2/test-image/").then(|| Response::json(404, answer))
    });
    let workspace = workspace();
    let run = workspace.windlass(["run", "step.yaml"]).aws(&ecr.moto).map(HOST, &proxy.url()).run();
    run.fails_with(ExitCode::Push).says("test-image").says("does not exist").says("create");
}

#[test]
fn a_tag_that_is_immutable_is_named() {
    let ecr = Ecr::start();
    let answer = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag 'latest' already exists in the 'test-image' repository and cannot be overwritten because the repository is immutable."}]}"#;
    let proxy = Proxy::before(ecr.registry.host(), move |request| {
        (request.method == "PUT" && request.target.ends_with("/manifests/latest")).then(|| Response::json(400, answer))
    });
    let workspace = workspace();
    let run = workspace.windlass(["run", "step.yaml"]).aws(&ecr.moto).map(HOST, &proxy.url()).run();
    run.fails_with(ExitCode::Push).says("latest").says("immutable");
}

#[test]
fn a_push_that_fails_half_way_moves_no_tag() {
    let registry = DockerRegistry::open();
    let proxy = Proxy::before(registry.host(), |request| {
        (request.method == "PUT" && request.target.contains("/blobs/uploads/")).then(|| Response::json(500, "{}"))
    });
    let workspace = workspace();
    let name = |tag: &str| format!("{}/app:{tag}", proxy.host());
    let run = workspace.windlass(["build", ".", "--push", "-t", &name("1"), "-t", &name("2")]).run();
    run.fails_with(ExitCode::Push).says("500");
    assert!(registry.tags("app").is_empty());
}

#[test]
fn a_registry_that_asks_to_wait_is_asked_again() {
    let registry = DockerRegistry::open();
    let refused = std::sync::atomic::AtomicUsize::new(0);
    let proxy = Proxy::before(registry.host(), move |request| {
        let busy = request.method == "PUT" && refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        busy.then(|| Response { headers: vec![("retry-after".to_owned(), "0".to_owned())], ..Response::json(429, "{}") })
    });
    let workspace = workspace();
    workspace.windlass(["build", ".", "--push", "-t", &format!("{}/app:1", proxy.host())]).run().succeeds();
    assert_eq!(registry.tags("app"), ["1"]);
}

#[test]
fn a_registry_that_cannot_be_reached_is_named() {
    let nowhere = ports::nobody_there();
    let workspace = workspace();
    let run = workspace.windlass(["build", ".", "--push", "-t", &format!("{nowhere}/app:1")]).run();
    run.fails_with(ExitCode::Push).says(&nowhere);
    builds(&format!("FROM {nowhere}/base:1\n"), ExitCode::Build).says(&nowhere);
}

#[test]
fn a_base_that_is_not_there_or_has_no_such_platform_is_named() {
    let registry = DockerRegistry::open();
    let foreign = foreign_architecture();
    let base = Busybox { architecture: foreign.to_owned(), variables: Vec::new() }.push(&registry, "foreign:1");
    builds(&format!("FROM {}/absent:1\nRUN true\n", registry.host()), ExitCode::Build).says("absent").says("Dockerfile:1");
    builds(&format!("FROM {}/foreign:2\nRUN true\n", registry.host()), ExitCode::Build).says("foreign:2");
    push_index(&registry, &base, foreign);
    builds(&format!("FROM {}/foreign:index\nRUN true\n", registry.host()), ExitCode::Build).says(foreign).says("platform");
    // An image without an index is taken as it is, with a warning, as elsewhere in the field.
    let workspace = workspace();
    workspace.write("Dockerfile", format!("FROM {base}\n"));
    workspace.windlass(["build", ".", "--output", "oci:out"]).run().succeeds().says(foreign).says("the build is for");
}

#[test]
fn a_layer_that_does_not_match_its_digest_is_refused() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let layer = Image::read(&format!("docker://{base}"), None).layers().swap_remove(0);
    let path = registry.blob(&layer);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    builds(&format!("FROM {base}\nRUN true\n"), ExitCode::Build).says(&layer).says("digest");
}

#[test]
fn a_manifest_that_does_not_match_the_digest_asked_for_is_refused() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:1");
    let digest = Image::read(&format!("docker://{base}"), None).digest;
    let path = registry.blob(&digest);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(':', ": ")).unwrap();
    builds(&format!("FROM {}/base@{digest}\nRUN true\n", registry.host()), ExitCode::Build).says(&digest);
}

/// Tags an index `foreign:index` that has the image `base` for one architecture.
fn push_index(registry: &DockerRegistry, base: &str, architecture: &str) {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let digest = Image::read(&format!("docker://{base}"), None).digest;
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": std::fs::metadata(registry.blob(&digest)).unwrap().len(),
        "platform": {"os": "linux", "architecture": architecture},
    });
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]}).to_string();
    let headers = [("content-type", media_type)];
    let answer = http::request("PUT", registry.host(), "/v2/foreign/manifests/index", &headers, &index).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
}
