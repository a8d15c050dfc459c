//! A registry that stands before another one and answers some requests itself, as ECR would.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::scripted::{Request, Response, Scripted};

/// A proxy before a registry.
#[derive(Debug)]
pub struct Proxy {
    server: Scripted,
}

impl Proxy {
    /// Passes requests on to the registry at `upstream`, but those that `answer` answers itself.
    #[must_use]
    pub fn before(upstream: &str, answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> Self {
        let upstream = upstream.to_owned();
        let server = Scripted::start(move |request| match answer(request) {
            Some(response) => response,
            None => forward(&upstream, request).unwrap_or_else(|error| Response::json(502, &error.to_string())),
        });
        Self { server }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.server.host()
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        self.server.seen()
    }
}

/// Sends a request on as it came, `Host` included, so that the registry's redirects lead back here.
fn forward(upstream: &str, request: &Request) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(upstream)?;
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length" | "expect") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    stream.write_all(format!("{head}content-length: {}\r\n\r\n", request.body.len()).as_bytes())?;
    stream.write_all(&request.body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| std::io::Error::other("the registry's answer has no head"))
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers = head.lines().skip(1).filter_map(header).filter(|(name, _)| !name.eq_ignore_ascii_case("connection")).collect();
    Some(Response { status, headers, body: bytes[end + 4..].to_vec() })
}
