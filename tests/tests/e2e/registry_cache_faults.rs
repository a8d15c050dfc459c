//! Faults of the cache in a registry: whatever happens to it, the image is right.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use windlass_e2e::servers::scripted::{Request, Response};
use windlass_e2e::{DockerRegistry, Image, Proxy};

use crate::registry_cache::Place;

#[test]
fn a_damaged_layer_is_made_again_with_a_warning() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let (_, entry) = place.topmost(&first.image);
    let blob = place.registry.blob(entry["layers"][0]["digest"].as_str().unwrap());
    let size = blob.metadata().unwrap().len();
    std::fs::File::options().write(true).open(&blob).unwrap().set_len(size / 2).unwrap();
    // Another registry: the layer has to be read.
    let other = DockerRegistry::open();
    let (name, cache) = (format!("{}/app:1", other.host()), format!("{}/cache", place.registry.host()));
    let run = place.machine().windlass(["build", ".", "--push", "-t", &name, "--cache-repo", &cache]).run().succeeds();
    let _ = run.says("of the cache").says("is not used");
    let image = Image::read(&format!("docker://{name}"), None);
    assert_eq!((image.text("program"), image.text("stamp").len()), (first.image.text("program"), 37));
    assert_ne!(image.text("stamp"), first.image.text("stamp"));
}

#[test]
fn a_layer_that_is_not_what_its_entry_says_is_never_built_on() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let (tag, mut entry) = place.topmost(&first.image);
    entry["annotations"]["dev.windlass.cache.diff-id"] = json!(format!("sha256:{}", "0".repeat(64)));
    place.put(&tag, &entry.to_string());
    let machine = place.machine();
    machine.write("Dockerfile", format!("{}RUN cat /stamp > /copy\n", place.dockerfile));
    let second = place.build(&machine, &[]);
    second.is_whole();
    assert!(second.said.contains("is not used"), "{}", second.said);
    assert_eq!(second.image.text("copy"), second.image.text("stamp"));
    assert_ne!(second.image.text("stamp"), first.image.text("stamp"));
    // What was made again has mended the cache.
    let third = place.build(&place.machine(), &[]);
    assert_eq!(third.image.text("stamp"), second.image.text("stamp"));
    assert!(!third.said.contains("is not used"), "{}", third.said);
}

#[test]
fn swapped_and_meaningless_entries_are_ignored_with_a_warning() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let (top, entry) = place.topmost(&first.image);
    let (_, other) = place.entries().into_iter().find(|(tag, _)| *tag != top).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut entry = entry.clone();
        change(&mut entry);
        entry.to_string()
    };
    let spoiled = [
        (other.to_string(), "another step"),
        (with(&|entry| entry["annotations"] = json!({})), "no annotation"),
        (with(&|entry| entry["layers"] = json!([entry["layers"][0], entry["layers"][0]])), "2 layers"),
    ];
    for (manifest, why) in spoiled {
        place.put(&top, &manifest);
        let built = place.build(&place.machine(), &[]);
        built.is_whole();
        assert!(built.said.contains("of the cache is ignored") && built.said.contains(why), "{why}: {}", built.said);
        assert_eq!(built.outcomes().iter().filter(|outcome| **outcome == "run").count(), 1, "{}", built.said);
    }
}

#[test]
fn a_cache_that_nobody_answers_for_costs_one_warning() {
    let place = Place::new();
    let proxy = Proxy::before(place.registry.host(), |request| {
        request.target.contains("/cache/").then(|| windlass_e2e::servers::scripted::Response::json(403, "{}"))
    });
    let built = place.build_at(&place.machine(), proxy.host(), &[]);
    built.is_whole();
    assert_eq!(built.said.matches("is not read").count(), 1, "{}", built.said);
    assert_eq!(built.said.matches("nothing more is written").count(), 1, "{}", built.said);
}

/// An answer that nobody waits for long: the registry is busy for hours.
fn busy() -> Response {
    let mut response = Response::json(503, "{}");
    response.headers.push(("retry-after".to_owned(), "9999".to_owned()));
    response
}

#[test]
fn a_registry_that_breaks_down_in_the_middle_costs_a_warning() {
    let says = [
        ("GET", "/cache/blobs/", 0, "is not used"),
        ("GET", "/cache/manifests/", 3, "is not read"),
        ("PUT", "/cache/manifests/", 1, "nothing more is written"),
    ];
    for (method, part, answered, says) in says {
        let place = Place::new();
        if method == "GET" {
            place.build(&place.machine(), &[]);
        }
        let count = AtomicUsize::new(0);
        let proxy = Proxy::before(place.registry.host(), move |request: &Request| {
            let is_meant = request.method == method && request.target.contains(part);
            (is_meant && count.fetch_add(1, Ordering::SeqCst) >= answered).then(busy)
        });
        let machine = place.machine();
        machine.write("Dockerfile", format!("{}RUN cat /stamp > /copy\n", place.dockerfile));
        let built = place.build_at(&machine, proxy.host(), &[]);
        built.is_whole();
        assert_eq!(built.image.text("copy"), built.image.text("stamp"));
        assert_eq!(built.said.matches(says).count(), 1, "{says}: {}", built.said);
    }
}

#[test]
fn a_damaged_layer_that_a_registry_does_not_mount_is_made_again() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let (_, entry) = place.topmost(&first.image);
    let blob = place.registry.blob(entry["layers"][0]["digest"].as_str().unwrap());
    let size = blob.metadata().unwrap().len();
    std::fs::File::options().write(true).open(&blob).unwrap().set_len(size / 2).unwrap();
    // As ECR does where mounting is not switched on: an upload is opened, and the blob is nowhere else.
    let proxy = Proxy::before(place.registry.host(), |request| {
        let is_other = |target: &str| target.contains("/other/blobs/sha256:");
        match (request.method.as_str(), request.target.as_str()) {
            ("POST", target) if target.contains("mount=") => Some(Response::json(400, "{}")),
            ("HEAD", target) if is_other(target) => Some(Response::json(404, "")),
            _ => None,
        }
    });
    let (name, cache) = (format!("{}/other:1", proxy.host()), format!("{}/cache", proxy.host()));
    let run = place.machine().windlass(["build", ".", "--push", "-t", &name, "--cache-repo", &cache]).run().succeeds();
    let _ = run.says("is not used");
    let image = Image::read(&format!("docker://{}/other:1", place.registry.host()), None);
    assert_eq!((image.text("program"), image.text("stamp").len()), (first.image.text("program"), 37));
}

#[test]
fn a_build_that_is_killed_or_stopped_while_it_writes_leaves_nothing_that_counts() {
    for signal in ["kill", "interrupt"] {
        let place = Place::new();
        let (reached, is_reached) = std::sync::mpsc::channel();
        let reached = std::sync::Mutex::new(reached);
        // The second entry never comes to an end.
        let count = AtomicUsize::new(0);
        let proxy = Proxy::before(place.registry.host(), move |request| {
            let is_entry = request.method == "PUT" && request.target.contains("/cache/manifests/");
            if is_entry && count.fetch_add(1, Ordering::SeqCst) > 0 {
                let _ = reached.lock().unwrap().send(());
                std::thread::park();
            }
            None
        });
        let machine = place.machine();
        let (name, cache) = (format!("{}/app:1", proxy.host()), format!("{}/cache", proxy.host()));
        let mut run = machine.windlass(["build", ".", "--push", "-t", &name, "--cache-repo", &cache]).spawn();
        is_reached.recv().unwrap();
        if signal == "kill" {
            run.kill()
        } else {
            run.interrupt()
        }
        assert!(!run.finish().status.success());
        assert_eq!(place.registry.tags("app").len(), 0);
        let built = place.build(&place.machine(), &[]);
        built.is_whole();
        // The first may have come to its end, or not.
        assert!(built.outcomes().iter().filter(|outcome| **outcome == "cached").count() <= 1, "{}", built.said);
    }
}
