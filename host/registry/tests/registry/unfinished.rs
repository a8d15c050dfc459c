//! Blobs that are sent while they are written.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use windlass_registry::image::Descriptor;
use windlass_registry::{Arriving, BlobWriter, Blobs, Error, Options, Placed, arriving, sha256};

use crate::fake::{Fake, Reply, reply};
use crate::image::{client, quick, repository, told};
use crate::server::Server;

/// A store with a blob that is being written, and the other end of that.
fn begun() -> (TempDir, Blobs, BlobWriter, Arriving) {
    let directory = tempfile::tempdir().unwrap();
    let store = Blobs::open(directory.path()).unwrap();
    let (arrival, arriving) = arriving();
    let writer = store.writer().unwrap().announced(arrival).unwrap();
    (directory, store, writer, arriving)
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new("application/octet-stream", sha256(bytes), bytes.len() as u64)
}

/// Two pieces, the first larger than what is read at once.
fn pieces() -> [Vec<u8>; 2] {
    [vec![b'1'; 700_000], vec![b'2'; 100]]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_unfinished_is_in_the_repository() {
    let server = Server::open();
    let (registry, repository) = (client(Options::default()), repository(&server.host(), "a/b"));
    let (_directory, store, mut writer, arriving) = begun();
    let (sender, to) = (registry.clone(), repository.clone());
    let sending = tokio::spawn(async move { sender.send_arriving(&to, arriving).await });
    let [first, second] = pieces();
    writer.write_all(&first).unwrap();
    writer.write_all(&second).unwrap();
    writer.commit().unwrap();
    let whole = [first, second].concat();
    let blob = descriptor(&whole);
    let sent = sending.await.unwrap().unwrap();
    registry.end_upload(sent, &blob).await.unwrap();
    assert_eq!(registry.push_blob(&repository, &blob, &store, &[], &|_| {}).await.unwrap(), Placed::Existed);
    let elsewhere = tempfile::tempdir().unwrap();
    let fresh = Blobs::open(elsewhere.path()).unwrap();
    client(Options::default()).fetch_blob(&repository, &blob, &fresh, &|_| {}, None).await.unwrap();
    assert_eq!(fresh.read(&blob.digest, u64::MAX).unwrap(), whole);
}

/// A registry of one upload that tells when the first piece has come in.
async fn one_upload(listener: TcpListener, has_first: Arc<Notify>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        let (status, location) = match head.split(' ').next().unwrap() {
            "PATCH" => {
                let mut seen = 0;
                while seen < pieces()[0].len() {
                    seen += stream.read(&mut vec![0; 1 << 20]).await.unwrap();
                }
                has_first.notify_one();
                let mut rest = Vec::new();
                while !rest.ends_with(b"\r\n0\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut rest).await.unwrap(), 0, "the body has no end");
                }
                (202, "Location: /up/2\r\n")
            }
            "POST" => (202, "Location: /up/1\r\n"),
            _ => (201, ""),
        };
        let answer = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{location}Content-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_on_their_way_before_the_last_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let repository = repository(&listener.local_addr().unwrap().to_string(), "a/b");
    let has_first = Arc::new(Notify::new());
    let server = tokio::spawn(one_upload(listener, Arc::clone(&has_first)));
    let registry = client(Options::default());
    let (_directory, _store, mut writer, arriving) = begun();
    let (sender, to) = (registry.clone(), repository.clone());
    let sending = tokio::spawn(async move { sender.send_arriving(&to, arriving).await });
    let [first, second] = pieces();
    writer.write_all(&first).unwrap();
    // Were it sent at its end only, this would wait for ever.
    tokio::time::timeout(Duration::from_secs(20), has_first.notified()).await.expect("the first piece does not come in");
    writer.write_all(&second).unwrap();
    writer.commit().unwrap();
    let sent = sending.await.unwrap().unwrap();
    registry.end_upload(sent, &descriptor(&[first, second].concat())).await.unwrap();
    server.abort();
}

/// A registry that takes uploads, apart from what it answers to PATCH.
async fn answering(patch: impl Fn() -> Reply + Send + Sync + 'static) -> Fake {
    Fake::start(move |request, _| match request.method.as_str() {
        "POST" => reply(202).with("Location", "/up/1"),
        "PATCH" => patch(),
        _ => reply(201),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_given_up_or_refused_is_no_blob() {
    let fake = answering(|| reply(202).with("Location", "/up/2")).await;
    let to = repository(&fake.host(), "a/b");
    let (_directory, _store, mut writer, arriving) = begun();
    writer.write_all(b"half").unwrap();
    let sending = tokio::spawn(async move { client(quick()).send_arriving(&to, arriving).await });
    drop(writer);
    let error = sending.await.unwrap().unwrap_err();
    assert!(told(&error).contains("has given it up"), "{}", told(&error));
    assert_eq!(fake.count("PUT", "/"), 0);

    for (answer, expected) in [(405, "405"), (404, "such upload"), (202, "no location")] {
        let fake = answering(move || reply(answer)).await;
        let to = repository(&fake.host(), "a/b");
        let (_directory, _store, mut writer, arriving) = begun();
        writer.write_all(b"whole").unwrap();
        writer.commit().unwrap();
        let error = client(quick()).send_arriving(&to, arriving).await.unwrap_err();
        assert!(told(&error).contains(expected), "{}", told(&error));
        assert_eq!(fake.count("PATCH", "/"), 1, "it can be sent once only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_not_ended_as_another_blob() {
    let fake = answering(|| reply(202).with("Location", "/up/2?state=a%2Fb")).await;
    let (registry, to) = (client(quick()), repository(&fake.host(), "a/b"));
    for (told_of, is_right) in [(&b"other length"[..], false), (b"whole", true)] {
        let (_directory, _store, mut writer, arriving) = begun();
        writer.write_all(b"whole").unwrap();
        writer.commit().unwrap();
        let sent = registry.send_arriving(&to, arriving).await.unwrap();
        let ended = registry.end_upload(sent, &descriptor(told_of)).await;
        assert_eq!(ended.is_ok(), is_right);
        assert!(is_right || matches!(ended, Err(Error::Protocol { .. })));
    }
    let ends: Vec<_> = fake.seen().into_iter().filter(|request| request.method == "PUT").collect();
    assert_eq!(ends.len(), 1);
    assert!(ends[0].target.starts_with("/up/2?state=a%2Fb&digest=sha256%3A"), "{}", ends[0].target);
}
