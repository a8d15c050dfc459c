//! A server that answers as a test says, faults included.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came in; names of headers are in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A sound answer, whose `Content-Length` is right unless a header says otherwise.
    Sound { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, then silence.
    Hang(Vec<u8>),
    /// These bytes, then one more every `every`.
    Trickle { begin: Vec<u8>, every: Duration },
    /// The connection is closed.
    Close,
}

pub(crate) fn reply(status: u16) -> Reply {
    Reply::Sound { status, headers: Vec::new(), body: Vec::new() }
}

impl Reply {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Sound { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Self::Sound { body, .. } = &mut self {
            *body = bytes.into();
        }
        self
    }
}

/// A running server; it ends with the value.
pub(crate) struct Fake {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Fake {
    /// Answers every request as `answer` says, which also gets how many came before.
    pub(crate) async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    let _ = serve(stream, &seen, &*answer).await;
                });
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests that came in so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|request| request.is(method, part)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &(dyn Fn(&Request, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    match answer(&request, before) {
        Reply::Close => {}
        Reply::Raw(bytes) => stream.write_all(&bytes).await?,
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        Reply::Trickle { begin, every } => {
            stream.write_all(&begin).await?;
            loop {
                tokio::time::sleep(every).await;
                stream.write_all(b"x").await?;
            }
        }
        Reply::Sound { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            if request.method != "HEAD" {
                stream.write_all(&body).await?;
            }
        }
    }
    stream.shutdown().await
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 64 * 1024 || head.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            return Ok(None);
        }
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut request = Request {
        method: first.next().unwrap_or_default().to_owned(),
        target: first.next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if let Some(length) = request.header("content-length").and_then(|v| v.parse::<usize>().ok()) {
        request.body = vec![0; length];
        stream.read_exact(&mut request.body).await?;
    } else if request.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await?);
            }
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            stream.read_exact(&mut piece).await?;
            if size == 0 {
                break;
            }
            request.body.extend_from_slice(&piece[..size]);
        }
    }
    Ok(Some(request))
}
