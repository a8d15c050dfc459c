//! Servers that answer wrongly, slowly or not at all: every request ends soon, in an error that says why.

use std::time::{Duration, Instant};

use windlass_core::{Platform, Reference};
use windlass_registry::image::{Descriptor, Format};
use windlass_registry::{Blobs, Error, sha256};

use crate::fake::{Fake, Reply, reply};
use crate::image::{client, quick, reference, repository, told};

fn tag(fake: &Fake) -> Reference {
    reference(&format!("{}/a:1", fake.host()))
}

async fn resolve(fake: &Fake) -> Error {
    let begin = Instant::now();
    let error = client(quick()).resolve(&tag(fake), &Platform::parse("amd64").unwrap()).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    error
}

fn raw(text: impl Into<Vec<u8>>) -> Reply {
    Reply::Raw(text.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_no_manifests_are_named() {
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"x","digest":"sha256:00","size":1}},"layers":[]}}"#,
        Format::Oci.manifest()
    );
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    let cases: Vec<(Reply, &str)> = vec![
        (reply(200).with("Content-Type", "text/html").body("<html>login</html>"), "cannot be used"),
        (reply(200).body(""), "cannot be used"),
        (reply(200).body("[".repeat(100_000)), "cannot be used"),
        (reply(200).body(r#"{"schemaVersion":1,"fsLayers":[]}"#), "schema 1"),
        (reply(200).body(image), "bad digest"),
        (reply(200).body(index), "no images at all"),
        (reply(200).with("Docker-Content-Digest", sha256(b"x").to_string()).body(index), "has the digest"),
        (reply(200).with("Docker-Content-Digest", "sha256:\u{202e}x").body(index), "as a digest"),
        (reply(200).body(vec![b' '; 5 << 20]), "larger than"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{"), "larger than"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "broke"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), "broke"),
        (raw("garbage\r\n\r\n"), "127.0.0.1"),
        (Reply::Close, "broke"),
        (reply(204), "cannot be used"),
        (reply(404), "has no tag `1`"),
        (reply(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN","message":"x"}]}"#), "does not exist"),
        (reply(500).with("Content-Type", "text/html").body("<h1>oops</h1>"), "an HTML page"),
        (reply(418), "status 418"),
    ];
    for (answer, expected) in cases {
        let shown = format!("{answer:?}");
        let fake = Fake::start(move |_, _| answer.clone()).await;
        let error = told(&resolve(&fake).await);
        assert!(error.contains(expected), "{expected}: {error}: {}", &shown[..shown.len().min(200)]);
        assert!(!error.contains(['\u{1b}', '\u{202e}']), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_that_lie_are_not_believed_without_a_check() {
    let fake = Fake::start(|request, _| match request.method.as_str() {
        "HEAD" => reply(200).with("Content-Length", "77"),
        _ => reply(200).body(r#"{"schemaVersion":2,"manifests":[]}"#),
    })
    .await;
    let digest = client(quick()).resolve_digest(&tag(&fake)).await.unwrap();
    assert_eq!(digest, sha256(br#"{"schemaVersion":2,"manifests":[]}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_heads_end_in_an_error() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(4 << 20));
    for head in [many, long] {
        let fake = Fake::start(move |_, _| raw(head.clone())).await;
        let error = resolve(&fake).await;
        assert!(matches!(error, Error::Broken { .. } | Error::Unreachable { .. }), "{}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_trickles_end_in_time() {
    let every = Duration::from_millis(50);
    for answer in [
        Reply::Hang(Vec::new()),
        Reply::Hang(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec()),
        Reply::Trickle { begin: b"HTTP/1.1 200 OK\r\nX: ".to_vec(), every },
        Reply::Trickle { begin: b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec(), every },
        Reply::Trickle { begin: b"HTTP/1.1 500 X\r\nContent-Length: 100000\r\n\r\n".to_vec(), every },
    ] {
        let shown = format!("{answer:?}");
        let is_error = shown.contains("500") || shown.contains("53, 48, 48");
        let fake = Fake::start(move |_, _| answer.clone()).await;
        if is_error {
            // The words of a refusal are waited for only so long; two repetitions make it three times.
            let begin = Instant::now();
            let _ = client(quick()).resolve_digest(&reference(&format!("{}/a@{}", fake.host(), sha256(b"")))).await;
            assert!(begin.elapsed() < Duration::from_secs(30));
            continue;
        }
        let error = resolve(&fake).await;
        assert!(matches!(error, Error::TimedOut { .. }), "{shown}: {}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_is_slow_is_asked_twice() {
    for reply in [Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()), Reply::Hang(Vec::new())] {
        let tokens = Fake::start(move |_, _| reply.clone()).await;
        let realm = tokens.url("/token");
        let registry =
            Fake::start(move |_, _| crate::fake::reply(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))).await;
        let error = client(quick()).resolve_digest(&reference(&format!("{}/a:1", registry.host()))).await.unwrap_err();
        assert!(told(&error).contains("the request for a token"), "{}", told(&error));
        assert_eq!(tokens.count("GET", "/token"), 2, "{}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_trickles_is_given_up_and_one_that_is_slow_is_not() {
    let blob = Descriptor::new("x", sha256(b"x"), 100_000);
    let directory = tempfile::tempdir().unwrap();
    let store = Blobs::open(directory.path()).unwrap();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    let fake = Fake::start(move |_, _| Reply::Trickle { begin: head.clone(), every: Duration::from_millis(20) }).await;
    let begin = Instant::now();
    let error = client(quick()).fetch_blob(&repository(&fake.host(), "a"), &blob, &store, &|_| {}, None).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{}", told(&error));
    assert!(begin.elapsed() < Duration::from_secs(5));
    // 100 bytes arrive in two seconds, four times the stall limit: enough, when so little is asked for.
    let slow = Descriptor::new("x", sha256(&[b'x'; 100]), 100);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".to_vec();
    let fake = Fake::start(move |_, _| Reply::Trickle { begin: head.clone(), every: Duration::from_millis(20) }).await;
    let mut options = quick();
    options.limits.least_bytes = 5;
    client(options).fetch_blob(&repository(&fake.host(), "a"), &slow, &store, &|_| {}, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_come_to_an_end() {
    let circle = Fake::start(|request, _| reply(307).with("Location", format!("{}x", request.target))).await;
    assert!(told(&resolve(&circle).await).contains("redirects"));
    for (location, expected) in [("file:///etc/passwd", "not a web address"), ("//[", "not a location"), ("\u{ff}", "")] {
        let fake = Fake::start(move |_, _| reply(302).with("Location", location)).await;
        assert!(told(&resolve(&fake).await).contains(expected), "{location}");
    }
    let nowhere = Fake::start(|_, _| reply(302)).await;
    assert!(told(&resolve(&nowhere).await).contains("status 302"));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_up_to_a_limit() {
    let fake = Fake::start(|_, _| {
        reply(429).with("Retry-After", "3600").body(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#)
    })
    .await;
    let begin = Instant::now();
    let error = resolve(&fake).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "nobody waits an hour");
    assert!(matches!(error, Error::RateLimited { .. }));
    assert!(told(&error).contains("3600 s") && told(&error).contains("slow down"), "{}", told(&error));
    let fake = Fake::start(|_, count| match count {
        0 => reply(503).with("Retry-After", "1"),
        _ => reply(200).with("Docker-Content-Digest", sha256(b"").to_string()),
    })
    .await;
    let begin = Instant::now();
    client(quick()).resolve_digest(&tag(&fake)).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "the registry's wait is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_failures_are_tried_again_and_others_are_not() {
    for (status, attempts) in [(500, 3), (502, 3), (503, 3), (504, 3), (429, 3), (404, 1), (400, 1), (501, 1)] {
        let fake = Fake::start(move |_, _| reply(status)).await;
        let digest = reference(&format!("{}/a@{}", fake.host(), sha256(b"")));
        client(quick()).manifest(&digest).await.unwrap_err();
        assert_eq!(fake.count("GET", "/manifests/"), attempts, "{status}");
    }
}
