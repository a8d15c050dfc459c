//! Registries under other addresses.

use windlass_core::{EventSink, Platform, Tag};
use windlass_registry::image::Format;
use windlass_registry::{Blobs, Error, Mounts, Options};

use crate::fake::{Fake, reply};
use crate::image::{Image, Login, client, client_as, quick, reference, repository, told};
use crate::server::{Server, Setup};

const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

fn amd64() -> Platform {
    Platform::parse("amd64").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_registry_keeps_its_name_for_credentials_and_repositories() {
    let server = Server::start(&Setup { login: Some(("AWS", "right")), ..Setup::default() });
    let image = Image::new(Format::Oci, "linux/amd64", "map");
    let mut options = Options::default();
    options.map_registry(&format!("{ECR}=http://{}", server.host())).unwrap();
    let login = Login::basic(&["right"]);
    let registry = client_as(options, &login);
    let (repository, events) = (repository(ECR, "team/app"), EventSink::silent());
    let pushed = registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
    registry.push_tags(&repository, image.tree.root(), &pushed, &[Tag::parse("1").unwrap()], &events).await.unwrap();
    registry.resolve(&reference(&format!("{ECR}/team/app:1")), &amd64()).await.unwrap();
    let asked = login.asked.lock().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|(name, _)| *name == format!("{ECR}/team/app")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn locations_under_the_mapped_name_stay_on_the_map() {
    let fake = Fake::start(|request, _| match request.method.as_str() {
        "POST" => reply(202).with("Location", format!("https://{ECR}/v2/up/1")),
        "PUT" => reply(201),
        _ => reply(404),
    })
    .await;
    let mut options = quick();
    options.map_registry(&format!("{ECR}=http://{}/prefix", fake.host())).unwrap();
    let image = Image::new(Format::Oci, "linux/amd64", "location");
    client(options).push_blob(&repository(ECR, "a"), &image.layers[0], &image.store, &[], &|_| {}).await.unwrap();
    assert!(fake.seen().iter().all(|request| request.target.starts_with("/prefix/v2/")), "{:?}", fake.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_asks_mirrors_first_and_goes_on_to_the_registry_itself() {
    let (origin, mirror) = (Server::open(), Server::open());
    let image = Image::new(Format::Oci, "linux/amd64", "mirror");
    let events = EventSink::silent();
    for (host, path) in [(origin.host(), "library/app"), (mirror.host(), "hub/library/app")] {
        let (registry, repository) = (client(Options::default()), repository(&host, path));
        let pushed = registry.push_content(&repository, &image.tree, &image.store, &Mounts::new(), &events).await.unwrap();
        registry.push_tags(&repository, image.tree.root(), &pushed, &[Tag::parse("1").unwrap()], &events).await.unwrap();
    }
    let down = format!("127.0.0.1:{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let broken = Fake::start(|_, _| reply(500).body("<html>")).await;
    let wanted = reference(&format!("{}/library/app:1", origin.host()));
    let pull = async |mirrors: &[String], fallback: bool| {
        let mut options = Options { mirror_fallback: fallback, ..quick() };
        options.limits = Default::default();
        for mirror in mirrors {
            options.mirror(&origin.host(), mirror).unwrap();
        }
        let registry = client(options);
        let found = registry.resolve(&wanted, &amd64()).await?;
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path()).unwrap();
        for layer in &found.layers {
            registry.fetch_blob(wanted.repository(), layer, &blobs, &|_| {}, None).await?;
        }
        Ok::<_, Error>(())
    };
    let good = format!("{}/hub", mirror.host());
    pull(std::slice::from_ref(&good), false).await.expect("the mirror alone has everything");
    pull(&[down.clone(), broken.host(), good], false).await.expect("the third mirror has it");
    pull(&[down.clone(), broken.host()], true).await.expect("the registry itself has it");
    let error = pull(&[down], false).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{}", told(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_does_not_get_the_credentials_of_what_it_mirrors() {
    let mirror = Fake::start(|_, _| reply(401).with("WWW-Authenticate", "Basic realm=m")).await;
    let origin = Fake::start(|request, _| match request.header("authorization") {
        None => reply(401).with("WWW-Authenticate", "Basic realm=o"),
        Some(_) => reply(200).with("Docker-Content-Digest", windlass_registry::sha256(b"").to_string()),
    })
    .await;
    let mut options = quick();
    options.mirror(&origin.host(), &mirror.host()).unwrap();
    let login = Login::basic(&["canary"]);
    client_as(options, &login).resolve_digest(&reference(&format!("{}/a:1", origin.host()))).await.unwrap();
    let asked: Vec<String> = login.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(asked.first(), Some(&format!("{}/a", mirror.host())), "the source is asked by the mirror's own name");
    assert_eq!(asked.last(), Some(&format!("{}/a", origin.host())));
}
