//! `--cache-from` and `--cache-to`: caches that are images, in registries, directories and the image itself.

use serde_json::{Value, json};
use windlass_core::ExitCode;
use windlass_e2e::{DockerRegistry, Image, Proxy, Workspace, skopeo};

use crate::ecr::{ACCOUNT, Ecr, HOST};
use crate::registry_cache::Place;

const FIELD: &str = "dev.windlass.cache.v1";

/// Builds on `machine` and pushes to `name`; gives what it said, the outcomes of the steps and the digest.
fn build(machine: &Workspace, name: &str, more: &[&str]) -> (String, Vec<String>, String) {
    let run = machine.windlass(["build", ".", "--push", "-t", name, "--report", "report.json"]).args(more).run().succeeds();
    let report: Value = serde_json::from_str(&machine.read("report.json")).unwrap();
    let steps = report["steps"].as_array().unwrap().iter();
    let outcomes = steps.map(|step| step["outcome"].as_str().unwrap().to_owned()).collect();
    (run.all(), outcomes, report["image"]["digest"].as_str().unwrap().to_owned())
}

#[track_caller]
fn all_cached((said, outcomes, _): &(String, Vec<String>, String)) {
    assert!(outcomes.iter().all(|outcome| outcome == "cached"), "{outcomes:?}\n{said}");
}

#[test]
fn a_cache_in_a_registry_serves_a_fresh_machine_that_downloads_no_layer() {
    for mode in ["min", "max"] {
        let place = Place::new();
        let host = place.registry.host();
        let to = format!("type=registry,ref={host}/team/cache:main,mode={mode}");
        let first = build(&place.machine(), &format!("{host}/app:1"), &["--cache-to", &to]);
        let cache = Image::read(&format!("docker://{host}/team/cache:main"), None);
        // The layers of the first stage are there with mode=max only.
        assert_eq!(cache.files.contains_key("src/a"), mode == "max");
        assert_eq!(cache.manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        let proxy = Proxy::before(host, |_| None);
        let from = format!("type=registry,ref={}/team/cache:main", proxy.host());
        let second = build(&place.machine(), &format!("{}/other:1", proxy.host()), &["--cache-from", &from]);
        all_cached(&second);
        assert_eq!(second.2, first.2);
        let image = Image::read(&format!("docker://{host}/other:1"), None);
        let seen = proxy.seen();
        for layer in &image.layers()[1..] {
            let moved = |method: &str| seen.iter().any(|request| request.method == method && request.target.contains(layer));
            assert!(!moved("GET") && !moved("PUT"), "{mode} {layer}: {seen:?}");
        }
    }
}

#[test]
fn a_step_that_needs_a_layer_gets_it_or_is_made_on_what_was_made_again() {
    let place = Place::new();
    let host = place.registry.host();
    for (mode, runs) in [("max", 1), ("min", 6)] {
        let cache = format!("type=registry,ref={host}/cache:{mode}");
        let (_, _, digest) =
            build(&place.machine(), &format!("{host}/{mode}:1"), &["--cache-to", &format!("{cache},mode={mode}")]);
        let machine = place.machine();
        // The last step of the first stage, and what follows from it, is another one.
        machine.write("Dockerfile", place.dockerfile.replace("RUN true", "RUN cp /program /more"));
        let (said, outcomes, other) = build(&machine, &format!("{host}/{mode}:2"), &["--cache-from", &cache]);
        assert!(!said.contains("is not used"), "{said}");
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "run").count(), runs, "{mode} {outcomes:?}\n{said}");
        let image = Image::read(&format!("docker://{host}/{mode}@{other}"), None);
        assert_eq!((image.text("stamp").len(), image.text("program").len()), (37, 37));
        assert_eq!(digest == other, mode == "max", "the program is the same only where it was not made again");
    }
}

#[test]
fn a_cache_in_a_directory_is_a_layout_that_others_read() {
    let place = Place::new();
    let host = place.registry.host();
    let first = place.machine();
    let made = build(&first, &format!("{host}/app:1"), &["--cache-to", "type=local,dest=cache,mode=max"]);
    let layout = format!("oci:{}", first.path("cache").display());
    let image = Image::read(&layout, None);
    assert!(image.config[FIELD].as_array().unwrap().len() >= 6, "{}", image.config);
    assert!(image.files.contains_key("src/a") && image.files.contains_key("stamp"));
    // Carried over by somebody else.
    let second = place.machine();
    skopeo::copy(&layout, &format!("oci:{}", second.path("carried").display()), None);
    let other = DockerRegistry::open();
    let name = format!("{}/app:1", other.host());
    let taken =
        build(&second, &name, &["--cache-from", "type=local,src=carried", "--cache-to", "type=local,dest=carried,mode=max"]);
    all_cached(&taken);
    assert_eq!(taken.2, made.2);
    assert_eq!(Image::read(&format!("docker://{name}"), None).text("stamp").len(), 37);
    // What was taken over was passed on.
    let third = place.machine();
    skopeo::copy(&format!("oci:{}", second.path("carried").display()), &format!("oci:{}", third.path("cache").display()), None);
    all_cached(&build(&third, &format!("{host}/third:1"), &["--cache-from", "type=local,src=cache"]));
}

#[test]
fn an_image_with_a_cache_inside_serves_as_one_and_is_reproducible() {
    let place = Place::new();
    let host = place.registry.host();
    let dockerfile = place.dockerfile.replace("cat /proc/sys/kernel/random/uuid", "echo same");
    let build_at = |name: &str, more: &[&str]| {
        let machine = place.machine();
        machine.write("Dockerfile", &dockerfile);
        let words = ["build", ".", "--push", "-t", name, "--cache-to", "type=inline", "--report", "report.json"];
        let run = machine.windlass(words).args(more).env("SOURCE_DATE_EPOCH", "1700000000").run().succeeds();
        let report: Value = serde_json::from_str(&machine.read("report.json")).unwrap();
        (run, report)
    };
    build_at(&format!("{host}/one:1"), &[]);
    build_at(&format!("{host}/two:1"), &[]);
    let one = Image::read(&format!("docker://{host}/one:1"), None);
    assert!(one.config[FIELD].as_array().unwrap().len() >= 6);
    assert_eq!(one.digest, Image::read(&format!("docker://{host}/two:1"), None).digest, "two machines make the same");
    let (run, report) = build_at(&format!("{host}/three:1"), &["--cache-from", &format!("{host}/one:1")]);
    for step in report["steps"].as_array().unwrap() {
        assert_eq!((&step["outcome"], &step["from"]), (&json!("cached"), &json!(format!("{host}/one"))).clone(), "{}", run.all());
    }
    assert_eq!(one.digest, Image::read(&format!("docker://{host}/three:1"), None).digest, "from the cache too");
    // An image that is built on it does not pass it on.
    let machine = Workspace::new();
    machine.write("Dockerfile", format!("FROM {host}/one:1\nRUN echo > /x\n"));
    build(&machine, &format!("{host}/on-top:1"), &[]);
    assert!(Image::read(&format!("docker://{host}/on-top:1"), None).config.get(FIELD).is_none());
}

#[test]
fn caches_that_are_missing_or_none_cost_a_warning_that_names_them() {
    let place = Place::new();
    let host = place.registry.host();
    let (missing, image) = (format!("type=registry,ref={host}/nothing:1"), format!("{host}/base:1"));
    let words = ["--cache-from", &missing, "--cache-from", &image, "--cache-from", "type=local,src=nowhere"];
    let (said, outcomes, _) = build(&place.machine(), &format!("{host}/app:1"), &words);
    assert!(outcomes.iter().all(|outcome| outcome == "run"));
    for cache in [&format!("{host}/nothing:1"), &image, "nowhere"] {
        assert_eq!(said.matches(&format!("the cache {cache} is not used: ")).count(), 1, "{cache}: {said}");
    }
    assert!(said.contains("it has no cache of ours in it"), "{said}");
}

#[test]
fn what_cannot_be_written_fails_unless_that_is_ignored() {
    let place = Place::new();
    let host = place.registry.host();
    let machine = place.machine();
    machine.write("file", "");
    let name = format!("{host}/app:1");
    let words = ["build", ".", "--push", "-t", &name, "--cache-to"];
    let run = machine.windlass(words).args(["type=local,dest=file/cache"]).run();
    let _ = run.fails_with(ExitCode::Output).says("cannot write the cache file/cache").says("ignore-error=true");
    assert_eq!(place.registry.tags("app"), ["1"], "the image has been pushed");
    let run = machine.windlass(words).args(["type=local,dest=file/cache,ignore-error=true"]).run().succeeds();
    let _ = run.says("cannot write the cache file/cache");
    let proxy = Proxy::before(host, |request| {
        let is_cache = request.method == "PUT" && request.target.contains("/cache/manifests");
        is_cache.then(|| windlass_e2e::servers::scripted::Response::json(403, "{}"))
    });
    let to = format!("type=registry,ref={}/cache:1", proxy.host());
    let _ = machine.windlass(words).args([&to]).run().fails_with(ExitCode::Push).says("cannot write the cache");
    let run = machine.windlass(words).args(["type=gha,scope=x"]).run();
    let _ = run
        .fails_with(ExitCode::Settings)
        .says("type=gha are not supported; there are registry, local and, for --cache-to, inline");
}

#[test]
fn the_variables_of_the_plugins_and_the_fields_of_steps_read_and_write_caches() {
    let place = Place::new();
    let host = place.registry.host();
    let variables = |machine: &Workspace, command: &str| {
        let run = machine
            .windlass([command, "--from-env", "docker"])
            .env("PLUGIN_REGISTRY", host)
            .env("PLUGIN_REPO", format!("{host}/app"));
        let run = run.env("PLUGIN_CACHE_FROM", format!("type=registry,ref={host}/cache:1;type=local,src=carried"));
        run.env("PLUGIN_CACHE_TO", format!("type=registry,ref={host}/cache:1,mode=max;type=inline")).run().succeeds().all()
    };
    let machine = place.machine();
    let plan = variables(&machine, "plan");
    assert!(plan.contains(&format!("{host}/cache:1")) && !plan.contains("no effect"), "{plan}");
    variables(&machine, "run");
    let digest = Image::read(&format!("docker://{host}/app:latest"), None);
    assert!(digest.config.get(FIELD).is_some());
    let second = place.machine();
    second.write(
        "step.yaml",
        format!(
            "type: BuildAndPushDockerRegistry\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  repo: {host}/app\n  tags: [two]\n  \
             caching: true\n  cacheFrom: [\"type=registry,ref={host}/cache:1\"]\n  cacheTo: type=local,dest=written\n"
        ),
    );
    let run = second.windlass(["run", "step.yaml"]).run().succeeds().never_says("no effect");
    let image = Image::read(&format!("docker://{host}/app:two"), None);
    assert_eq!(image.text("stamp"), digest.text("stamp"), "{}", run.all());
    assert!(second.has("written/index.json"));
}

#[test]
fn the_repository_of_a_cache_image_is_made_in_ecr_too() {
    let (ecr, workspace) = (Ecr::start(), Workspace::new());
    ecr.write_application(&workspace);
    let run = ecr.for_run(workspace.windlass(["run", "--from-env", "ecr"])).env("PLUGIN_REGISTRY", HOST);
    let run = run.envs(&[("PLUGIN_REPO", "test-image"), ("PLUGIN_TAGS", "1"), ("PLUGIN_CREATE_REPOSITORY", "true")]);
    let to = format!("type=registry,ref={HOST}/caches:app,mode=max,image-manifest=true,oci-mediatypes=true");
    run.env("PLUGIN_CACHE_TO", to).run().succeeds();
    let input = json!({"registryId": ACCOUNT, "repositoryNames": ["caches"]});
    let made = ecr.moto.ecr("us-east-1", "AKIATEST", "DescribeRepositories", &input);
    assert_eq!(made["repositories"][0]["repositoryName"], "caches", "{made}");
    let cache = ecr.image("caches", "app");
    assert_eq!(cache.manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(cache.text("built"), "built none\n");
}
