//! TLS: a private authority, no verification, and servers of the wrong kind.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use windlass_core::{EventSink, Platform};
use windlass_registry::image::Format;
use windlass_registry::{Error, Mounts, Options};

use crate::fake::{Fake, reply};
use crate::image::{Image, client, quick, reference, repository, told};
use crate::server::{Server, Setup};

struct Certificate {
    _directory: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

fn certificate() -> Certificate {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("crt.pem"), directory.path().join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args([std::ffi::OsStr::new("-out"), certificate.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Certificate { _directory: directory, certificate, key }
}

async fn push(server: &Server, options: Options) -> Result<(), Error> {
    let image = Image::new(Format::Oci, "linux/amd64", "tls");
    let repository = repository(&server.host(), "a");
    client(options).push_content(&repository, &image.tree, &image.store, &Mounts::new(), &EventSink::silent()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_unless_the_user_says_otherwise() {
    let made = certificate();
    let server = Server::start(&Setup { tls: Some((&made.certificate, &made.key)), ..Setup::default() });
    let error = push(&server, Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{}", told(&error));
    assert!(told(&error).contains("certificate authority as a PEM file"), "{}", told(&error));
    let mut options = Options::default();
    options.certificate_authorities.insert(server.host(), vec![made.certificate.clone()]);
    push(&server, options).await.expect("loopback is tried with TLS when it is not plain HTTP");
    // The authority is trusted, the name is not the one it was made for.
    let mut options = quick();
    options.map_registry(&format!("r.example=https://localhost:{}", server.port)).unwrap();
    options.certificate_authorities.insert("r.example".to_owned(), vec![made.certificate.clone()]);
    let error = client(options).resolve_digest(&reference("r.example/a:1")).await.unwrap_err();
    assert!(told(&error).contains("the name that the certificate is made for"), "{}", told(&error));
    let mut options = Options::default();
    options.skip_tls_verify.push = true;
    push(&server, options.clone()).await.unwrap();
    let pull = client(options).resolve(&reference(&format!("{}/a:1", server.host())), &Platform::host()).await;
    assert!(matches!(pull, Err(Error::Unreachable { .. })), "what counts for pushes does not count for pulls");
    let mut options = Options::default();
    options.insecure.named.insert(server.host());
    push(&server, options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_files_that_cannot_be_used_are_named() {
    let made = certificate();
    let server = Server::start(&Setup { tls: Some((&made.certificate, &made.key)), ..Setup::default() });
    let mut options = Options::default();
    options.map_registry(&format!("{}=https://{}", server.host(), server.host())).unwrap();
    options.certificate_authorities.insert(server.host(), vec![made.key.clone()]);
    let error = push(&server, options).await.unwrap_err();
    assert!(matches!(error, Error::Setup { .. }) && told(&error).contains("key.pem"), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_server_where_tls_is_demanded_is_an_error() {
    let fake = Fake::start(|_, _| reply(200)).await;
    let mut options = quick();
    options.map_registry(&format!("r.example=https://{}", fake.host())).unwrap();
    let error = client(options).resolve_digest(&reference("r.example/a:1")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_in_plain_http_is_not_taken_from_a_registry_in_tls() {
    // The registry is TLS by docker-registry's own token authentication, which names a realm in plain HTTP.
    let made = certificate();
    let tokens = Fake::start(|_, _| reply(200).body(r#"{"token":"t"}"#)).await;
    let realm = tokens.url("/token");
    let server = Server::start(&Setup {
        tls: Some((&made.certificate, &made.key)),
        realm: Some((&realm, &made.certificate)),
        ..Setup::default()
    });
    let mut options = quick();
    options.map_registry(&format!("r.example=https://{}", server.host())).unwrap();
    options.certificate_authorities.insert("r.example".to_owned(), vec![made.certificate.clone()]);
    let error = client(options).resolve_digest(&reference("r.example/a:1")).await.unwrap_err();
    assert!(told(&error).contains("is not https"), "{}", told(&error));
    assert!(tokens.seen().is_empty());
}
