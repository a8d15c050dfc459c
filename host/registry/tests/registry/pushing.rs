//! Pushing.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use windlass_core::{EventSink, Platform, Tag};
use windlass_registry::image::{Format, Tree};
use windlass_registry::{Blobs, Error, LazyBlobs, Mounts, Options, Placed, sha256};

use crate::fake::{Fake, Reply, reply};
use crate::image::{Image, client, quick, reference, repository, told};
use crate::server::Server;

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pushed_and_read_back_by_skopeo() {
    let server = Server::open();
    for (format, path) in [(Format::Oci, "team/oci"), (Format::Docker, "team/docker")] {
        let image = Image::new(format, "linux/amd64", path);
        let (registry, repository) = (client(Options::default()), repository(&server.host(), path));
        let events = EventSink::silent();
        let pushed = registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
        assert!(pushed.blobs.iter().all(|(_, placed)| *placed == Placed::Uploaded));
        assert!(registry.tags(&repository).await.is_err() || registry.tags(&repository).await.unwrap().is_empty(), "no tag yet");
        registry.push_tags(&repository, image.tree.root(), &pushed, &[tag("1"), tag("latest")], &events).await.unwrap();
        let mut tags = registry.tags(&repository).await.unwrap();
        tags.sort();
        assert_eq!(tags, [tag("1"), tag("latest")]);
        let output =
            Command::new("skopeo").args(["inspect", "--tls-verify=false", &format!("docker://{repository}:1")]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(image.tree.root().digest().as_str()), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(&format!("SALT={path}")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_pushed_with_its_images() {
    let server = Server::open();
    let images = [Image::new(Format::Oci, "linux/amd64", "a"), Image::new(Format::Oci, "linux/arm64", "b")];
    let listed = [("amd64", &images[0]), ("arm64", &images[1])]
        .map(|(name, image)| (image.tree.root().clone(), Platform::parse(name).unwrap()));
    let tree = Tree::index(Format::Oci, listed.iter().cloned().map(Into::into).collect(), Default::default()).unwrap();
    let (registry, repository) = (client(Options::default()), repository(&server.host(), "multi"));
    for image in &images {
        image.store.put(tree.root().bytes()).unwrap();
        for blob in images[0].tree.blobs() {
            image.store.put(&images[0].store.read(&blob.digest, u64::MAX).unwrap()).unwrap();
        }
    }
    let pushed = registry.push_content(&repository, &tree, &images[1].store, &Mounts::new(), &EventSink::silent()).await.unwrap();
    registry.push_tags(&repository, tree.root(), &pushed, &[tag("1")], &EventSink::silent()).await.unwrap();
    let reference = reference(&format!("{repository}:1"));
    let found = registry.resolve(&reference, &Platform::parse("arm64").unwrap()).await.unwrap();
    assert_eq!(found.manifest.digest(), images[1].tree.root().digest());
    assert_eq!(found.pinned(), repository.at(tree.root().digest().clone()));
    assert_eq!(found.config.config.env, ["SALT=b"]);
    let error = registry.resolve(&reference, &Platform::parse("s390x").unwrap()).await.unwrap_err();
    assert!(told(&error).contains("it has linux/amd64, linux/arm64"), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_are_there_are_not_sent_and_others_are_mounted() {
    let server = Server::open();
    let image = Image::new(Format::Oci, "linux/amd64", "mount");
    let (base, target) = (repository(&server.host(), "base"), repository(&server.host(), "target"));
    let events = EventSink::silent();
    client(Options::default()).push_content(&base, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    let again = client(Options::default()).push_content(&base, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    assert!(again.blobs.iter().all(|(_, placed)| *placed == Placed::Existed));
    // A store without the blobs, and nothing to fetch them from: mounting needs neither.
    let directory = tempfile::tempdir().unwrap();
    let empty = Blobs::open(directory.path()).unwrap();
    let mounts: Mounts = image.tree.blobs().iter().map(|blob| (blob.digest.clone(), vec![base.clone()])).collect();
    let mounted = client(Options::default()).push_content(&target, &image.tree, &empty, &mounts, &events).await.unwrap();
    assert!(mounted.blobs.iter().all(|(_, placed)| *placed == Placed::Mounted));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_layers_are_fetched_only_when_they_are_needed() {
    let (here, there) = (Server::open(), Server::open());
    let image = Image::new(Format::Oci, "linux/amd64", "lazy");
    let (base, target) = (repository(&here.host(), "base"), repository(&there.host(), "target"));
    let registry = client(Options::default());
    registry.push_content(&base, &image.tree, &image.store, &Mounts::new(), &EventSink::silent()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(directory.path()).unwrap();
    let origins = image.tree.blobs().iter().map(|blob| (blob.digest.clone(), base.clone())).collect();
    let lazy = LazyBlobs { blobs: blobs.clone(), registry: registry.clone(), origins };
    registry.push_content(&base, &image.tree, &lazy, &Mounts::new(), &EventSink::silent()).await.unwrap();
    assert!(!blobs.contains(&image.layers[0].digest), "nothing was needed");
    registry.push_content(&target, &image.tree, &lazy, &Mounts::new(), &EventSink::silent()).await.unwrap();
    assert!(blobs.contains(&image.layers[0].digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_for_below_a_manifest_that_is_there() {
    let image = Image::new(Format::Oci, "linux/amd64", "there");
    let digest = image.tree.root().digest().to_string();
    let fake = lenient(move |request, _| {
        let is_asked_for = request.method == "HEAD" && request.target.contains("/manifests/");
        is_asked_for.then(|| reply(200).with("Docker-Content-Digest", digest.clone()))
    })
    .await;
    let repository = repository(&fake.host(), "a/b");
    let (registry, events) = (client(Options::default()), EventSink::silent());
    let pushed = registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    assert!(pushed.blobs.iter().all(|(_, placed)| *placed == Placed::Existed));
    assert_eq!(fake.count("HEAD", "/blobs/") + fake.count("POST", "/") + fake.count("PUT", "/"), 0);
    registry.push_whole_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    assert_eq!(fake.count("PUT", "/manifests/"), 1);
}

/// Answers as a registry that takes every upload, apart from what `fault` says of a request.
async fn lenient(fault: impl Fn(&crate::fake::Request, usize) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    let puts = Mutex::new(0);
    Fake::start(move |request, count| {
        if let Some(fault) = fault(request, count) {
            return fault;
        }
        match request.method.as_str() {
            "HEAD" => reply(404),
            "POST" | "PATCH" => reply(202).with("Location", format!("/v2/up/{count}?state=a%2Fb")),
            "PUT" => {
                *puts.lock().unwrap() += 1;
                reply(201)
            }
            _ => reply(404),
        }
    })
    .await
}

async fn push_one(fake: &Fake, image: &Image) -> Result<Placed, Error> {
    let repository = repository(&fake.host(), "a/b");
    client(quick()).push_blob(&repository, &image.layers[0], &image.store, &[], &|_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn push_retries_after_429_and_keeps_the_digest() {
    let image = Image::new(Format::Oci, "linux/amd64", "429");
    let refused = AtomicUsize::new(0);
    let fake = lenient(move |request, _| {
        let first = request.method == "PUT" && refused.fetch_add(1, Ordering::SeqCst) < 2;
        first.then(|| reply(429).with("Retry-After", "0"))
    })
    .await;
    assert_eq!(push_one(&fake, &image).await.unwrap(), Placed::Uploaded);
    let puts: Vec<_> = fake.seen().into_iter().filter(|r| r.method == "PUT").collect();
    assert_eq!(puts.len(), 3);
    let expected = image.store.read(&image.layers[0].digest, u64::MAX).unwrap();
    assert!(puts.iter().all(|put| put.body == expected));
    assert!(puts[2].target.contains("state=a%2Fb&digest=sha256%3A"), "{}", puts[2].target);
    assert_eq!(fake.count("POST", "/uploads/"), 3, "each attempt has its own upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_an_upload_starts_it_over() {
    let image = Image::new(Format::Oci, "linux/amd64", "break");
    let broken = AtomicUsize::new(0);
    let fake = lenient(move |request, _| {
        (request.method == "PUT" && broken.fetch_add(1, Ordering::SeqCst) == 0).then_some(Reply::Close)
    })
    .await;
    assert_eq!(push_one(&fake, &image).await.unwrap(), Placed::Uploaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_never_answered_ends_in_time() {
    let image = Image::new(Format::Oci, "linux/amd64", "hang");
    let fake = lenient(|request, _| (request.method == "PUT").then(|| Reply::Hang(Vec::new()))).await;
    let error = push_one(&fake, &image).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_is_not_done_goes_on_as_an_upload() {
    let image = Image::new(Format::Oci, "linux/amd64", "202");
    let fake = lenient(|_, _| None).await;
    let (to, from) = (repository(&fake.host(), "a/b"), repository(&fake.host(), "base"));
    let placed = client(quick()).push_blob(&to, &image.layers[0], &image.store, &[from], &|_| {}).await.unwrap();
    assert_eq!(placed, Placed::Uploaded);
    assert_eq!(fake.count("POST", "mount=sha256"), 1);
    assert_eq!(fake.count("POST", "/uploads/"), 1, "the session of the mount is used");
    // A registry that refuses mounts altogether is asked for a plain upload.
    let fake = lenient(|request, _| request.target.contains("mount=").then(|| reply(405))).await;
    let (to, from) = (repository(&fake.host(), "a/b"), repository(&fake.host(), "base"));
    client(quick()).push_blob(&to, &image.layers[0], &image.store, &[from], &|_| {}).await.unwrap();
    assert_eq!(fake.count("POST", "/uploads/"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_answers_to_uploads_are_named() {
    let image = Image::new(Format::Oci, "linux/amd64", "faulty");
    let other = sha256(b"other").to_string();
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("POST", reply(202), "no location"),
        ("POST", reply(202).with("Location", "ftp://x/"), "not a web address"),
        ("POST", reply(202).with("Location", "http://[bad"), "not a location"),
        ("POST", reply(200), "status 200"),
        (
            "POST",
            reply(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository does not exist"}]}"#),
            "does not exist",
        ),
        ("POST", reply(403).body("<html>\u{1b}[2Jno"), "denied the push"),
        ("PUT", reply(202).with("Location", "/v2/x"), "status 202"),
        ("PUT", reply(201).with("Docker-Content-Digest", other), "has the digest"),
        ("PUT", reply(413), "limit on request bodies"),
    ];
    for (method, answer, expected) in cases {
        let fake = lenient(move |request, _| (request.method == method).then(|| answer.clone())).await;
        let error = push_one(&fake, &image).await.unwrap_err();
        assert!(told(&error).contains(expected), "{expected}: {}", told(&error));
        assert!(!told(&error).contains('\u{1b}'));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_blob_that_is_cut_is_not_sent() {
    let image = Image::new(Format::Oci, "linux/amd64", "cut");
    std::fs::write(image.store.path(&image.layers[0].digest), b"short").unwrap();
    let fake = lenient(|_, _| None).await;
    let error = push_one(&fake, &image).await.unwrap_err();
    assert!(matches!(error, Error::Source { .. }), "{}", told(&error));
    assert!(told(&error).contains("5 bytes long"), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_is_an_error_unless_it_is_as_wanted() {
    let image = Image::new(Format::Oci, "linux/amd64", "immutable");
    let body = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag '1' already exists in the 'a/b' repository and cannot be overwritten because the repository is immutable."}]}"#;
    for (held, accepted) in [(sha256(b"other"), false), (image.tree.root().digest().clone(), true)] {
        let fake = lenient(move |request, _| match request.method.as_str() {
            "PUT" => Some(reply(400).body(body)),
            "HEAD" => Some(reply(200).with("Docker-Content-Digest", held.to_string())),
            _ => None,
        })
        .await;
        let put = client(quick()).put_tag(&repository(&fake.host(), "a/b"), image.tree.root(), &tag("1")).await;
        match put {
            Ok(()) => assert!(accepted),
            Err(error) => {
                assert!(!accepted && matches!(error, Error::TagImmutable { .. }), "{}", told(&error));
                assert!(told(&error).contains("choose another tag"), "{}", told(&error));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tag_moves_when_a_blob_cannot_be_pushed() {
    let image = Image::new(Format::Oci, "linux/amd64", "none");
    let fake = lenient(|request, _| request.is("PUT", "/up/").then(|| reply(500))).await;
    let pushed = client(quick())
        .push_content(&repository(&fake.host(), "a/b"), &image.tree, &image.store, &Mounts::new(), &EventSink::silent())
        .await;
    assert!(matches!(pushed, Err(Error::Refused { status: 500, .. })));
    assert_eq!(fake.count("PUT", "/manifests/"), 0);
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_size_of_a_blob() {
    let server = Server::open();
    let directory = tempfile::tempdir().unwrap();
    let (store, back) = (Blobs::open(directory.path()).unwrap(), Blobs::open(directory.path().join("back")).unwrap());
    let mut writer = store.writer().unwrap();
    for byte in 0..=255_u8 {
        std::io::Write::write_all(&mut writer, &vec![byte; 1 << 20]).unwrap();
    }
    let (digest, size) = writer.commit().unwrap();
    let blob = windlass_registry::image::Descriptor::new("x", digest.clone(), size);
    let (registry, repository) = (client(Options::default()), repository(&server.host(), "large"));
    let before = peak();
    registry.push_blob(&repository, &blob, &store, &[], &|_| {}).await.unwrap();
    registry.fetch_blob(&repository, &blob, &back, &|_| {}, None).await.unwrap();
    assert!(peak() - before < 48 << 20, "{} MB", (peak() - before) >> 20);
}
