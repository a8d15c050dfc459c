//! Faults of caches that are images: whatever happens to them, the image that is built is right.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::{DockerRegistry, Image, Workspace};

use crate::registry_cache::Place;

const FIELD: &str = "dev.windlass.cache.v1";

/// A cache in a directory, which can be spoiled.
struct Cache {
    place: Place,
    machine: Workspace,
    original: Image,
}

impl Cache {
    fn new() -> Self {
        let place = Place::new();
        let machine = place.machine();
        let name = format!("{}/app:1", place.registry.host());
        machine.windlass(["build", ".", "--push", "-t", &name, "--cache-to", "type=local,dest=cache,mode=max"]).run().succeeds();
        let original = Image::read(&format!("docker://{name}"), None);
        Self { place, machine, original }
    }

    fn blob(&self, digest: &Value) -> PathBuf {
        self.machine.path("cache/blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..])
    }

    fn index(&self) -> Value {
        serde_json::from_str(&self.machine.read("cache/index.json")).unwrap()
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.blob(&self.index()["manifests"][0]["digest"])).unwrap()).unwrap()
    }

    /// Puts a document into the layout, and gives its digest and size.
    fn put(&self, document: &Value) -> (String, usize) {
        let bytes = document.to_string();
        let digest = windlass_e2e::base_images::digest(bytes.as_bytes());
        fs::write(self.blob(&json!(digest)), &bytes).unwrap();
        (digest, bytes.len())
    }

    /// Gives the cache another configuration.
    fn reconfigure(&self, change: impl FnOnce(&mut Value)) {
        let (mut index, mut manifest) = (self.index(), self.manifest());
        let mut config: Value = serde_json::from_slice(&fs::read(self.blob(&manifest["config"]["digest"])).unwrap()).unwrap();
        change(&mut config);
        let (digest, size) = self.put(&config);
        (manifest["config"]["digest"], manifest["config"]["size"]) = (json!(digest), json!(size));
        let (digest, size) = self.put(&manifest);
        (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = (json!(digest), json!(size));
        self.machine.write("cache/index.json", index.to_string());
    }

    /// Builds on a fresh machine with the cache as it is now, and gives what was said and the image.
    fn build(&self) -> (String, Image) {
        let machine = self.place.machine();
        let registry = DockerRegistry::open();
        let name = format!("{}/app:1", registry.host());
        let from = format!("type=local,src={}", self.machine.path("cache").display());
        let run = machine.windlass(["build", ".", "--push", "-t", &name, "--cache-from", &from]).run().succeeds();
        let image = Image::read(&format!("docker://{name}"), None);
        assert_eq!((image.text("stamp").len(), image.text("program").len()), (37, 37), "{}", run.all());
        (run.all(), image)
    }
}

#[test]
fn a_layer_that_was_cut_short_or_swapped_is_made_again() {
    let cache = Cache::new();
    let layers = cache.manifest()["layers"].as_array().unwrap().clone();
    let blobs: Vec<PathBuf> = layers.iter().map(|layer| cache.blob(&layer["digest"])).collect();
    let whole: Vec<Vec<u8>> = blobs.iter().map(|blob| fs::read(blob).unwrap()).collect();
    blobs.iter().zip(&whole).for_each(|(blob, bytes)| fs::write(blob, &bytes[..bytes.len() / 2]).unwrap());
    let (said, image) = cache.build();
    assert!(said.contains("is not used"), "{said}");
    assert_ne!(image.text("stamp"), cache.original.text("stamp"));
    // Each has the bytes of the next.
    blobs.iter().zip(whole.iter().cycle().skip(1)).for_each(|(blob, bytes)| fs::write(blob, bytes).unwrap());
    let (said, image) = cache.build();
    assert!(said.contains("is not used"), "{said}");
    assert_ne!(image.text("stamp"), cache.original.text("stamp"));
    blobs.iter().zip(&whole).for_each(|(blob, bytes)| fs::write(blob, bytes).unwrap());
    assert_eq!(cache.build().1.digest, cache.original.digest);
}

#[test]
fn configurations_that_were_swapped_or_make_no_sense_are_not_used() {
    let cache = Cache::new();
    let is_refused = |why: &str| {
        let (said, image) = cache.build();
        assert!(said.contains("is not used") && said.contains(why), "{why}: {said}");
        assert_ne!(image.text("stamp"), cache.original.text("stamp"));
    };
    assert!(cache.original.config.get(FIELD).is_none(), "only the cache has it");
    cache.reconfigure(|config| config["rootfs"]["diff_ids"].as_array_mut().unwrap().rotate_left(1));
    // Every layer is found under what another one unpacks to.
    is_refused("unpacks to");
    let row = json!({"key": "0".repeat(64), "created": "2026-01-02T03:04:05Z"});
    cache.reconfigure(|config| config[FIELD] = vec![row; 100_000].into());
    is_refused("larger than");
    // Another document in the configuration's place.
    fs::write(cache.blob(&cache.manifest()["config"]["digest"]), "{}").unwrap();
    is_refused("not used");
}

#[test]
fn a_record_under_the_key_of_another_step_is_noticed_by_its_layer_or_serves_that_step_only() {
    let cache = Cache::new();
    cache.reconfigure(|config| {
        let rows = config[FIELD].as_array_mut().unwrap();
        let keys: Vec<Value> = rows.iter().map(|row| row["key"].clone()).collect();
        // Keys of nothing at all: no step finds them.
        rows.iter_mut().zip(keys).for_each(|(row, key)| {
            let turned: String = key.as_str().unwrap().chars().rev().collect();
            row["key"] = json!(turned);
        });
    });
    let (said, image) = cache.build();
    assert_ne!(image.text("stamp"), cache.original.text("stamp"), "{said}");
}

#[test]
fn two_builds_that_write_one_directory_leave_a_cache_of_one_of_them() {
    let place = Place::new();
    let shared = Workspace::new();
    shared.write("here", "");
    let to = format!("type=local,dest={},mode=max", shared.path("cache").display());
    let build = |name: &str| {
        let name = format!("{}/{name}:1", place.registry.host());
        place.machine().windlass(["build", ".", "--push", "-t", &name, "--cache-to", &to]).run().succeeds();
        Image::read(&format!("docker://{name}"), None).text("stamp")
    };
    let stamps = std::thread::scope(|scope| ["a", "b"].map(|name| scope.spawn(|| build(name))).map(|one| one.join().unwrap()));
    let machine = place.machine();
    let name = format!("{}/c:1", place.registry.host());
    let from = format!("type=local,src={}", shared.path("cache").display());
    machine.windlass(["build", ".", "--push", "-t", &name, "--cache-from", &from]).run().succeeds().never_says("is not used");
    assert!(stamps.contains(&Image::read(&format!("docker://{name}"), None).text("stamp")));
}

/// Mounts a small file system at the directory `$1` in a mount namespace of its own, becomes the rest of the words, and fails
/// with 99 when something of a cache is left.
const SMALL_DISK: &str = "mkdir -p \"$1\"; mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 98; D=$1; shift; \"$@\"; rc=$?; \
                          [ -e \"$D/cache/index.json\" ] && exit 99; exit $rc";

#[test]
fn a_disk_that_is_full_is_an_error_that_says_so_and_leaves_no_cache() {
    let workspace = Workspace::new();
    let mut noise = vec![0; 4_000_000];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut noise).unwrap();
    workspace.write("big", noise);
    workspace.write("Dockerfile", "FROM scratch\nCOPY big /\n");
    let disk = workspace.path("small").display().to_string();
    let run = workspace.windlass(["build", ".", "--cache-to", &format!("type=local,dest={disk}/cache")]);
    let run = run.wrapped(["unshare", "--mount", "sh", "-c", SMALL_DISK, "sh", &disk]).run();
    run.fails_with(ExitCode::Output).says("no space left");
}

#[test]
fn a_build_that_is_killed_while_it_writes_leaves_no_half_cache() {
    let cache = Cache::new();
    let before = cache.machine.read("cache/index.json");
    let machine = cache.place.machine();
    machine.write("Dockerfile", format!("{}RUN dd if=/dev/urandom of=/big bs=1000000 count=60\n", cache.place.dockerfile));
    let directory = cache.machine.path("cache");
    let to = format!("type=local,dest={},mode=max", directory.display());
    let mut run = machine.windlass(["build", ".", "--progress", "plain", "--cache-to", &to]).spawn();
    // A file under a name that does not count: it is at work.
    let is_writing = || {
        let files = fs::read_dir(directory.join("blobs/sha256")).unwrap().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with(".windlass-"))
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !is_writing() {
        assert!(std::time::Instant::now() < end, "it never wrote");
    }
    run.kill();
    assert!(!run.finish().status.success(), "it was killed in the middle");
    assert_eq!(cache.machine.read("cache/index.json"), before);
    assert_eq!(cache.build().1.digest, cache.original.digest);
}
