//! Every fault of the store ends in a correct image.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Run, Workspace};

struct Place {
    registry: DockerRegistry,
    workspace: Workspace,
}

impl Place {
    fn new() -> Self {
        let registry = DockerRegistry::open();
        let base = Busybox::default().push(&registry, "base:1");
        let workspace = Workspace::new();
        workspace.write("a", "content of a\n");
        workspace.write("b", "1\n");
        workspace.write(
            "Dockerfile",
            format!(
                "FROM {base}\nCOPY a /\nRUN echo first > /first\nRUN echo it has begun; cat /proc/sys/kernel/random/uuid > /id; echo it is made\nCOPY b /\nRUN cat /a /first /b > /all\n"
            ),
        );
        Self { registry, workspace }
    }

    fn arguments(&self, name: &str) -> Vec<String> {
        ["build", ".", "--progress", "plain", "--push", "-t", &format!("{}/{name}:1", self.registry.host())]
            .map(str::to_owned)
            .into()
    }

    /// Builds, pushes to a repository that has nothing yet, and compares what is in the image.
    fn build_right(&self, name: &str) -> (Run, Image) {
        let run = self.workspace.windlass(self.arguments(name)).run().succeeds();
        // Reading the image compares the digest of every layer.
        let image = Image::read(&format!("docker://{}/{name}:1", self.registry.host()), None);
        assert_eq!(image.text("all"), format!("content of a\nfirst\n{}", self.workspace.read("b")), "{}", run.all());
        assert_eq!(image.text("id").len(), 37);
        (run, image)
    }

    /// The paths below a directory of the store.
    fn store(&self, directory: &str) -> Vec<PathBuf> {
        let directory = self.workspace.root().join("cache/windlass/v1").join(directory);
        let mut paths: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

/// Puts each into the next one's place.
fn rotate(paths: &[PathBuf]) {
    let aside = paths[0].with_extension("aside");
    fs::rename(&paths[0], &aside).unwrap();
    for pair in paths.windows(2) {
        fs::rename(&pair[1], &pair[0]).unwrap();
    }
    fs::rename(&aside, paths.last().unwrap()).unwrap();
}

/// Writes other bytes into a file, which keeps its size.
fn scribble(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    file.write_all_at(b"#", middle).unwrap();
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            files_below(&path, found);
        } else if metadata.is_file() && metadata.len() > 0 {
            found.push(path);
        }
    }
}

#[test]
fn layers_that_were_written_to_or_swapped_are_made_again() {
    let place = Place::new();
    let (_, before) = place.build_right("one");
    place.store("blobs/sha256").iter().for_each(|blob| scribble(blob));
    let (_, after) = place.build_right("two");
    assert_eq!(before.text("id"), after.text("id"), "the directories were whole: nothing had to run again");
    rotate(&place.store("blobs/sha256"));
    place.build_right("three");
}

#[test]
fn unpacked_layers_that_were_cut_short_are_made_again() {
    let place = Place::new();
    place.build_right("one");
    let mut files = Vec::new();
    place.store("snapshots").iter().for_each(|snapshot| files_below(&snapshot.join("fs"), &mut files));
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }
    // The last RUN has to look into what is below it.
    place.workspace.write("b", "2\n");
    let (run, _) = place.build_right("two");
    let _ = run.says("is made anew: its files are not those that were put there");
}

#[test]
fn unpacked_layers_and_records_in_anothers_place_are_not_taken_for_it() {
    let place = Place::new();
    place.build_right("one");
    rotate(&place.store("snapshots"));
    place.workspace.write("b", "2\n");
    let (run, _) = place.build_right("two");
    let _ = run.says("is made anew: it is ");
    rotate(&place.store("steps"));
    let (run, _) = place.build_right("three");
    let _ = run.says("belongs to another step");
    for record in place.store("steps") {
        fs::File::options().write(true).open(record).unwrap().set_len(50).unwrap();
    }
    let (run, _) = place.build_right("four");
    let _ = run.says("it is too short");
}

#[test]
fn a_build_that_was_killed_anywhere_leaves_nothing_wrong() {
    for point in ["#1", "COPY a", "it has begun", "it is made", "COPY b", "RUN cat /a"] {
        let place = Place::new();
        let mut run = place.workspace.windlass(place.arguments("one")).spawn();
        run.wait_for(point);
        run.kill();
        let _ = run.finish();
        place.build_right("two");
        assert!(place.store("tmp").is_empty(), "after `{point}`: {:?}", place.store("tmp"));
    }
}

#[test]
fn two_builds_of_one_image_at_once_are_both_right() {
    let place = Place::new();
    let names = ["one", "two"];
    let runs = names.map(|name| place.workspace.windlass(place.arguments(name)).spawn());
    for run in runs {
        let _ = run.finish().succeeds();
    }
    for name in names {
        let image = Image::read(&format!("docker://{}/{name}:1", place.registry.host()), None);
        assert_eq!(image.text("all"), "content of a\nfirst\n1\n");
    }
    let (run, _) = place.build_right("three");
    assert!((1..=5).all(|step| run.stderr.contains(&format!("#{step} cached\n"))), "{}", run.all());
}
