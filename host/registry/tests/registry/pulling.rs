//! Pulling.

use std::sync::Mutex;

use windlass_core::{Digest, EventSink, Platform, Tag};
use windlass_registry::image::{Descriptor, Format};
use windlass_registry::{Blobs, Error, Mounts, Options, sha256};

use crate::fake::{Fake, Reply, Request, reply};
use crate::image::{Image, client, quick, reference, repository, told};
use crate::server::Server;

fn amd64() -> Platform {
    Platform::parse("linux/amd64").unwrap()
}

fn store() -> (tempfile::TempDir, Blobs) {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(directory.path()).unwrap();
    (directory, blobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_resolved_by_tag_and_by_digest_and_its_layers_are_verified() {
    let server = Server::open();
    let image = Image::new(Format::Docker, "linux/amd64", "pull");
    let (registry, repository) = (client(Options::default()), repository(&server.host(), "team/app"));
    let events = EventSink::silent();
    let pushed = registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    registry.push_tags(&repository, image.tree.root(), &pushed, &[Tag::parse("1").unwrap()], &events).await.unwrap();
    let by_tag = reference(&format!("{repository}:1"));
    assert_eq!(registry.resolve_digest(&by_tag).await.unwrap(), *image.tree.root().digest());
    assert!(registry.exists(&by_tag).await.unwrap());
    assert!(!registry.exists(&reference(&format!("{repository}:2"))).await.unwrap());
    let (_directory, blobs) = store();
    for reference in [by_tag.clone(), repository.at(image.tree.root().digest().clone())] {
        let found = registry.resolve_cached(&reference, &amd64(), &blobs).await.unwrap();
        assert_eq!(found.layers, image.layers);
        assert_eq!(found.config.platform(), amd64());
    }
    for layer in &image.layers {
        registry.fetch_blob(&repository, layer, &blobs, &|_| {}, None).await.unwrap();
        blobs.verify(&layer.digest).unwrap();
    }
    drop(server);
    let pinned = repository.at(image.tree.root().digest().clone());
    registry.resolve_cached(&pinned, &amd64(), &blobs).await.expect("a digest that is in the store needs no registry");
    let error = client(quick()).resolve(&by_tag, &amd64()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{}", told(&error));
    assert!(told(&error).contains("refused") && told(&error).contains("check that the registry runs"), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let server = Server::open();
    let registry = client(quick());
    let error = registry.resolve(&reference(&format!("{}/none:1", server.host())), &amd64()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. } | Error::RepositoryMissing { .. }), "{error:?}");
    assert!(told(&error).contains("none"), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_are_listed_page_by_page() {
    let fake = Fake::start(|request, _| {
        let (from, next) = match request.target.split_once("last=") {
            None => (0, true),
            Some((_, last)) => (last.parse::<u32>().unwrap(), last == "3"),
        };
        let page = format!(r#"{{"name":"a","tags":["t{from}","not a tag"]}}"#);
        let link = if from == 0 { "</v2/a/tags/list?last=3>; rel=\"next\"" } else { "</v2/a/tags/list?last=6>; rel=\"next\"" };
        let answer = reply(200).body(page);
        if next && from < 6 { answer.with("Link", link) } else { answer }
    })
    .await;
    let tags = client(quick()).tags(&repository(&fake.host(), "a")).await.unwrap();
    assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["t0", "t3", "t6"]);
    // A page that leads to itself ends too, and one on another host is not asked.
    let endless = Fake::start(|_, _| reply(200).body(r#"{"tags":["a"]}"#).with("Link", "</v2/a/tags/list>; rel=next")).await;
    assert!(client(quick()).tags(&repository(&endless.host(), "a")).await.is_err());
    let away = Fake::start(|_, _| reply(200).body(r#"{"tags":[]}"#).with("Link", "<http://192.0.2.1/>; rel=next")).await;
    assert!(client(quick()).tags(&repository(&away.host(), "a")).await.is_err());
}

/// A blob that is served as `answer` says.
async fn serving(
    content: Vec<u8>,
    answer: impl Fn(&Request, &[u8], usize) -> Reply + Send + Sync + 'static,
) -> (Fake, Descriptor) {
    let blob = Descriptor::new("x", sha256(&content), content.len() as u64);
    let fake = Fake::start(move |request, count| answer(request, &content, count)).await;
    (fake, blob)
}

fn content() -> Vec<u8> {
    (0..400_000_u32).map(|n| (n / 7 % 251) as u8).collect()
}

async fn fetch(fake: &Fake, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    let (_directory, blobs) = store();
    let done = Mutex::new(0);
    let got = client(quick())
        .fetch_blob(&repository(&fake.host(), "a"), blob, &blobs, &|bytes| *done.lock().unwrap() = bytes, None)
        .await;
    let left = std::fs::read_dir(blobs.root().join("ingest")).unwrap().count();
    assert_eq!(left, 0, "nothing half-written is left");
    got?;
    assert_eq!(*done.lock().unwrap(), blob.size);
    Ok(blobs.read(&blob.digest, u64::MAX).unwrap())
}

fn cut(content: &[u8], status: &str, range: &str, length: usize, part: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{range}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(part);
    let _ = content;
    Reply::Raw(bytes)
}

fn begin_of(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_where_it_was() {
    let (fake, blob) = serving(content(), |request, all, _| match begin_of(request) {
        None => cut(all, "200 OK", "", all.len(), &all[..150_000]),
        Some(begin) => {
            let range = format!("Content-Range: bytes {begin}-{}/{}\r\n", all.len() - 1, all.len());
            cut(all, "206 Partial", &range, all.len() - begin, &all[begin..])
        }
    })
    .await;
    assert_eq!(fetch(&fake, &blob).await.unwrap(), content());
    assert_eq!(begin_of(&fake.seen()[1]), Some(150_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_that_cannot_go_on_in_the_middle_are_read_from_the_beginning() {
    // One ignores the range, one refuses it, one closes the connection in place of a length.
    let (ignores, blob) =
        serving(
            content(),
            |_, all, count| {
                if count == 0 { cut(all, "200 OK", "", all.len(), &all[..150_000]) } else { reply(200).body(all) }
            },
        )
        .await;
    assert_eq!(fetch(&ignores, &blob).await.unwrap(), content());
    let (refuses, blob) = serving(content(), |request, all, count| match (begin_of(request), count) {
        (Some(_), _) => reply(416),
        (None, 0) => cut(all, "200 OK", "", all.len(), &all[..150_000]),
        (None, _) => reply(200).body(all),
    })
    .await;
    assert_eq!(fetch(&refuses, &blob).await.unwrap(), content());
    let (closes, blob) = serving(content(), |request, all, _| {
        let (head, part) = match begin_of(request) {
            None => ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), &all[..150_000]),
            Some(begin) => (format!("HTTP/1.1 206 Partial\r\nContent-Range: bytes {begin}-/*\r\n\r\n"), &all[begin..]),
        };
        Reply::Raw([head.as_bytes(), part].concat())
    })
    .await;
    assert_eq!(fetch(&closes, &blob).await.unwrap(), content());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_answers_are_read() {
    let (fake, blob) = serving(content(), |_, all, _| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in all.chunks(70_000) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        Reply::Raw(bytes)
    })
    .await;
    assert_eq!(fetch(&fake, &blob).await.unwrap(), content());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_too_many_too_few_or_wrong_are_refused() {
    let (longer, blob) = serving(content(), |_, all, _| reply(200).body([all, b"x"].concat())).await;
    assert!(matches!(fetch(&longer, &blob).await, Err(Error::SizeMismatch { found: 400_001, .. })));
    let (endless, blob) =
        serving(content(), |_, all, _| Reply::Raw([b"HTTP/1.1 200 OK\r\n\r\n", &all.repeat(3)[..]].concat())).await;
    assert!(matches!(fetch(&endless, &blob).await, Err(Error::SizeMismatch { .. })));
    let (shorter, blob) = serving(content(), |_, all, _| reply(200).body(&all[1..])).await;
    assert!(matches!(fetch(&shorter, &blob).await, Err(Error::SizeMismatch { found: 399_999, .. })));
    let (other, blob) = serving(content(), |_, all, _| reply(200).body(vec![0; all.len()])).await;
    let error = fetch(&other, &blob).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{}", told(&error));
    let (part, blob) = serving(content(), |request, all, _| match begin_of(request) {
        None => cut(all, "200 OK", "", all.len(), &all[..150_000]),
        Some(_) => cut(all, "206 Partial", "Content-Range: bytes 0-9/10\r\n", 10, &all[..10]),
    })
    .await;
    assert!(told(&fetch(&part, &blob).await.unwrap_err()).contains("another part"));
    let (encoded, blob) = serving(content(), |_, all, _| reply(200).with("Content-Encoding", "gzip").body(all)).await;
    assert!(told(&fetch(&encoded, &blob).await.unwrap_err()).contains("gzip"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_is_only_claimed_takes_no_memory_and_no_time() {
    let fake = Fake::start(|_, _| reply(200).body("tiny")).await;
    let blob = Descriptor::new("x", Digest::from_sha256([1; 32]), u64::MAX / 2);
    assert!(matches!(fetch(&fake, &blob).await, Err(Error::SizeMismatch { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn sha512_blobs_are_verified_too() {
    let zero = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
    let digest = Digest::parse(&format!("sha512:{zero}")).unwrap();
    let fake = Fake::start(|_, _| reply(200).body("x")).await;
    let error = fetch(&fake, &Descriptor::new("x", digest.clone(), 1)).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{}", told(&error));
    assert_eq!(fetch(&fake, &Descriptor::new("x", digest, 0)).await.unwrap(), b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_fetches_of_one_blob_fetch_it_once() {
    let (fake, blob) = serving(content(), |_, all, _| reply(200).body(all)).await;
    let (_directory, blobs) = store();
    let (registry, repository) = (client(quick()), repository(&fake.host(), "a"));
    let fetches = (0..8).map(|_| registry.fetch_blob(&repository, &blob, &blobs, &|_| {}, None));
    futures_util::future::try_join_all(fetches).await.unwrap();
    assert_eq!(fake.seen().len(), 1);
}
