//! Hostile registries: they trickle, lie, send elsewhere and echo what they were told. Each run ends, and tells no secret.

use std::io::{Result, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use windlass_core::ExitCode;
use windlass_e2e::base_images::{busybox_files, digest};
use windlass_e2e::servers::images::MANIFEST;
use windlass_e2e::servers::scripted::{Request, Response, Scripted, respond};
use windlass_e2e::{Canary, DockerRegistry, Images, Proxy, Run};

use crate::hostile::{Den, MOST_MEMORY};

const PASSWORD: &str = "c4nary-passw0rd-7781";

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// An answer with headers.
fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    Response {
        status,
        headers: headers.iter().map(|(name, value)| header(name, value)).collect(),
        body: body.as_bytes().to_vec(),
    }
}

/// Builds on an image of a registry with a fault; the user's credentials are there to be stolen.
#[track_caller]
fn pulls(fault: impl Fn(&Request, &TcpStream) -> Result<bool> + Send + Sync + 'static) -> (Run, u64) {
    let mut images = Images::new();
    images.image("base", &[busybox_files()]);
    let registry = images.serve_with(fault);
    let den = Den::new();
    log_in(&den, registry.host());
    let (run, memory) = den.measured(den.build(&format!("FROM {}/a:base\nRUN true\n", registry.host())));
    Canary::new(PASSWORD, &["ci"]).assert_not_in("what is shown", &run.all());
    Canary::new(PASSWORD, &["ci"]).assert_not_below(&den.workspace.root().join("cache"));
    (run, memory)
}

/// Gives the workspace a docker configuration with credentials for `host`.
fn log_in(den: &Den, host: &str) {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("ci:{PASSWORD}"));
    let directory = den.workspace.root().join("home/.docker");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("config.json"), format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#)).unwrap();
}

fn is_blob(request: &Request) -> bool {
    request.target.contains("/blobs/")
}

/// Whether it is for the one layer of the image.
fn is_layer(request: &Request) -> bool {
    request.target.ends_with(&digest(&busybox_files()))
}

fn is_manifest(request: &Request) -> bool {
    request.target.contains("/manifests/")
}

#[track_caller]
fn fails(fault: impl Fn(&Request, &TcpStream) -> Result<bool> + Send + Sync + 'static) -> Run {
    let (run, memory) = pulls(fault);
    assert!(memory < MOST_MEMORY, "{memory} MiB: {}", run.all());
    assert!(!run.status.success(), "{}", run.all());
    run
}

/// A fault that answers what `which` says with `response`.
fn answering(which: fn(&Request) -> bool, response: Response) -> impl Fn(&Request, &TcpStream) -> Result<bool> + Send + Sync {
    move |request, stream| if which(request) { respond(&response, stream).map(|()| true) } else { Ok(false) }
}

#[test]
fn an_hour_of_waiting_is_not_obeyed() {
    for (status, wait) in
        [(429, "3600"), (503, "99999999999999999999"), (429, "Fri, 31 Dec 9999 23:59:59 GMT"), (429, "-1"), (503, "\u{fe}")]
    {
        fails(answering(is_manifest, with(status, &[("retry-after", wait)], "{}"))).fails_with(ExitCode::Build);
    }
}

/// Writes a piece, and another one a moment later, for as long as someone listens.
fn trickle(mut stream: &TcpStream, head: &str, piece: &[u8], pause: Duration) -> Result<bool> {
    stream.write_all(head.as_bytes())?;
    while stream.write_all(piece).is_ok() {
        std::thread::sleep(pause);
    }
    Ok(true)
}

/// What trickles is left once it has stalled, and the error names what it was.
#[test]
fn a_body_that_trickles_is_left() {
    fn trickles(which: fn(&Request) -> bool, length: usize) -> Run {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        fails(move |request, stream| match which(request) {
            true => trickle(stream, &head, b" ", Duration::from_millis(500)),
            false => Ok(false),
        })
    }
    let layer = digest(&busybox_files());
    std::thread::scope(|scope| {
        // Each is waited for: they trickle side by side.
        scope.spawn(|| trickles(is_manifest, 4000).says("tag `base`").says("too long"));
        scope.spawn(|| trickles(is_layer, busybox_files().len()).says(&layer).says("too long"));
    });
}

#[test]
fn a_body_without_end_is_left_and_takes_no_memory() {
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.manifest.v1+json\r\nconnection: close\r\n\r\n";
    let piece = vec![b' '; 1 << 20];
    for which in [is_manifest as fn(&Request) -> bool, is_blob] {
        let piece = piece.clone();
        fails(move |request, stream| if which(request) { trickle(stream, endless, &piece, Duration::ZERO) } else { Ok(false) });
    }
}

#[test]
fn heads_without_end_are_left() {
    let line = format!("x-flood: {}\r\n", "x".repeat(1000)).repeat(1000);
    for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 ", "x"] {
        let line = if head.ends_with('\n') { line.clone() } else { "x".repeat(1 << 20) };
        fails(
            move |request, stream| {
                if is_manifest(request) { trickle(stream, head, line.as_bytes(), Duration::ZERO) } else { Ok(false) }
            },
        );
    }
}

#[test]
fn lengths_chunks_and_encodings_that_lie_are_errors() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\nconnection: close\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 206 Partial\r\ncontent-range: bytes 5-6/7\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 999 \u{1b}[31mred\r\ncontent-length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "",
    ];
    // Each run waits between its attempts, so they wait together.
    std::thread::scope(|scope| {
        for answer in answers {
            for which in [is_manifest as fn(&Request) -> bool, is_blob] {
                scope.spawn(move || {
                    fails(move |request, mut stream| match which(request) {
                        true => stream.write_all(answer.as_bytes()).map(|()| true),
                        false => Ok(false),
                    })
                });
            }
        }
    });
}

#[test]
fn pages_of_html_and_wrong_digests_are_errors() {
    let page = "<html><script>\u{1b}]0;owned\u{7}</script></html>";
    fails(answering(is_manifest, with(200, &[("content-type", "text/html")], page)));
    fails(answering(is_blob, with(200, &[("content-type", "text/html")], page)));
    fails(answering(is_manifest, with(200, &[("content-type", MANIFEST), ("docker-content-digest", "sha256:\u{1b}[31m")], "{}")));
    let other = format!("sha256:{}", "0".repeat(64));
    fails(answering(is_manifest, with(200, &[("content-type", MANIFEST), ("docker-content-digest", &other)], "{}")))
        .says("digest");
}

#[test]
fn a_manifest_that_changes_between_two_requests_is_whole_or_an_error() {
    let mut other = Images::new();
    other.image("base", &[busybox_files(), busybox_files()]);
    let count = AtomicUsize::new(0);
    let (run, _) = pulls(move |request, stream| {
        let turn = is_manifest(request) && count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if turn { respond(&other.answer(request), stream).map(|()| true) } else { Ok(false) }
    });
    if !run.status.success() {
        run.fails_with(ExitCode::Build);
    }
}

/// A download that breaks goes on where it was, and comes to an end when nothing comes of it.
#[test]
fn a_blob_whose_connection_breaks_again_and_again_is_had_or_an_error() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    fails(move |request, mut stream| {
        if !is_layer(request) {
            return Ok(false);
        }
        count.fetch_add(1, Ordering::SeqCst);
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\nab", busybox_files().len()).as_bytes())?;
        stream.shutdown(std::net::Shutdown::Both).map(|()| true)
    })
    .says(&digest(&busybox_files()));
    assert_eq!(seen.load(Ordering::SeqCst), 5, "attempts");
    // Half of what is left each time: all of it arrives, and is asked for from where it broke.
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let (run, _) = pulls(move |request, mut stream| {
        if !is_layer(request) {
            return Ok(false);
        }
        let files = busybox_files();
        let begin = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let (begin, number) = (begin.unwrap_or(0), count.fetch_add(1, Ordering::SeqCst));
        let end = if number < 4 { begin + (files.len() - begin) / 2 } else { files.len() };
        let status = if begin == 0 { "200 OK".to_owned() } else { "206 Partial".to_owned() };
        let range = format!("content-range: bytes {begin}-{}/{}", files.len() - 1, files.len());
        stream
            .write_all(format!("HTTP/1.1 {status}\r\n{range}\r\ncontent-length: {}\r\n\r\n", files.len() - begin).as_bytes())?;
        stream.write_all(&files[begin..end])?;
        stream.shutdown(std::net::Shutdown::Both).map(|()| true)
    });
    let _ = run.succeeds();
    assert_eq!(seen.load(Ordering::SeqCst), 5, "attempts");
}

/// A manifest is asked for again when its connection breaks.
#[test]
fn a_manifest_whose_connection_breaks_once_is_had() {
    let count = AtomicUsize::new(0);
    let (run, _) = pulls(move |request, mut stream| {
        let breaks = request.method == "GET" && is_manifest(request) && count.fetch_add(1, Ordering::SeqCst) < 2;
        if breaks {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{")?;
            stream.shutdown(std::net::Shutdown::Both)?;
        }
        Ok(breaks)
    });
    let _ = run.succeeds();
}

#[test]
fn storms_of_errors_come_to_an_end() {
    // Each run waits between its attempts, so they wait together.
    std::thread::scope(|scope| {
        for status in [500, 502, 503, 504, 429, 408] {
            scope.spawn(move || {
                let count = Arc::new(AtomicUsize::new(0));
                let seen = Arc::clone(&count);
                fails(move |request, stream| {
                    count.fetch_add(1, Ordering::SeqCst);
                    respond(&with(status, &[("retry-after", "0")], "\u{1b}[2Jno"), stream).map(|()| !request.target.is_empty())
                });
                assert!(seen.load(Ordering::SeqCst) < 30, "{} requests", seen.load(Ordering::SeqCst));
            });
        }
    });
}

#[test]
fn credentials_follow_no_redirect_to_another_host_or_port() {
    let thief = Scripted::start(|_| with(404, &[], "{}"));
    let to = format!("{}/v2/stolen", thief.url());
    for status in [301, 302, 303, 307, 308] {
        for which in [is_manifest as fn(&Request) -> bool, is_blob] {
            let to = to.clone();
            fails(move |request, stream| {
                if request.header("authorization").is_none() {
                    respond(&with(401, &[("www-authenticate", "Basic realm=\"x\"")], "{}"), stream)?;
                    return Ok(true);
                }
                if which(request) { respond(&with(status, &[("location", &to)], ""), stream).map(|()| true) } else { Ok(false) }
            });
        }
    }
    assert!(!thief.seen().is_empty(), "the redirect was followed");
    for request in thief.seen() {
        Canary::new(PASSWORD, &["ci"]).assert_not_in("a request to another port", &format!("{request:?}"));
    }
}

#[test]
fn redirects_in_circles_or_to_what_is_not_the_web_are_errors() {
    for to in [
        "/v2/a/manifests/base",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://",
        "//",
        "javascript:alert(1)",
        "gopher://127.0.0.1/x",
        "http://user:pass@127.0.0.1:1/",
        "\u{1b}[31m",
    ] {
        fails(answering(is_manifest, with(302, &[("location", to)], "")));
    }
}

/// A token server that the registry names: nothing is sent to it in the clear beyond loopback, and what it says is bounded.
#[test]
fn realms_that_are_hostile_get_nothing_and_end() {
    for (challenge, says) in [
        ("Bearer realm=\"file:///etc/passwd\",service=\"x\"", "not a web address"),
        ("Bearer realm=\"http://token.invalid/token\",service=\"x\"", "plain HTTP"),
        ("Bearer realm=\"not a url\"", "not a URL"),
        ("Bearer realm=\"\u{1b}[31m\"", "invalid HTTP header"),
        ("Bearer", "not a URL"),
        ("Negotiate", "not supported"),
        ("Bearer realm=\"", "not a URL"),
        ("Digest realm=\"x\", nonce=\"y\"", "not supported"),
    ] {
        let answer =
            with(401, &[("www-authenticate", challenge)], r#"{"errors":[{"code":"UNAUTHORIZED","message":"\u001b[31mno"}]}"#);
        let _ = fails(move |_, stream| respond(&answer, stream).map(|()| true)).says(says);
    }
    // For ever unauthorised, whatever is shown.
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    fails(move |request, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        if request.target.contains("/token") {
            return respond(&Response::json(200, r#"{"token":"t"}"#), stream).map(|()| true);
        }
        let host = request.header("host").unwrap_or_default();
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"x\",scope=\"repository:a:pull\"");
        respond(&with(401, &[("www-authenticate", &challenge)], "{}"), stream).map(|()| true)
    });
    assert!(seen.load(Ordering::SeqCst) < 30, "{} requests", seen.load(Ordering::SeqCst));
}

#[test]
fn tokens_without_end_or_with_line_ends_are_errors() {
    for token in ["x".repeat(8 << 20), "a\\r\\nx-injected: 1".to_owned(), "\\u001b[31m".to_owned(), String::new()] {
        let run = fails(move |request, stream| {
            if request.target.contains("/token") {
                return respond(&Response::json(200, &format!(r#"{{"token":"{token}"}}"#)), stream).map(|()| true);
            }
            assert!(request.header("x-injected").is_none());
            let host = request.header("host").unwrap_or_default();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"x\"");
            respond(&with(401, &[("www-authenticate", &challenge)], "{}"), stream).map(|()| true)
        });
        assert!(run.stderr.len() < 8192, "{}", run.stderr.len());
    }
}

/// A refusal that repeats what it was sent: neither the header nor the password in it is shown.
#[test]
fn what_a_registry_says_is_shown_short_clean_and_without_what_it_was_told() {
    let run = fails(|request, stream| {
        if request.header("authorization").is_none() {
            return respond(&with(401, &[("www-authenticate", "Basic realm=\"x\"")], "{}"), stream).map(|()| true);
        }
        let told = request.header("authorization").unwrap_or_default().to_owned();
        let body = format!(
            r#"{{"errors":[{{"code":"DENIED","message":"\u001b]0;t\u0007 you sent {told} and {PASSWORD} {}"}}]}}"#,
            "z".repeat(100_000)
        );
        respond(&with(403, &[], &body), stream).map(|()| true)
    });
    assert!(run.stderr.len() < 4096, "{}", run.all());
    run.fails_with(ExitCode::Credentials).says("denied").says("you sent");
}

/// Pushes through a proxy with a fault to a registry with a login.
fn pushes(answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> (Run, DockerRegistry) {
    let registry = DockerRegistry::with_login("ci", PASSWORD);
    let proxy = Proxy::before(registry.host(), answer);
    let den = Den::new();
    log_in(&den, proxy.host());
    den.workspace.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = den.workspace.windlass(["build", ".", "--push", "-t", &format!("{}/app:1", proxy.host())]).run();
    let run = den.kept(run);
    Canary::new(PASSWORD, &["ci"]).assert_not_in("what is shown", &run.all());
    (run, registry)
}

/// An upload's `Location` at another port or host must not be sent the credentials, nor the realm of a challenge there.
#[test]
fn an_upload_sent_elsewhere_takes_no_credentials_along() {
    let thief = Scripted::start(|request| match request.header("authorization") {
        None => with(401, &[("www-authenticate", "Basic realm=\"give\"")], "{}"),
        Some(_) => with(201, &[], "{}"),
    });
    let to = format!("{}/upload?state=1", thief.url());
    let (run, registry) = pushes(move |request| {
        (request.method == "POST" && request.header("authorization").is_some())
            .then(|| with(202, &[("location", &to), ("range", "0-0")], ""))
    });
    assert!(!run.status.success(), "{}", run.all());
    for request in thief.seen() {
        Canary::new(PASSWORD, &["ci"]).assert_not_in("a request to another port", &format!("{request:?}"));
        assert!(request.header("authorization").is_none(), "{request:?}");
    }
    assert!(registry.tags("app").is_empty());
}

#[test]
fn answers_to_uploads_that_lie_are_errors() {
    for location in ["", "file:///etc/passwd", "http://", "\u{1b}[31m", "/v2/../../x"] {
        let (run, registry) = pushes(move |request| {
            (request.method == "POST" && request.header("authorization").is_some())
                .then(|| with(202, &[("location", location)], ""))
        });
        assert!(!run.status.success() && registry.tags("app").is_empty(), "{location}: {}", run.all());
    }
    let (run, registry) = pushes(|request| {
        let other = format!("sha256:{}", "0".repeat(64));
        (request.method == "PUT" && request.target.contains("/manifests/"))
            .then(|| with(201, &[("docker-content-digest", &other)], ""))
    });
    run.fails_with(ExitCode::Push).says("digest");
    assert!(registry.tags("app").is_empty());
    let (run, _) = pushes(|request| {
        let told = format!("\u{1b}[31m{} {PASSWORD}", request.header("authorization").unwrap_or_default());
        (request.method == "PUT").then(|| with(500, &[("retry-after", "0")], &told))
    });
    run.fails_with(ExitCode::Push).says("500");
}
