//! What a push sends, and when: layers while later steps run, nothing that the registry has, nothing that is not of the image.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass_e2e::base_images::Busybox;
use windlass_e2e::servers::scripted::{Request, Response};
use windlass_e2e::{DockerRegistry, Image, Proxy, Workspace};

/// A registry behind a proxy that tells at `/arrived` whether a blob has come in.
struct Place {
    registry: DockerRegistry,
    proxy: Proxy,
    workspace: Workspace,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let arrived = Arc::new(AtomicBool::new(false));
        let proxy = Proxy::before(registry.host(), move |request| {
            if is_blob(request) {
                arrived.store(true, Ordering::SeqCst);
            }
            (request.target == "/arrived").then(|| {
                let status = if arrived.load(Ordering::SeqCst) { 200 } else { 404 };
                Response::json(status, "{}")
            })
        });
        Self { registry, proxy, workspace: Workspace::new() }
    }

    fn write(&self, dockerfile: &str) {
        let base = Busybox::default().push(&self.registry, "base:1");
        let ask = format!("busybox wget -q -O /dev/null http://{}/arrived", self.proxy.host());
        self.workspace.write("Dockerfile", dockerfile.replace("BASE", &base).replace("ASK", &ask));
    }

    /// Builds, pushes to the proxy, and gives the requests of this run.
    fn push(&self, tag: &str, more: &[&str]) -> Vec<Request> {
        let before = self.proxy.seen().len();
        let name = format!("{}/app:{tag}", self.proxy.host());
        self.workspace.windlass(["build", ".", "--push", "-t", &name]).args(more).run().succeeds();
        self.proxy.seen().split_off(before)
    }

    fn image(&self, tag: &str) -> Image {
        Image::read(&format!("docker://{}/app:{tag}", self.registry.host()), None)
    }
}

/// Whether a request ends the upload of a blob.
fn is_blob(request: &Request) -> bool {
    request.method == "PUT" && request.target.contains("digest=")
}

#[test]
fn a_layer_is_sent_while_the_next_step_runs() {
    let place = Place::new();
    // The second step ends only when the first one's layer has come in.
    place.write(
        "FROM BASE\nRUN echo first > /first\n\
         RUN --network=host n=0; until ASK; do n=$((n+1)); test $n -lt 300 || exit 1; sleep 0.1; done\n",
    );
    let sent = place.push("1", &[]);
    assert_eq!(place.image("1").text("first"), "first\n");
    let digest = |request: &Request| request.target.split_once("digest=").unwrap().1.to_owned();
    let mut digests: Vec<_> = sent.iter().filter(|request| is_blob(request)).map(digest).collect();
    let all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), all, "a blob was sent twice");
}

#[test]
fn nothing_is_sent_before_a_policy_has_seen_the_image() {
    let place = Place::new();
    place.write("FROM BASE\nRUN echo first > /first\nRUN --network=host sleep 1; if ASK; then echo early > /early; fi\n");
    let allowed = format!("base-images.allow={}", place.registry.host());
    place.push("1", &["--policy", "base-images", "--set", &allowed]);
    assert!(!place.image("1").files.contains_key("early"));
}

#[test]
fn layers_of_other_stages_stay_here() {
    let place = Place::new();
    place.write(
        "FROM BASE AS build\nRUN echo source > /source && echo program > /program\nRUN sleep 1\n\
         FROM BASE\nCOPY --from=build /program /\n",
    );
    let sent = place.push("1", &[]).iter().filter(|request| is_blob(request)).count();
    let image = place.image("1");
    // The base's layer, the one that was copied, and the configuration.
    assert_eq!((sent, image.manifest["layers"].as_array().unwrap().len()), (3, 2));
}

#[test]
fn an_unchanged_image_costs_a_question_and_no_upload() {
    let place = Place::new();
    place.write("FROM BASE\nRUN echo 1 > /1\nRUN echo 2 > /2\n");
    place.push("1", &[]);
    let again = place.push("1", &[]);
    assert!(again.iter().all(|request| matches!(request.method.as_str(), "HEAD" | "GET")), "{again:?}");
    assert!(!again.iter().any(|request| request.target.contains("/blobs/")), "{again:?}");
    let tagged = place.push("2", &[]);
    let puts: Vec<_> = tagged.iter().filter(|request| request.method == "PUT").map(|request| request.target.as_str()).collect();
    assert_eq!(puts, ["/v2/app/manifests/2"]);
}

#[test]
fn what_a_registry_has_lost_is_sent_again() {
    let place = Place::new();
    place.write("FROM BASE\nRUN echo 1 > /1\n");
    place.push("1", &[]);
    let layer = place.image("1").manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
    std::fs::remove_file(place.registry.blob(&layer)).unwrap();
    place.push("2", &[]);
    assert_eq!(place.image("2").text("1"), "1\n");
}

/// A context with one file that stays large when it is compressed.
fn write_large(place: &Place, name: &str, seed: u64) {
    let mut state = seed;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    place.workspace.write(name, noise.take(20 << 20).collect::<Vec<_>>());
}

fn is_unfinished(request: &Request) -> bool {
    request.method == "PATCH" && request.header("content-length").is_none()
}

#[test]
fn a_large_layer_is_sent_before_its_digest_is_known() {
    let place = Place::new();
    write_large(&place, "large", 1);
    place.write("FROM BASE\nCOPY large /large\nRUN echo small > /small\n");
    let sent = place.push("1", &[]);
    let image = place.image("1");
    assert!(image.files["large"].content == std::fs::read(place.workspace.path("large")).unwrap(), "the layer is another one");
    let unfinished: Vec<_> = sent.iter().filter(|request| is_unfinished(request)).collect();
    let size = image.manifest["layers"][1]["size"].as_u64().unwrap();
    assert_eq!(unfinished.iter().map(|request| request.body.len() as u64).collect::<Vec<_>>(), [size]);
    // The upload is ended with the digest and no further byte; the base, the small layer and the configuration go whole.
    let large = image.manifest["layers"][1]["digest"].as_str().unwrap().replace(':', "%3A");
    let ends: Vec<_> = sent.iter().filter(|request| is_blob(request) && request.target.contains(&large)).collect();
    assert_eq!(ends.iter().map(|request| request.body.len()).collect::<Vec<_>>(), [0]);
    assert_eq!(sent.iter().filter(|request| is_blob(request)).count(), 4);
}

#[test]
fn a_registry_that_takes_whole_blobs_only_gets_them_whole() {
    let registry = DockerRegistry::open();
    let proxy = Proxy::before(registry.host(), |request| {
        (request.method == "PATCH").then(|| Response::json(400, r#"{"errors": [{"code": "SIZE_INVALID"}]}"#))
    });
    let place = Place { registry, proxy, workspace: Workspace::new() };
    write_large(&place, "one", 1);
    write_large(&place, "two", 2);
    place.write("FROM BASE\nCOPY one /one\nRUN true\nCOPY two /two\n");
    let sent = place.push("1", &[]);
    let image = place.image("1");
    assert!(["one", "two"].iter().all(|name| image.files[*name].content == std::fs::read(place.workspace.path(name)).unwrap()));
    assert!((1..=2).contains(&sent.iter().filter(|request| request.method == "PATCH").count()));
}

#[test]
fn a_reproducible_layer_that_the_registry_has_is_not_sent_again() {
    let place = Place::new();
    write_large(&place, "large", 1);
    place.write("FROM BASE\nCOPY large /large\n");
    let push = |tag: &str| {
        let before = place.proxy.seen().len();
        let name = format!("{}/app:{tag}", place.proxy.host());
        let build = place.workspace.windlass(["build", ".", "--push", "--no-cache", "-t", &name]);
        build.env("SOURCE_DATE_EPOCH", "1700000000").run().succeeds();
        place.proxy.seen().split_off(before).iter().filter(|request| request.body.len() > 1 << 20).count()
    };
    // The base and the copy, and then neither.
    assert_eq!((push("1"), push("2")), (2, 0));
}
