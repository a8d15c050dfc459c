//! Who is shown which credential, and who is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use windlass_core::{EventSink, Secret};
use windlass_registry::image::{Descriptor, Format};
use windlass_registry::{
    Action, Blobs, Credential, CredentialError, CredentialSource, Error, Mounts, Options, Placed, Registry, sha256,
};

use crate::fake::{Fake, Reply, Request, reply};
use crate::image::{Image, Login, client, client_as, quick, reference, repository, told};
use crate::server::{Server, Setup};

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("AWS:{password}")))
}

fn digest_reply() -> Reply {
    reply(200).with("Docker-Content-Digest", sha256(b"x").to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_registry_and_a_wrong_one_is_told_apart_from_none() {
    let server = Server::start(&Setup { login: Some(("AWS", "right")), ..Setup::default() });
    let image = Image::new(Format::Oci, "linux/amd64", "auth");
    let repository = repository(&server.host(), "a/b");
    let push = async |registry: Registry| {
        registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &EventSink::silent()).await
    };
    push(client_as(Options::default(), &Login::basic(&["right"]))).await.unwrap();
    let wrong = push(client_as(Options::default(), &Login::basic(&["canary-7f3a"]))).await.unwrap_err();
    assert!(matches!(wrong, Error::Unauthorized { .. }), "{}", told(&wrong));
    assert!(told(&wrong).contains("as user `AWS`") && !format!("{wrong:?}{}", told(&wrong)).contains("canary"));
    let none = push(client(Options::default())).await.unwrap_err();
    assert!(told(&none).contains("without credentials") && told(&none).contains("docker login"), "{}", told(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_has_expired_is_renewed_once_and_the_request_is_made_again() {
    let server = Server::start(&Setup { login: Some(("AWS", "new")), ..Setup::default() });
    let image = Image::new(Format::Oci, "linux/amd64", "renew");
    let login = Login::basic(&["old", "new"]);
    let registry = client_as(Options::default(), &login);
    let (repository, events) = (repository(&server.host(), "a"), EventSink::silent());
    registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    assert_eq!(login.refusals.load(Ordering::SeqCst), 1);
}

/// A registry that wants tokens, and its token server at another port.
async fn with_tokens(life: i64, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Fake, Fake, Arc<AtomicUsize>) {
    let issued = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&issued);
    let tokens = Fake::start(move |request, _| {
        if request.header("authorization").is_some_and(|value| value != basic("right")) {
            return reply(401);
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        reply(200).body(format!(r#"{{"token":"t{number}","expires_in":{life}}}"#))
    })
    .await;
    let realm = tokens.url("/token");
    let valid = Arc::clone(&issued);
    let registry = Fake::start(move |request, _| {
        let number = request.header("authorization").and_then(|value| value.strip_prefix("Bearer t")?.parse::<usize>().ok());
        if number.is_some_and(|number| number < valid.load(Ordering::SeqCst)) {
            return answer(request);
        }
        reply(401).with("WWW-Authenticate", format!(r#"Bearer realm="{realm}",service="fake""#))
    })
    .await;
    (registry, tokens, issued)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for_with_all_scopes_and_shared() {
    let (registry, tokens, issued) = with_tokens(300, |request| match request.method.as_str() {
        "HEAD" => reply(404),
        "POST" => reply(201),
        _ => reply(404),
    })
    .await;
    let login = Login::basic(&["right"]);
    let client = client_as(quick(), &login);
    let (to, from) = (repository(&registry.host(), "a/b"), repository(&registry.host(), "base"));
    let blobs = [1_u8, 2, 3, 4].map(|byte| Descriptor::new("x", sha256(&[byte]), 1));
    let directory = tempfile::tempdir().unwrap();
    let store = Blobs::open(directory.path()).unwrap();
    let mount_from = [from];
    let pushes = blobs.iter().map(|blob| client.push_blob(&to, blob, &store, &mount_from, &|_| {}));
    let placed = futures_util::future::try_join_all(pushes).await.unwrap();
    assert_eq!(issued.load(Ordering::SeqCst), 2, "one token for the repository, one for both");
    assert!(placed.iter().all(|placed| *placed == Placed::Mounted));
    let both = tokens.seen().into_iter().find(|r| r.target.contains("base")).expect("mounting needs a second scope");
    assert!(both.target.contains("service=fake"));
    assert!(both.target.contains("scope=repository%3Aa%2Fb%3Apull%2Cpush"), "{}", both.target);
    assert!(both.target.contains("scope=repository%3Abase%3Apull"), "{}", both.target);
    assert!(login.asked.lock().unwrap().iter().all(|(name, action)| name.ends_with("a/b") && *action == Action::Push));
    assert!(registry.seen().iter().all(|r| !r.header("authorization").is_some_and(|v| v.starts_with("Basic"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_already_ended_is_good_for_one_use() {
    for life in [0, -100] {
        let (registry, _tokens, issued) = with_tokens(life, |_| digest_reply()).await;
        let client = client_as(quick(), &Login::basic(&["right"]));
        let tag = reference(&format!("{}/a:1", registry.host()));
        client.resolve_digest(&tag).await.unwrap();
        client.resolve_digest(&tag).await.unwrap();
        assert_eq!(issued.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_in_the_midst_of_a_push_is_renewed_and_the_put_is_sent_again() {
    let tokens = Fake::start(|_, count| reply(200).body(format!(r#"{{"access_token":"t{count}","expires_in":300}}"#))).await;
    let realm = tokens.url("/");
    let registry = Fake::start(move |request, _| {
        let challenge = || reply(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""));
        match (request.method.as_str(), request.header("authorization")) {
            (_, None) => challenge(),
            ("PUT", Some("Bearer t0")) => challenge(),
            ("HEAD", _) => reply(404),
            ("POST", _) => reply(202).with("Location", "/v2/up/1"),
            _ => reply(201),
        }
    })
    .await;
    let image = Image::new(Format::Oci, "linux/amd64", "again");
    let repository = repository(&registry.host(), "a");
    let placed = client(quick()).push_blob(&repository, &image.layers[0], &image.store, &[], &|_| {}).await.unwrap();
    assert_eq!(placed, Placed::Uploaded);
    let puts: Vec<Request> = registry.seen().into_iter().filter(|r| r.method == "PUT").collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[1].body.len() as u64, image.layers[0].size);
    assert_eq!(puts[1].header("authorization"), Some("Bearer t1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_tokens_are_exchanged_by_post() {
    let tokens = Fake::start(|request, _| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let right = request.method == "POST"
            && body.contains("grant_type=refresh_token")
            && body.contains("refresh_token=canary%2B1")
            && body.contains("scope=repository%3Aa%3Apull");
        if right { reply(200).body(r#"{"access_token":"t"}"#) } else { reply(401) }
    })
    .await;
    let realm = tokens.url("/oauth");
    let registry = Fake::start(move |request, _| match request.header("authorization") {
        Some("Bearer t") => digest_reply(),
        _ => reply(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=s")),
    })
    .await;
    let login = Login::with(vec![Credential::IdentityToken(Secret::new("canary+1"))]);
    client_as(quick(), &login).resolve_digest(&reference(&format!("{}/a:1", registry.host()))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_says_403_to_a_token_that_has_ended() {
    let registry = Fake::start(|request, _| match request.header("authorization") {
        None => reply(401).with("WWW-Authenticate", "Basic realm=\"ecr\""),
        Some(value) if value == basic("old") => reply(403).body(
            r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#,
        ),
        _ => reply(200).body(r#"{"tags":["a"]}"#),
    })
    .await;
    let login = Login::basic(&["old", "new"]);
    client_as(quick(), &login).tags(&repository(&registry.host(), "a")).await.unwrap();
    let always = Fake::start(|_, _| reply(403).body(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#)).await;
    let error = client_as(quick(), &Login::basic(&["x"])).tags(&repository(&always.host(), "a")).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_to_another_port() {
    let content = b"blob".to_vec();
    let blob = Descriptor::new("x", sha256(&content), 4);
    let served = content.clone();
    // Where a redirect and an upload's location lead: it must see neither a password nor a demand for one obeyed.
    let elsewhere = Fake::start(move |request, _| match request.method.as_str() {
        "GET" => reply(200).body(served.clone()),
        _ => reply(401).with("WWW-Authenticate", "Basic realm=steal"),
    })
    .await;
    let (bucket, upload) = (elsewhere.url("/bucket?sig=1"), elsewhere.url("/upload"));
    let registry = Fake::start(move |request, _| {
        if request.header("authorization") != Some(&basic("canary")) {
            return reply(401).with("WWW-Authenticate", "Basic realm=r");
        }
        match request.method.as_str() {
            "GET" => reply(307).with("Location", bucket.clone()),
            "POST" => reply(202).with("Location", upload.clone()),
            _ => reply(404),
        }
    })
    .await;
    let client = client_as(quick(), &Login::basic(&["canary"]));
    let repository = repository(&registry.host(), "a");
    let directory = tempfile::tempdir().unwrap();
    let store = Blobs::open(directory.path()).unwrap();
    client.fetch_blob(&repository, &blob, &store, &|_| {}, None).await.expect("a redirect to another origin is legal for blobs");
    let error = client.push_blob(&repository, &blob, &store, &[], &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "{}", told(&error));
    assert!(elsewhere.count("PUT", "/upload") > 0, "the blob itself may go there");
    for request in elsewhere.seen() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_a_token_server_is_not_redirected_elsewhere() {
    let elsewhere = Fake::start(|_, _| reply(200).body(r#"{"token":"t"}"#)).await;
    let target = elsewhere.url("/steal");
    let tokens = Fake::start(move |_, _| reply(307).with("Location", target.clone())).await;
    let realm = tokens.url("/");
    let registry = Fake::start(move |_, _| reply(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))).await;
    let tag = reference(&format!("{}/a:1", registry.host()));
    let login = Login::with(vec![Credential::IdentityToken(Secret::new("canary"))]);
    let error = client_as(quick(), &login).resolve_digest(&tag).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{}", told(&error));
    assert!(elsewhere.seen().is_empty());
    let _ = client_as(quick(), &Login::basic(&["canary"])).resolve_digest(&tag).await;
    assert!(elsewhere.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_that_cannot_be_met_are_named() {
    for (challenge, expected) in [
        (None, "without saying how"),
        (Some("Negotiate"), "`negotiate`"),
        (Some("Bearer"), "not a URL"),
        (Some("Bearer realm=\"file:///etc/passwd\""), "not a web address"),
        (Some("\u{80}=,,,\"\\"), "without saying how"),
    ] {
        let registry = Fake::start(move |_, _| match challenge {
            Some(text) => reply(401).with("WWW-Authenticate", text),
            None => reply(401),
        })
        .await;
        let tag = reference(&format!("{}/a:1", registry.host()));
        let error = client_as(quick(), &Login::basic(&["x"])).resolve_digest(&tag).await.unwrap_err();
        assert!(told(&error).contains(expected), "{challenge:?}: {}", told(&error));
        assert_eq!(registry.count("HEAD", ""), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_cannot_be_had_is_not_the_same_as_none() {
    struct Broken;
    #[async_trait::async_trait]
    impl CredentialSource for Broken {
        async fn credential(&self, _: &windlass_core::Repository, _: Action) -> Result<Credential, CredentialError> {
            Err(CredentialError::new("helper `x` failed").help("install x").caused_by(std::io::Error::other("exit status 1")))
        }
    }
    let registry = Fake::start(|_, _| reply(401).with("WWW-Authenticate", "Basic realm=r")).await;
    let tag = reference(&format!("{}/a:1", registry.host()));
    let error = Registry::new(quick(), Arc::new(Broken)).resolve_digest(&tag).await.unwrap_err();
    assert!(matches!(error, Error::Credential { .. }) && error.is_about_credentials());
    assert!(told(&error).contains("helper `x` failed: exit status 1: install x"), "{}", told(&error));
}
