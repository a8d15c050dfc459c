//! `--squash`: one layer of all that a build adds, unpacked by umoci and compared with the layers that it stands for.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::CpuSet;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Run, Workspace, skopeo};

/// Times of two runs of a command are not the same.
const EPOCH: &str = "1700000000";

/// Every way in which a later layer changes what an earlier one, or the base, has.
const STEPS: &str = "
RUN mkdir -p /old/deep /kept /swapped /d && echo base > /old/deep/file && echo base > /kept/file && echo base > /swapped/a \
    && echo base > /f && echo base > /gone && ln -s old /link && echo base > /d/x && echo base > /restored
";

const DOCKERFILE: &str = "FROM BASE AS first
COPY tree/ /app/
RUN rm -r /gone /old && mkdir /old && echo new > /old/new && chmod 700 /kept && echo passing > /kept/passing
RUN echo one > /app/target && ln /app/target /app/name && ln /app/target /app/other && mkfifo /app/pipe && chown 7:8 /app/name
RUN rm /f && mkdir /f && echo x > /f/x && rm -r /swapped && ln -s app /swapped && rm -r /d && echo file > /d
RUN mkdir /passing && dd if=/dev/zero of=/passing/large bs=1M count=8 && echo changed > /restored
FROM first
RUN rm -r /passing /kept/passing && echo two > /app/second && mv /app/second /app/target && rm /d && mkdir /d && echo y > /d/y
RUN chmod 711 /kept && rm /app/dropped && rm /link && echo base > /restored
ENV A=b
WORKDIR /made/here
COPY --chown=5:6 late /app/late
ADD --chown=9:9 archive.tar /added/
CMD [\"run\"]
";

struct Place {
    registry: DockerRegistry,
    base: String,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let busybox = Busybox::default().push(&registry, "busybox:1");
        let workspace = Workspace::new();
        workspace.write("Dockerfile", format!("FROM {busybox}{STEPS}"));
        let base = format!("{}/base:1", registry.host());
        workspace.windlass(["build", ".", "-t", &base, "--push"]).run().succeeds();
        Self { registry, base }
    }

    /// A machine of its own with the project on it.
    fn machine(&self) -> Workspace {
        let workspace = Workspace::new();
        workspace.write("Dockerfile", DOCKERFILE.replace("BASE", &self.base));
        for (name, content) in
            [("tree/file", "1"), ("tree/dropped", "2"), ("tree/dir/file", "3"), ("late", "late\n"), ("in/a", "a")]
        {
            workspace.write(name, content);
        }
        fs::hard_link(workspace.path("in/a"), workspace.path("in/b")).unwrap();
        let made = Command::new("tar")
            .args(["--mtime=@1", "-cf", "archive.tar", "in"])
            .current_dir(workspace.path(""))
            .status()
            .unwrap();
        assert!(made.success());
        workspace
    }
}

fn build(workspace: &Workspace, options: &[&str]) -> Run {
    let _ = fs::remove_dir_all(workspace.path("out"));
    let run = workspace.windlass(["build", ".", "-o", "oci:out", "--report", "report.json"]).args(options);
    run.env("SOURCE_DATE_EPOCH", EPOCH).run().succeeds()
}

fn digest(workspace: &Workspace, options: &[&str]) -> String {
    build(workspace, options).stdout.trim().to_owned()
}

fn image(workspace: &Workspace) -> Image {
    Image::read(&format!("oci:{}", workspace.path("out").display()), None)
}

/// What became of each step of the last build.
fn outcomes(workspace: &Workspace) -> Vec<String> {
    let report: Value = serde_json::from_str(&workspace.read("report.json")).unwrap();
    report["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap().to_owned()).collect()
}

/// What `work` gives in a thread that has one processor, as do the processes that it starts.
fn on_one_processor<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let alone = || {
        let mut processors = CpuSet::new();
        processors.set(0);
        rustix::thread::sched_setaffinity(None, &processors).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(alone).join().unwrap())
}

/// The files that umoci makes of the image: everything there is to tell of each, and which are one file.
fn unpacked(workspace: &Workspace) -> BTreeMap<String, String> {
    let directory = workspace.path("out");
    let index: Value = serde_json::from_str(&fs::read_to_string(directory.join("index.json")).unwrap()).unwrap();
    // umoci wants a name.
    let name = "org.opencontainers.image.ref.name";
    let mut named = index.clone();
    named["manifests"][0]["annotations"] = json!({name: "it"});
    fs::write(directory.join("index.json"), named.to_string()).unwrap();
    let bundle = tempfile::tempdir().unwrap();
    let target = bundle.path().join("bundle");
    let from = format!("{}:it", directory.display());
    let output = Command::new("umoci").args(["unpack", "--image", &from]).arg(&target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    let (mut found, mut names) = (BTreeMap::new(), BTreeMap::new());
    walk(&target.join("rootfs"), "", &mut found, &mut names);
    found
}

fn walk(directory: &Path, prefix: &str, found: &mut BTreeMap<String, String>, names: &mut BTreeMap<u64, String>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let status = entry.path().symlink_metadata().unwrap();
        let content = if status.is_file() {
            let first = names.entry(status.ino()).or_insert_with(|| path.clone()).clone();
            format!("{:x?} of {first}", Sha256::digest(fs::read(entry.path()).unwrap()))
        } else if status.is_symlink() {
            fs::read_link(entry.path()).unwrap().display().to_string()
        } else {
            String::new()
        };
        let told = format!("{:o} {}:{} {} {content}", status.mode(), status.uid(), status.gid(), status.mtime());
        found.insert(path.clone(), told);
        if status.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found, names);
        }
    }
}

#[test]
fn one_layer_holds_what_all_together_hold_and_nothing_that_is_gone() {
    let place = Place::new();
    let workspace = place.machine();
    build(&workspace, &[]);
    let (apart, files) = (image(&workspace), unpacked(&workspace));
    build(&workspace, &["--squash"]);
    let (one, squashed) = (image(&workspace), unpacked(&workspace));
    assert_eq!(squashed, files);
    assert!(files["app/name"].ends_with("of app/name") && files["app/other"].ends_with("of app/name"), "{files:?}");
    assert_eq!(one.text("app/other"), "one\n", "a name keeps the content that its target had");

    let base = Image::read(&format!("docker://{}", place.base), None).layers();
    assert!(apart.layers().len() > base.len() + 5);
    assert_eq!(one.layers().len(), base.len() + 1);
    assert_eq!(one.layers()[..base.len()], base, "the base's layers are as they were");
    let history = one.config["history"].as_array().unwrap();
    let with_layer = history.iter().filter(|line| line["empty_layer"] != json!(true)).count();
    assert_eq!(with_layer, one.layers().len());
    assert_eq!(history.len(), apart.config["history"].as_array().unwrap().len() + 1);
    assert_eq!(history.last().unwrap()["comment"], "merge 10 layers to one", "{history:?}");
    assert_eq!(one.config["rootfs"]["diff_ids"].as_array().unwrap().len(), one.layers().len());
    assert_eq!(one.config["config"], apart.config["config"]);

    let size = one.manifest["layers"].as_array().unwrap().last().unwrap()["size"].as_u64().unwrap();
    assert!(size < 8000, "the layer of {size} bytes has something of the file that is gone");
}

#[test]
fn the_digest_is_the_same_from_the_cache_with_one_processor_and_on_another_machine() {
    let place = Place::new();
    let workspace = place.machine();
    let first = digest(&workspace, &["--squash"]);
    assert!(outcomes(&workspace).iter().all(|outcome| outcome == "run"));
    assert_eq!(digest(&workspace, &["--squash"]), first, "from the cache");
    assert!(outcomes(&workspace).iter().all(|outcome| outcome == "cached"), "{:?}", outcomes(&workspace));

    // Some steps out of the cache, and some not.
    workspace.write("late", "changed\n");
    let changed = digest(&workspace, &["--squash"]);
    assert_ne!(changed, first);
    assert!(["run", "cached"].iter().all(|wanted| outcomes(&workspace).contains(&(*wanted).to_owned())));
    let other = place.machine();
    let alone = on_one_processor(|| digest(&other, &["--squash"]));
    assert_eq!(alone, first);
    other.write("late", "changed\n");
    assert_eq!(digest(&other, &["--squash", "--no-cache"]), changed, "without the cache");
    for (compression, kind) in [("zstd", "tar+zstd"), ("uncompressed", "tar")] {
        fs::remove_dir_all(other.path("out")).unwrap();
        let output = format!("type=oci,tar=false,dest=out,compression={compression}");
        other.windlass(["build", ".", "--squash", "-o", &output]).env("SOURCE_DATE_EPOCH", EPOCH).run().succeeds();
        let manifest = skopeo::raw(&format!("oci:{}", other.path("out").display()));
        let layers = manifest["layers"].as_array().unwrap();
        assert!(layers.last().unwrap()["mediaType"].as_str().unwrap().ends_with(kind), "{layers:?}");
    }
}

#[test]
fn a_machine_takes_the_one_layer_from_a_shared_cache() {
    let place = Place::new();
    let cache = format!("type=registry,ref={}/cache:1", place.registry.host());
    let first = digest(&place.machine(), &["--squash", "--cache-to", &cache]);
    let fresh = place.machine();
    assert_eq!(digest(&fresh, &["--squash", "--cache-from", &cache]), first);
    assert!(outcomes(&fresh).iter().all(|outcome| outcome == "cached"), "{:?}", outcomes(&fresh));
}

#[test]
fn only_the_one_layer_is_sent() {
    let place = Place::new();
    let workspace = place.machine();
    let name = format!("{}/app:1", place.registry.host());
    workspace.windlass(["build", ".", "--squash", "-t", &name, "--push"]).run().succeeds();
    let image = Image::read(&format!("docker://{name}"), None);
    let links = place.registry.directory().join("data/docker/registry/v2/repositories/app/_layers/sha256");
    let sent = fs::read_dir(links).unwrap().count();
    assert_eq!(sent, image.layers().len() + 1, "the layers, and the configuration");
}

#[test]
fn what_adds_nothing_has_no_layer_and_what_removes_nothing_asks_for_no_base() {
    let place = Place::new();
    let workspace = place.machine();
    workspace.write("Dockerfile", format!("FROM {}\nCOPY late /x\nRUN rm /x\nLABEL a=b\n", place.base));
    let base = Image::read(&format!("docker://{}", place.base), None).layers();
    build(&workspace, &["--squash"]);
    let nothing = image(&workspace);
    assert_eq!(nothing.layers(), base);
    let with_layer = nothing.config["history"].as_array().unwrap().iter().filter(|line| line["empty_layer"] != json!(true));
    assert_eq!(with_layer.count(), base.len());

    let other = place.machine();
    other.write("Dockerfile", format!("FROM {}\nCOPY --link late /x\nCOPY --link tree /y\n", place.base));
    let name = format!("{}/copied:1", place.registry.host());
    let run = other.windlass(["build", ".", "--squash", "-t", &name, "--push"]).run().succeeds();
    assert!(!run.all().contains("pull "), "{}", run.all());
    assert_eq!(Image::read(&format!("docker://{name}"), None).layers().len(), base.len() + 1);
}

#[test]
fn the_settings_of_the_plugins_mean_the_same_and_the_plan_shows_it() {
    let place = Place::new();
    let base = Image::read(&format!("docker://{}", place.base), None).layers().len();
    for variable in ["PLUGIN_SQUASH", "PLUGIN_SINGLE_SNAPSHOT"] {
        let workspace = place.machine();
        let run = |command: &[&str]| {
            let run = workspace.windlass(command).args(["--from-env", "docker"]).env("PLUGIN_REGISTRY", place.registry.host());
            let run = run.env(variable, "true").env("PLUGIN_REPO", format!("{}/app", place.registry.host()));
            run.env("PLUGIN_TAGS", variable.to_lowercase()).env("SOURCE_DATE_EPOCH", EPOCH)
        };
        let plan = run(&["plan", "--format", "json"]).run().succeeds().json();
        assert_eq!(plan["build"]["squash"], true, "{plan}");
        assert!(run(&["plan"]).run().succeeds().stdout.contains("one for all that the build adds"));
        run(&["run"]).run().succeeds();
        let name = format!("docker://{}/app:{}", place.registry.host(), variable.to_lowercase());
        assert_eq!(Image::read(&name, None).layers().len(), base + 1);
    }
}

#[test]
fn buildah_makes_one_layer_too() {
    let place = Place::new();
    let workspace = place.machine();
    // Each stage that the target is built on would have one.
    workspace.write("Dockerfile", DOCKERFILE.replace("BASE", &place.base).replace("FROM first\n", ""));
    build(&workspace, &["--squash", "--engine", "buildah"]);
    let base = Image::read(&format!("docker://{}", place.base), None).layers();
    let image = image(&workspace);
    assert_eq!(image.layers().len(), base.len() + 1);
    assert_eq!((image.text("app/target"), image.text("app/other")), ("two\n".to_owned(), "one\n".to_owned()));
    assert!(!image.files.contains_key("gone") && !image.files.contains_key("old/deep"));
}
