//! A copy on top of layers that only others have: what a cache tells of them is enough, and what is wrong with it costs a warning.

use serde_json::{Value, json};
use windlass_e2e::base_images::Busybox;
use windlass_e2e::servers::scripted::Request;
use windlass_e2e::{Image, Proxy, Workspace};

use crate::registry_cache::Place;

/// The directories and users that the copies come upon stand in layers of the base and of a RUN.
const STEPS: &str = "RUN mkdir -p /srv/real && ln -s real /srv/link && rm -r /etc/gone && printf 'app:x:7:8::/:/bin/sh\\n' > /etc/passwd\n\
                     WORKDIR /srv/link/work\nCOPY --chown=app a /srv/link\nCOPY a /etc/gone\n";

fn place() -> Place {
    let mut place = Place::new();
    let host = place.registry.host();
    let before = Workspace::new();
    before.write(
        "Dockerfile",
        format!("FROM {}\nRUN mkdir -m 1777 /etc/gone\n", Busybox::default().push(&place.registry, "busybox:1")),
    );
    before.windlass(["build", ".", "--push", "-t", &format!("{host}/base:2")]).run().succeeds();
    place.dockerfile = format!("FROM {host}/base:2\n{STEPS}");
    place
}

/// A machine with an empty store, on which `a` is another file than before.
fn changed(place: &Place) -> Workspace {
    let machine = place.machine();
    machine.write("a", "2");
    machine
}

/// The image that comes out where there is no cache.
fn expected(place: &Place, machine: &Workspace) -> Image {
    let name = format!("{}/expected:1", place.registry.host());
    machine.windlass(["build", ".", "--push", "-t", &name]).env("SOURCE_DATE_EPOCH", "1700000000").run().succeeds();
    Image::read(&format!("docker://{name}"), None)
}

/// Builds through `host`; gives the image, and what was said.
fn build(place: &Place, machine: &Workspace, host: &str, more: &[&str]) -> (Image, String) {
    let run = machine.windlass(["build", ".", "--push", "-t", &format!("{host}/app:1")]).args(more);
    let said = run.env("SOURCE_DATE_EPOCH", "1700000000").run().succeeds().all();
    (Image::read(&format!("docker://{}/app:1", place.registry.host()), None), said)
}

/// Whether a layer of the image that was there before has been downloaded.
fn fetched(seen: &[Request], image: &Image) -> bool {
    let layers = image.layers();
    let before = &layers[..layers.len() - COPIES];
    seen.iter().any(|request| request.method == "GET" && before.iter().any(|layer| request.target.contains(layer.as_str())))
}

/// How many layers the copies make.
const COPIES: usize = 2;

#[test]
fn a_changed_file_on_layers_that_only_others_have_downloads_none_of_them() {
    let place = place();
    let cache = format!("{}/cache", place.registry.host());
    build(&place, &place.machine(), place.registry.host(), &["--cache-repo", &cache]);
    let proxy = Proxy::before(place.registry.host(), |_| None);
    let cache = format!("{}/cache", proxy.host());
    let machine = changed(&place);
    let (image, said) = build(&place, &machine, proxy.host(), &["--cache-repo", &cache]);
    assert!(!fetched(&proxy.seen(), &image), "{said}\n{:?}", proxy.seen());
    assert_eq!((image.text("srv/real/a"), image.text("etc/gone")), ("2".to_owned(), "2".to_owned()));
    assert_eq!(image.digest, expected(&place, &changed(&place)).digest, "{said}");
}

#[test]
fn without_the_cache_no_outline_is_taken() {
    let place = place();
    let cache = format!("{}/cache", place.registry.host());
    build(&place, &place.machine(), place.registry.host(), &["--cache-repo", &cache]);
    let proxy = Proxy::before(place.registry.host(), |_| None);
    let cache = format!("{}/cache", proxy.host());
    let machine = changed(&place);
    // A stage that runs nothing needs the base for its copy alone.
    machine.write("Dockerfile", format!("FROM {}/base:2\nCOPY a /etc/gone\n", proxy.host()));
    let base = Image::read(&format!("docker://{}/base:2", place.registry.host()), None).layers();
    let downloads = |seen: Vec<Request>| {
        seen.iter().any(|request| request.method == "GET" && base.iter().any(|layer| request.target.contains(layer.as_str())))
    };
    build(&place, &machine, proxy.host(), &["--cache-repo", &cache]);
    assert!(!downloads(proxy.seen()), "{:?}", proxy.seen());
    build(&place, &machine, proxy.host(), &["--cache-repo", &cache, "--no-cache"]);
    assert!(downloads(proxy.seen()), "{:?}", proxy.seen());
}

#[test]
fn caches_that_are_images_keep_outlines_as_long_as_their_layers_are_used() {
    for kind in ["type=registry,ref=HOST/team/cache:main", "type=local,src=/DIRECTORY/cache"] {
        let place = place();
        let shared = tempfile::tempdir().unwrap();
        let words = |host: &str| {
            let place = kind.replace("HOST", host).replace("/DIRECTORY", &shared.path().display().to_string());
            (place.clone(), format!("{},mode=max", place.replace("src=", "dest=")))
        };
        let (from, to) = words(place.registry.host());
        build(&place, &place.machine(), place.registry.host(), &["--cache-to", &to]);
        // Nothing is made here, and the cache is written all the same.
        build(&place, &place.machine(), place.registry.host(), &["--cache-from", &from, "--cache-to", &to]);
        let proxy = Proxy::before(place.registry.host(), |_| None);
        let (from, _) = words(proxy.host());
        let machine = changed(&place);
        let (image, said) = build(&place, &machine, proxy.host(), &["--cache-from", &from]);
        assert!(!fetched(&proxy.seen(), &image), "{said}\n{:?}", proxy.seen());
        assert_eq!(image.digest, expected(&place, &changed(&place)).digest, "{said}");
    }
}

#[test]
fn a_file_that_may_be_the_same_as_before_is_compared_with_its_content() {
    let mut place = place();
    let stamp = |machine: &Workspace| {
        let file = std::fs::File::options().write(true).open(machine.path("a")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)).unwrap();
    };
    let base = format!("FROM {}/base:2\n", place.registry.host());
    place.dockerfile = format!("{base}RUN true\nCOPY a /a\n");
    let first = place.machine();
    stamp(&first);
    let cache = format!("{}/cache", place.registry.host());
    // The next build copies over what this one has left.
    let name = format!("{}/base:2", place.registry.host());
    first.windlass(["build", ".", "--push", "-t", &name]).run().succeeds();
    build(&place, &changed(&place), place.registry.host(), &["--cache-repo", &cache]);
    let second = place.machine();
    stamp(&second);
    let (image, _) = build(&place, &second, place.registry.host(), &["--cache-repo", &cache]);
    let third = place.machine();
    stamp(&third);
    assert_eq!(image.digest, expected(&place, &third).digest);
    assert_eq!(image.layers(), Image::read(&format!("docker://{name}"), None).layers());
}

#[test]
fn outlines_that_are_wrong_are_ignored_with_a_warning() {
    let place = place();
    let cache = format!("{}/cache", place.registry.host());
    let (first, _) = build(&place, &place.machine(), place.registry.host(), &["--cache-repo", &cache]);
    let of_steps = first.layers();
    let is_outline = |entry: &Value| {
        let digest = entry["layers"][0]["digest"].as_str().unwrap();
        entry["annotations"]["dev.windlass.cache.diff-id"].is_string() && !of_steps.iter().any(|layer| layer == digest)
    };
    let all: Vec<_> = place.entries().into_iter().filter(|(_, entry)| is_outline(entry)).collect();
    assert!(all.len() >= 3, "{all:?}");
    let spoil = |change: &dyn Fn(&str, Value)| all.iter().for_each(|(tag, entry)| change(tag, entry.clone()));
    // Each time with another file, so that the copy is made again.
    let check = |file: &str, why: &str| {
        let machines = [place.machine(), place.machine()];
        machines.iter().for_each(|machine| drop(machine.write("a", file)));
        let (image, said) = build(&place, &machines[0], place.registry.host(), &["--cache-repo", &cache]);
        assert_eq!(image.digest, expected(&place, &machines[1]).digest, "{said}");
        assert!(said.contains(why), "{why}: {said}");
    };
    let other = place.topmost(&first).1;
    spoil(&|tag, _| place.put(tag, &other.to_string()));
    check("spoiled 1", "another step");
    spoil(&|tag, mut entry| {
        entry["annotations"]["dev.windlass.cache.diff-id"] = json!(format!("sha256:{}", "0".repeat(64)));
        place.put(tag, &entry.to_string());
    });
    check("spoiled 2", "is not used");
    spoil(&|tag, mut entry| {
        // A layer that is none of its step.
        entry["layers"] = other["layers"].clone();
        place.put(tag, &entry.to_string());
    });
    check("spoiled 3", "is not used");
    spoil(&|tag, mut entry| {
        entry["layers"][0]["size"] = json!(70 << 20);
        place.put(tag, &entry.to_string());
    });
    check("too large", "larger than any outline");
    spoil(&|tag, entry| {
        place.put(tag, &entry.to_string());
        let blob = place.registry.blob(entry["layers"][0]["digest"].as_str().unwrap());
        std::fs::File::options().write(true).open(&blob).unwrap().set_len(20).unwrap();
    });
    check("spoiled 4", "is not used");
}
