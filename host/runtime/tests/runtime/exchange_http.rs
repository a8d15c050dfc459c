//! The transport against a real listener on loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use windlass_core::Secret;
use windlass_runtime::exchange_http::{HttpTransport, PrivateAddresses};
use windlass_runtime::host::exchange::{Request, Response, Transport, TransportError};

fn transport() -> HttpTransport {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    HttpTransport::new(tls, Duration::from_millis(500), PrivateAddresses::Refused).unwrap()
}

/// Serves one connection with `answer`, and gives what was asked.
async fn exchange(answer: &[u8], hold: Duration) -> (Result<Response, TransportError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    let request = Request {
        method: "POST",
        url,
        headers: vec![("Authorization".to_owned(), Secret::new("Bearer canary"))],
        body: Some(Secret::new("a=b")),
        most: 100,
    };
    let transport = transport();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&asked[..length]).ends_with("\r\n\r\na=b") {
            length += stream.read(&mut asked[length..]).await.unwrap();
        }
        tokio::time::sleep(hold).await;
        // The client may have hung up by now.
        let _ = stream.write_all(answer).await;
        String::from_utf8_lossy(&asked[..length]).into_owned()
    };
    tokio::join!(transport.send(request), serve)
}

fn with_body(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_composed_and_its_answer_comes_back() {
    let (answer, asked) = exchange(&with_body(r#"{"x":1}"#), Duration::ZERO).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.body.expose()), (200, r#"{"x":1}"#));
    assert!(!format!("{answer:?}").contains("\"x\""));
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n") && asked.contains("authorization: Bearer canary"), "{asked}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (answer, _) = exchange(answer, Duration::ZERO).await;
    assert!(matches!(answer, Err(TransportError::NotGranted(_))), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_late_or_no_text_is_an_error() {
    let (answer, _) = exchange(&with_body(&"x".repeat(101)), Duration::ZERO).await;
    assert!(matches!(answer, Err(TransportError::Unreadable(_))), "{answer:?}");
    let endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx";
    let (answer, _) = exchange(endless, Duration::ZERO).await;
    assert!(answer.is_err(), "{answer:?}");
    let (answer, _) = exchange(&with_body("{}"), Duration::from_secs(2)).await;
    assert!(matches!(answer, Err(TransportError::TimedOut(_))), "{answer:?}");
    let (answer, _) = exchange(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n\xff", Duration::ZERO).await;
    assert!(matches!(answer, Err(TransportError::Unreadable(_))), "{answer:?}");
}

#[tokio::test]
async fn the_metadata_service_of_clouds_is_out_of_reach() {
    for url in ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/latest", "http://[::ffff:169.254.169.254]/"] {
        let request = Request { method: "GET", url: url.parse().unwrap(), headers: Vec::new(), body: None, most: 100 };
        let answer = transport().send(request).await;
        assert!(matches!(answer, Err(TransportError::NotGranted(_))), "{url}: {answer:?}");
    }
}
