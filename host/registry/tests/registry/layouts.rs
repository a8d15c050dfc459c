//! Layouts and archives, with skopeo as the independent reader and writer.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use windlass_core::{Platform, Reference};
use windlass_registry::image::{Descriptor, Format, Tree};
use windlass_registry::layout::{Archive, LayoutError, read, write_archive, write_directory};
use windlass_registry::{BlobSource, Blobs};

use crate::image::{Image, reference};

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output().expect("skopeo is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

fn names() -> Vec<Reference> {
    vec![reference("r.example/team/app:1"), reference("r.example/team/app:latest")]
}

fn fresh(directory: &Path) -> Blobs {
    Blobs::open(directory.join("read-back")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_written_read_by_skopeo_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/layout");
    let image = Image::new(Format::Oci, "linux/arm64", "layout");
    write_directory(&path, &image.tree, &names(), &image.store).await.unwrap();
    let text = skopeo(&["inspect", &format!("oci:{}:1", path.display())]);
    assert!(text.contains(image.tree.root().digest().as_str()) && text.contains("arm64"), "{text}");
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
    let images = read(&path, &fresh(directory.path())).await.unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].tree.root(), image.tree.root());
    assert_eq!(images[0].names, ["r.example/team/app:1", "r.example/team/app:latest"]);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
}

/// Writes another image to the same place when it is asked for a layer: by then the writer has seen that nothing is there.
struct Meanwhile<'a> {
    image: &'a Image,
    other: &'a Image,
    path: &'a Path,
}

#[async_trait]
impl BlobSource for Meanwhile<'_> {
    async fn open(&self, blob: &Descriptor) -> Result<File, Box<dyn std::error::Error + Send + Sync>> {
        if blob.media_type.contains("layer") && !self.path.exists() {
            write_directory(self.path, &self.other.tree, &[reference("r.example/b:2")], &self.other.store).await?;
        }
        self.image.store.open(blob).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_somebody_else_makes_meanwhile_gets_both_images() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let (one, two) = (Image::new(Format::Oci, "linux/amd64", "1"), Image::new(Format::Oci, "linux/arm64", "2"));
    let source = Meanwhile { image: &one, other: &two, path: &path };
    write_directory(&path, &one.tree, &[reference("r.example/a:1")], &source).await.unwrap();
    let mut names: Vec<String> =
        read(&path, &fresh(directory.path())).await.unwrap().into_iter().flat_map(|image| image.names).collect();
    names.sort();
    assert_eq!(names, ["r.example/a:1", "r.example/b:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_exists_keeps_its_other_images() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let (one, two) = (Image::new(Format::Oci, "linux/amd64", "1"), Image::new(Format::Oci, "linux/amd64", "2"));
    write_directory(&path, &one.tree, &[reference("r.example/a:1")], &one.store).await.unwrap();
    write_directory(&path, &two.tree, &[reference("r.example/b:2")], &two.store).await.unwrap();
    write_directory(&path, &two.tree, &[reference("r.example/a:1")], &two.store).await.unwrap();
    let images = read(&path, &fresh(directory.path())).await.unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].names, ["r.example/b:2", "r.example/a:1"]);
    let other = directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious"), b"x").unwrap();
    let error = write_directory(&other, &one.tree, &[], &one.store).await.unwrap_err();
    assert!(matches!(error, LayoutError::Place { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_both_forms_are_read_by_skopeo_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    for (form, format) in [(Archive::Oci, Format::Oci), (Archive::Docker, Format::Docker), (Archive::Docker, Format::Oci)] {
        let path = directory.path().join(format!("{form:?}-{format:?}.tar"));
        let image = Image::new(format, "linux/amd64", "archive");
        write_archive(&path, form, &image.tree, &names(), &image.store).await.unwrap();
        let first = std::fs::read(&path).unwrap();
        write_archive(&path, form, &image.tree, &names(), &image.store).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == first, "the same image gives the same bytes");
        match form {
            Archive::Oci => assert!(skopeo(&["inspect", &format!("oci-archive:{}:1", path.display())]).contains("SALT=archive")),
            Archive::Docker => {
                for tag in ["1", "latest"] {
                    let text = skopeo(&["inspect", &format!("docker-archive:{}:r.example/team/app:{tag}", path.display())]);
                    assert!(text.contains("SALT=archive"), "{text}");
                }
            }
        }
        let images = read(&path, &fresh(directory.path())).await.unwrap();
        assert_eq!(images[0].tree.root(), image.tree.root());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_skopeo_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, archive) = (directory.path().join("layout"), directory.path().join("saved.tar"));
    let image = Image::new(Format::Oci, "linux/amd64", "saved");
    write_directory(&layout, &image.tree, &names(), &image.store).await.unwrap();
    skopeo(&["copy", &format!("oci:{}:1", layout.display()), &format!("docker-archive:{}:r.example/x:7", archive.display())]);
    let blobs = fresh(directory.path());
    let images = read(&archive, &blobs).await.unwrap();
    assert_eq!(images[0].names, ["r.example/x:7"]);
    for (read, written) in images[0].tree.blobs()[1..].iter().zip(&image.layers) {
        assert_eq!((&read.digest, read.size), (&written.digest, written.size));
        assert_eq!(blobs.size(&read.digest), Some(read.size));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_goes_into_a_layout_and_not_into_a_docker_archive() {
    let directory = tempfile::tempdir().unwrap();
    let image = Image::new(Format::Oci, "linux/amd64", "index");
    let tree =
        Tree::index(Format::Oci, vec![(image.tree.root().clone(), Platform::parse("amd64").unwrap()).into()], Default::default())
            .unwrap();
    let path = directory.path().join("layout");
    write_directory(&path, &tree, &[], &image.store).await.unwrap();
    let images = read(&path, &fresh(directory.path())).await.unwrap();
    assert_eq!((images[0].tree.root(), images[0].tree.manifests().len()), (tree.root(), 2));
    let refused = write_archive(&directory.path().join("x.tar"), Archive::Docker, &tree, &[], &image.store).await;
    assert!(matches!(refused, Err(LayoutError::IndexInDockerArchive)));
    assert!(!directory.path().join("x.tar").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_tricks_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let image = Image::new(Format::Oci, "linux/amd64", "damage");
    let make = async |name: &str| {
        let path = directory.path().join(name);
        write_directory(&path, &image.tree, &[], &image.store).await.unwrap();
        let blob = path.join("blobs/sha256").join(image.layers[0].digest.hex());
        (path, blob)
    };
    let fails = async |path: &Path| {
        let store = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(store.path()).unwrap();
        let error = read(path, &blobs).await.unwrap_err();
        assert!(!blobs.contains(&image.layers[0].digest));
        error
    };
    let (path, blob) = make("changed").await;
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    assert!(matches!(fails(&path).await, LayoutError::Mismatch { .. }));
    std::fs::write(&blob, &bytes[1..]).unwrap();
    assert!(matches!(fails(&path).await, LayoutError::Mismatch { .. }));
    std::fs::remove_file(&blob).unwrap();
    assert!(matches!(fails(&path).await, LayoutError::Missing { .. }));
    // A pipe would be waited for without end, a link leads out.
    assert!(Command::new("mkfifo").arg(&blob).status().unwrap().success());
    assert!(matches!(fails(&path).await, LayoutError::Missing { .. }));
    let (path, blob) = make("linked").await;
    std::fs::rename(&blob, directory.path().join("outside")).unwrap();
    std::os::unix::fs::symlink(directory.path().join("outside"), &blob).unwrap();
    assert!(matches!(fails(&path).await, LayoutError::Missing { .. }));
    let (path, _) = make("index").await;
    for text in [
        "",
        "{}x",
        r#"{"manifests":[{"mediaType":"x","digest":"sha256:../..","size":1}]}"#,
        r#"{"manifests":[{"mediaType":"x","digest":"x","size":-1}]}"#,
    ] {
        std::fs::write(path.join("index.json"), text).unwrap();
        assert!(matches!(fails(&path).await, LayoutError::Content { .. }), "{text}");
    }
    std::fs::write(directory.path().join("file"), b"no archive").unwrap();
    assert!(matches!(fails(&directory.path().join("file")).await, LayoutError::Place { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_changed_in_the_store_does_not_get_into_a_layout() {
    let directory = tempfile::tempdir().unwrap();
    let image = Image::new(Format::Oci, "linux/amd64", "store");
    let blob = image.store.path(&image.layers[0].digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let (layout, archive) = (directory.path().join("layout"), directory.path().join("x.tar"));
    let written = write_directory(&layout, &image.tree, &[], &image.store).await;
    assert!(matches!(written, Err(LayoutError::Mismatch { .. })));
    let written = write_archive(&archive, Archive::Oci, &image.tree, &[], &image.store).await;
    assert!(matches!(written, Err(LayoutError::Mismatch { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
}
