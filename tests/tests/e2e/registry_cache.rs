//! The cache in a registry: a machine with an empty store takes over what another one has built, and nothing that is wrong.

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::base_images::{Busybox, architecture, foreign_architecture};
use windlass_e2e::{Canary, DockerRegistry, Image, Proxy, User, Workspace, http};

use crate::ecr::{ACCOUNT, Ecr, HOST};

/// A registry, and a project that machines with stores of their own build.
pub(crate) struct Place {
    pub(crate) registry: DockerRegistry,
    pub(crate) dockerfile: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:1");
        let dockerfile = format!(
            "FROM {base} AS build\nWORKDIR /src\nCOPY a .\nRUN cat /proc/sys/kernel/random/uuid > /program\nRUN true\n\
             FROM {base}\nCOPY --from=build /program /\nRUN cat /proc/sys/kernel/random/uuid > /stamp\n"
        );
        Self { registry, dockerfile }
    }

    /// A machine with an empty store.
    pub(crate) fn machine(&self) -> Workspace {
        let workspace = Workspace::new();
        workspace.write("Dockerfile", &self.dockerfile);
        workspace.write("a", "1");
        workspace
    }

    /// Builds and pushes with the cache of the registry at `host`.
    pub(crate) fn build_at(&self, machine: &Workspace, host: &str, more: &[&str]) -> Built {
        let (name, cache) = (format!("{host}/app:1"), format!("{host}/cache"));
        let run = machine.windlass(["build", ".", "--push", "-t", &name, "--report", "report.json", "--cache-repo", &cache]);
        let said = run.args(more).run().succeeds().all();
        let report: Value = serde_json::from_str(&machine.read("report.json")).unwrap();
        let image = Image::read(&format!("docker://{}/app:1", self.registry.host()), None);
        Built { said, report, image }
    }

    pub(crate) fn build(&self, machine: &Workspace, more: &[&str]) -> Built {
        self.build_at(machine, self.registry.host(), more)
    }

    /// Every entry of the cache: its tag and its manifest.
    pub(crate) fn entries(&self) -> Vec<(String, Value)> {
        let tags = self.registry.tags("cache");
        tags.into_iter().map(|tag| (tag.clone(), serde_json::from_str(&self.manifest(&tag)).unwrap())).collect()
    }

    fn manifest(&self, tag: &str) -> String {
        let accept = [("accept", OCI)];
        let answer = http::request("GET", self.registry.host(), &format!("/v2/cache/manifests/{tag}"), &accept, "").unwrap();
        assert_eq!(answer.status, 200);
        answer.body
    }

    pub(crate) fn put(&self, tag: &str, manifest: &str) {
        let headers = [("content-type", OCI)];
        let path = format!("/v2/cache/manifests/{tag}");
        let answer = http::request("PUT", self.registry.host(), &path, &headers, manifest).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    /// The entry of the step whose layer the image has on top.
    pub(crate) fn topmost(&self, image: &Image) -> (String, Value) {
        let layers = image.manifest["layers"].as_array().unwrap();
        let top = &layers.last().unwrap()["digest"];
        self.entries().into_iter().find(|(_, entry)| entry["layers"][0]["digest"] == *top).expect("the step is in the cache")
    }
}

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

pub(crate) struct Built {
    pub(crate) said: String,
    pub(crate) report: Value,
    pub(crate) image: Image,
}

impl Built {
    pub(crate) fn outcomes(&self) -> Vec<&str> {
        self.report["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect()
    }

    /// Whether the image can be unpacked (reading it has compared its digests) and holds what the steps leave.
    pub(crate) fn is_whole(&self) {
        assert_eq!(self.image.text("stamp").len(), 37, "{}", self.said);
        assert_eq!(self.image.text("program").len(), 37, "{}", self.said);
    }
}

#[test]
fn a_fresh_machine_runs_no_step_and_downloads_no_layer() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    assert!(first.outcomes().iter().all(|outcome| *outcome == "run"), "{}", first.said);
    let proxy = Proxy::before(place.registry.host(), |_| None);
    // The repository that layers are mounted into is another one than before.
    let (name, cache) = (format!("{}/other:1", proxy.host()), format!("{}/cache", proxy.host()));
    let machine = place.machine();
    machine.windlass(["build", ".", "--push", "-t", &name, "--report", "report.json", "--cache-repo", &cache]).run().succeeds();
    let report: Value = serde_json::from_str(&machine.read("report.json")).unwrap();
    for step in report["steps"].as_array().unwrap() {
        assert_eq!((&step["outcome"], &step["from"]), (&json!("cached"), &json!(cache)), "{step}");
    }
    let other = Image::read(&format!("docker://{}/other:1", place.registry.host()), None);
    assert_eq!(other.digest, first.image.digest);
    let seen = proxy.seen();
    let layers: Vec<_> =
        other.manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap()).collect();
    let moved = |request: &&windlass_e2e::servers::scripted::Request| {
        let names_layer = layers[1..].iter().any(|layer| request.target.contains(layer));
        names_layer && (request.method == "GET" || request.method == "PUT")
    };
    assert_eq!(seen.iter().filter(moved).count(), 0, "{seen:?}");
    let mounts = seen.iter().filter(|request| request.target.contains("mount=") && request.target.contains("from=cache"));
    assert_eq!(mounts.count(), layers.len() - 1);
}

#[test]
fn a_step_on_top_of_cached_ones_fetches_what_it_needs_and_the_store_keeps_it() {
    let mut place = Place::new();
    place.dockerfile =
        format!("FROM {}/base:1\nCOPY a .\nRUN cat /proc/sys/kernel/random/uuid > /stamp\n", place.registry.host());
    let first = place.build(&place.machine(), &[]);
    let machine = place.machine();
    machine.write("Dockerfile", format!("{}RUN cat /stamp > /copy\n", place.dockerfile));
    let second = place.build(&machine, &[]);
    assert_eq!(second.image.text("copy"), first.image.text("stamp"));
    assert_eq!(second.outcomes().iter().filter(|outcome| **outcome == "run").count(), 1, "{}", second.said);
    // Now the store knows the step by itself.
    let name = format!("{}/local:1", place.registry.host());
    machine.windlass(["build", ".", "--push", "-t", &name]).run().succeeds();
    let local = Image::read(&format!("docker://{name}"), None);
    assert_eq!(local.text("stamp"), first.image.text("stamp"));
}

#[test]
fn what_the_store_has_already_is_shared_too() {
    let place = Place::new();
    let machine = place.machine();
    machine.windlass(["build", "."]).run().succeeds();
    let first = place.build(&machine, &[]);
    assert!(first.outcomes().iter().all(|outcome| *outcome == "cached"), "{}", first.said);
    let second = place.build(&place.machine(), &[]);
    assert_eq!(second.image.digest, first.image.digest);
}

#[test]
fn an_image_for_another_registry_or_a_file_takes_its_layers_from_the_cache() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let other = DockerRegistry::open();
    let (name, cache) = (format!("{}/app:1", other.host()), format!("{}/cache", place.registry.host()));
    let machine = place.machine();
    machine.windlass(["build", ".", "--push", "-t", &name, "-o", "oci:out", "--cache-repo", &cache]).run().succeeds();
    for place in [format!("docker://{name}"), format!("oci:{}", machine.path("out").display())] {
        assert_eq!(Image::read(&place, None).text("stamp"), first.image.text("stamp"));
    }
}

#[test]
fn an_entry_that_is_too_old_is_made_again() {
    let place = Place::new();
    let first = place.build(&place.machine(), &[]);
    let second = place.build(&place.machine(), &["--cache-ttl", "0s"]);
    assert!(second.outcomes().iter().all(|outcome| *outcome == "run"), "{}", second.said);
    assert_ne!(second.image.text("stamp"), first.image.text("stamp"));
    // It has taken the place of the old one.
    let third = place.build(&place.machine(), &["--cache-ttl", "1h"]);
    assert_eq!(third.image.text("stamp"), second.image.text("stamp"));
}

#[test]
fn the_variables_of_the_plugins_share_results_too() {
    let place = Place::new();
    let run = |machine: &Workspace, command: &[&str]| {
        let run = machine.windlass(command).args(["--from-env", "docker"]);
        let run = run.env("PLUGIN_REGISTRY", place.registry.host()).env("PLUGIN_REPO", format!("{}/app", place.registry.host()));
        let run = run.env("PLUGIN_ENABLE_CACHE", "true").env("PLUGIN_CACHE_TTL", "48");
        run.env("PLUGIN_CACHE_REPO", format!("{}/cache", place.registry.host())).run().succeeds().all()
    };
    let machine = place.machine();
    let plan = run(&machine, &["plan"]);
    assert!(plan.contains(&format!("{}/cache", place.registry.host())), "{plan}");
    assert!(!plan.contains("no effect"), "{plan}");
    run(&machine, &["run"]);
    let image = || Image::read(&format!("docker://{}/app:latest", place.registry.host()), None);
    let first = image();
    run(&place.machine(), &["run"]);
    assert_eq!(image().digest, first.digest);
    assert!(!place.registry.tags("cache").is_empty());
}

/// The RUN steps of one project, each of which shows whether it stands on what the one before has left here.
const CHAIN: &str = "RUN cat /proc/sys/kernel/random/uuid > /one\nRUN cp /one /two\nRUN cp /two /three\n";

#[test]
fn results_of_two_machines_are_never_put_on_top_of_each_other() {
    let place = Place::new();
    let base = format!("FROM {}/base:1\n", place.registry.host());
    let first = Workspace::new();
    first.write("Dockerfile", format!("{base}RUN cat /proc/sys/kernel/random/uuid > /one\n"));
    place.build(&first, &[]);
    // This machine has its own idea of the first step, and is the first to share the others.
    let second = Workspace::new();
    second.write("Dockerfile", format!("{base}{CHAIN}"));
    second.windlass(["build", "."]).run().succeeds();
    place.build(&second, &[]);
    let third = Workspace::new();
    third.write("Dockerfile", format!("{base}{CHAIN}"));
    let built = place.build(&third, &[]);
    let texts = ["one", "two", "three"].map(|name| built.image.text(name));
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}\n{}", built.said);
}

#[test]
fn machines_that_write_at_once_leave_a_cache_that_fits_together() {
    let place = Place::new();
    let dockerfile = format!("FROM {}/base:1\n{CHAIN}", place.registry.host());
    let cache = format!("{}/cache", place.registry.host());
    let build = |name: &str| {
        let machine = Workspace::new();
        machine.write("Dockerfile", &dockerfile);
        let name = format!("{}/{name}:1", place.registry.host());
        let run = machine.windlass(["build", ".", "--push", "-t", &name, "--cache-repo", &cache]).run().succeeds();
        let image = Image::read(&format!("docker://{name}"), None);
        assert_eq!((image.text("one"), image.text("one")), (image.text("two"), image.text("three")), "{}", run.all());
        run.all()
    };
    std::thread::scope(|scope| {
        ["a", "b", "c"].map(|name| scope.spawn(|| build(name))).into_iter().for_each(|one| drop(one.join().unwrap()))
    });
    assert!(!build("d").contains("is not used"));
}

#[test]
fn a_layer_is_sent_to_a_registry_once() {
    let place = Place::new();
    let proxy = Proxy::before(place.registry.host(), |_| None);
    let built = place.build_at(&place.machine(), proxy.host(), &[]);
    for layer in &built.image.layers()[1..] {
        let sent = |request: &&windlass_e2e::servers::scripted::Request| {
            request.method == "PUT"
                && request.target.contains("/blobs/uploads/")
                && request.target.contains(&layer.replace(':', "%3A"))
        };
        assert_eq!(proxy.seen().iter().filter(sent).count(), 1, "{layer}");
    }
}

#[test]
fn a_machine_with_one_id_and_one_with_all_do_not_take_over_each_others_runs() {
    let place = Place::new();
    let of_root = place.build(&place.machine(), &[]);
    let small = Workspace::of(User::Nobody);
    small.write("Dockerfile", &place.dockerfile);
    small.write("a", "1");
    let of_nobody = place.build(&small, &[]);
    assert_ne!(of_nobody.image.text("stamp"), of_root.image.text("stamp"), "{}", of_nobody.said);
    let again = Workspace::of(User::Nobody);
    again.write("Dockerfile", &place.dockerfile);
    again.write("a", "1");
    assert_eq!(place.build(&again, &[]).image.digest, of_nobody.image.digest);
    assert_eq!(place.build(&place.machine(), &[]).image.digest, of_root.image.digest);
}

#[test]
fn images_of_several_platforms_come_out_of_the_cache_too() {
    let registry = DockerRegistry::open();
    let (name, cache) = (format!("{}/app:1", registry.host()), format!("{}/cache", registry.host()));
    let platforms = format!("linux/{},linux/{}", architecture(), foreign_architecture());
    let digest = || {
        let machine = Workspace::new();
        machine.write("a", "1");
        machine.write(
            "Dockerfile",
            "FROM scratch AS build\nARG TARGETARCH\nCOPY a /$TARGETARCH\nFROM scratch\nCOPY --from=build / /\n",
        );
        let run = machine.windlass(["build", ".", "--push", "-t", &name, "--platform", &platforms, "--cache-repo", &cache]).run();
        run.succeeds().stdout
    };
    assert_eq!(digest(), digest());
}

#[test]
fn what_a_policy_denies_is_not_shared() {
    let place = Place::new();
    let machine = place.machine();
    let (name, cache) = (format!("{}/app:1", place.registry.host()), format!("{}/cache", place.registry.host()));
    let policy = crate::plugin_author::build("forbidden-files").display().to_string();
    let words = ["build", ".", "--push", "-t", &name, "--cache-repo", &cache, "--policy", &policy];
    machine.windlass(words).args(["--set", "forbidden-files.paths=/stamp"]).run().fails_with(ExitCode::Denied);
    assert!(place.registry.tags("cache").is_empty());
    machine.windlass(words).args(["--set", "forbidden-files.paths=/other"]).run().succeeds();
    assert!(!place.registry.tags("cache").is_empty());
}

#[test]
fn secrets_do_not_stand_in_entries() {
    let place = Place::new();
    let machine = place.machine();
    let secret = "c4nary+shared/cache==";
    let base = format!("{}/base:1", place.registry.host());
    let run = "RUN --mount=type=secret,id=s test -n \"$TOKEN\" && cp /run/secrets/s /dev/null && echo made > /made";
    machine.write("Dockerfile", format!("FROM {base}\nARG TOKEN\n{run}\n"));
    let run = machine.windlass(["run", "--from-env", "docker", "--cache-repo", &format!("{}/cache", place.registry.host())]);
    let run = run.env("PLUGIN_REGISTRY", place.registry.host()).env("PLUGIN_REPO", format!("{}/app", place.registry.host()));
    let run = run.env("PLUGIN_BUILD_ARGS_FROM_ENV", "TOKEN").env("TOKEN", secret);
    run.env("PLUGIN_SECRETS_FROM_ENV", "s=TOKEN").run().succeeds();
    assert_eq!(place.entries().len(), 1);
    Canary::new(secret, &[]).assert_not_below(place.registry.directory());
}

#[test]
fn the_repository_of_the_cache_is_made_in_ecr_where_that_is_allowed() {
    let ecr = Ecr::start();
    let build = |name: &str| {
        let workspace = Workspace::new();
        ecr.write_application(&workspace);
        let run = ecr.for_run(workspace.windlass(["run", "--from-env", "ecr", "--report", "report.json"]));
        let run = run.env("PLUGIN_REGISTRY", HOST).env("PLUGIN_REPO", name).env("PLUGIN_TAGS", "1");
        let run = run.env("PLUGIN_CREATE_REPOSITORY", "true").env("PLUGIN_ENABLE_CACHE", "true");
        run.env("PLUGIN_CACHE_REPO", "results").run().succeeds();
        serde_json::from_str::<Value>(&workspace.read("report.json")).unwrap()
    };
    build("test-image");
    let input = json!({"registryId": ACCOUNT, "repositoryNames": ["results"]});
    let made = ecr.moto.ecr("us-east-1", "AKIATEST", "DescribeRepositories", &input);
    assert_eq!(made["repositories"][0]["repositoryName"], "results", "{made}");
    let report = build("second");
    for step in report["steps"].as_array().unwrap() {
        assert_eq!((&step["outcome"], &step["from"]), (&json!("cached"), &json!(format!("{HOST}/results"))), "{step}");
    }
    let tags = ecr.registry.tags("results");
    assert!(!tags.is_empty());
    for tag in tags {
        let entry = ecr.image("results", &tag).manifest;
        assert_eq!((&entry["mediaType"], entry["layers"].as_array().unwrap().len()), (&json!(OCI), 1), "{entry}");
    }
}
