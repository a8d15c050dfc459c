//! The cache: an unchanged rebuild runs no step, a changed one runs what depends on the change.

use serde_json::Value;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Workspace};

struct Place {
    registry: DockerRegistry,
    workspace: Workspace,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:1");
        let workspace = Workspace::new();
        workspace.write("a", "1");
        workspace.write("b", "1");
        workspace.write(
            "Dockerfile",
            format!("FROM {base}\nCOPY a /\nRUN echo first > /first\nCOPY b /\nRUN cat /proc/sys/kernel/random/uuid > /second\n"),
        );
        Self { registry, workspace }
    }

    /// The outcomes of the steps, and the image.
    fn build(&self, more: &[&str]) -> (Vec<(String, String)>, Image) {
        let name = format!("{}/app:1", self.registry.host());
        let run =
            self.workspace.windlass(["build", ".", "--push", "-t", &name, "--report", "report.json"]).args(more).run().succeeds();
        let report: Value = serde_json::from_str(&self.workspace.read("report.json")).unwrap();
        let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_else(|| panic!("{}", run.all())).to_owned();
        let steps = report["steps"].as_array().unwrap().iter().map(|step| (text(step, "title"), text(step, "outcome"))).collect();
        (steps, Image::read(&format!("docker://{name}"), None))
    }
}

fn outcome<'a>(steps: &'a [(String, String)], part: &str) -> &'a str {
    &steps.iter().find(|(title, _)| title.contains(part)).unwrap_or_else(|| panic!("no step {part}: {steps:?}")).1
}

#[test]
fn an_unchanged_rebuild_runs_no_step_and_gives_the_same_digest() {
    let place = Place::new();
    let (first, image) = place.build(&[]);
    assert_eq!(outcome(&first, "RUN cat"), "run");
    let (second, again) = place.build(&[]);
    assert!(second.iter().all(|(_, outcome)| outcome == "cached"), "{second:?}");
    assert_eq!(image.digest, again.digest);
}

#[test]
fn an_unchanged_rebuild_of_several_stages_runs_no_step_either() {
    let place = Place::new();
    let base = format!("{}/base:1", place.registry.host());
    let random = "RUN cat /proc/sys/kernel/random/uuid";
    place.workspace.write(
        "Dockerfile",
        format!(
            "FROM {base} AS one\nWORKDIR /src\nCOPY a .\n{random} > /made\nFROM {base}\nCOPY --from=one /made /made\n\
             ADD b /b\n{random} > /second\n"
        ),
    );
    let (_, image) = place.build(&[]);
    let (second, again) = place.build(&[]);
    assert!(second.iter().all(|(_, outcome)| outcome == "cached"), "{second:?}");
    assert_eq!(image.digest, again.digest);
}

#[test]
fn a_changed_file_runs_what_comes_after_it_and_nothing_before() {
    let place = Place::new();
    let (_, before) = place.build(&[]);
    place.workspace.write("b", "2");
    let (steps, after) = place.build(&[]);
    assert_eq!(outcome(&steps, "RUN echo first"), "cached");
    assert_eq!(outcome(&steps, "RUN cat"), "run");
    assert_ne!(before.text("second"), after.text("second"));
    assert_eq!(after.text("b"), "2");
}

#[test]
fn touching_a_file_changes_nothing_and_no_cache_changes_all() {
    let place = Place::new();
    place.build(&[]);
    let file = std::fs::File::options().write(true).open(place.workspace.path("a")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let (steps, _) = place.build(&[]);
    assert!(steps.iter().all(|(_, outcome)| outcome == "cached"), "{steps:?}");
    let (steps, _) = place.build(&["--no-cache"]);
    assert_eq!((outcome(&steps, "RUN echo first"), outcome(&steps, "RUN cat")), ("run", "run"));
}

#[test]
fn a_layer_that_was_cut_short_in_the_store_is_made_again() {
    let place = Place::new();
    let (_, before) = place.build(&[]);
    let blobs = std::fs::read_dir(place.workspace.root().join("cache/windlass/v1/blobs/sha256")).unwrap();
    for blob in blobs.map(|blob| blob.unwrap().path()) {
        let size = blob.metadata().unwrap().len();
        std::fs::File::options().write(true).open(&blob).unwrap().set_len(size / 2).unwrap();
    }
    // A registry that has none of the layers makes the push read them.
    let other = DockerRegistry::open();
    let name = format!("{}/app:1", other.host());
    place.workspace.windlass(["build", ".", "--push", "-t", &name]).run().succeeds();
    let after = Image::read(&format!("docker://{name}"), None);
    // Every layer is whole: reading the image has compared all digests. Files that a step has left are still there.
    for path in ["a", "b", "first", "second"] {
        assert_eq!(after.text(path), before.text(path), "{path}");
    }
}

#[test]
fn a_base_that_moved_is_noticed() {
    let place = Place::new();
    let (_, before) = place.build(&[]);
    Busybox { variables: vec!["NEW=1".to_owned()], ..Busybox::default() }.push(&place.registry, "base:1");
    let (steps, after) = place.build(&["--pull"]);
    assert_eq!(outcome(&steps, "RUN cat"), "run");
    assert!(
        after.config["config"]["Env"].to_string().contains("NEW=1")
            && !before.config["config"]["Env"].to_string().contains("NEW=1")
    );
}
