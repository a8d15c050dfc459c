use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::listing_of;
use crate::{OverlayXattrs, Ownership, diff};

const FORMAT: SnapshotFormat = SnapshotFormat { ownership: Ownership::Apply, overlay_xattrs: OverlayXattrs::User };

/// A snapshot of a few files, all last changed long ago.
fn base(root: &Path) -> Snapshot {
    let snapshot = Snapshot::create(root.join("base"), FORMAT).unwrap();
    let files = snapshot.files();
    fs::create_dir_all(files.join("d/e")).unwrap();
    for name in ["same", "touched", "gone", "d/in", "d/e/deep", "turns"] {
        fs::write(files.join(name), name).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1_700_000_000_000_000_007);
        fs::File::options().append(true).open(files.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    fs::hard_link(files.join("same"), files.join("same-too")).unwrap();
    snapshot
}

/// What `step` changes in a flattened copy, as a listing of a layer would have it.
fn told(step: impl FnOnce(&Path)) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let below = View::empty().with(Layer::directory(&base(root.path())).unwrap());
    let tree = flatten(&below, &root.path().join("tree"), FORMAT).unwrap();
    let before = Metadata::read(&tree).unwrap();
    step(&tree.files());
    let upper = Snapshot::create(root.path().join("upper"), FORMAT).unwrap();
    crate::materialise(&changes(&before, &tree).unwrap(), &upper, Some(&below)).unwrap();
    let listed = listing_of(diff(&upper, &below, &[]));
    listed
        .iter()
        .map(|entry| format!("{}{}", if entry.kind == EntryKind::Whiteout { "-" } else { "" }, entry.path.display()))
        .collect()
}

#[test]
fn a_step_that_changes_nothing_leaves_nothing() {
    assert_eq!(told(|_| {}), Vec::<String>::new());
    let moved_and_back = |root: &Path| {
        fs::rename(root.join("same"), root.join("x")).unwrap();
        fs::rename(root.join("x"), root.join("same")).unwrap();
    };
    assert_eq!(told(moved_and_back), Vec::<String>::new());
}

#[test]
fn a_change_that_hides_behind_size_and_time_is_found() {
    let hidden = |root: &Path| {
        let path = root.join("touched");
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "TOUCHED").unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(time + std::time::Duration::from_nanos(1)).unwrap();
    };
    assert_eq!(told(hidden), ["touched"]);
}

#[test]
fn what_has_come_and_gone_is_listed_and_nothing_else() {
    let step = |root: &Path| {
        fs::remove_file(root.join("gone")).unwrap();
        fs::write(root.join("d/new"), "").unwrap();
        symlink("new", root.join("d/link")).unwrap();
    };
    assert_eq!(told(step), ["d", "d/link", "d/new", "-gone"]);
}

#[test]
fn a_directory_that_goes_is_one_removal_and_one_that_turns_into_a_file_none() {
    assert_eq!(told(|root| fs::remove_dir_all(root.join("d")).unwrap()), ["-d"]);
    let turned = |root: &Path| {
        fs::remove_dir_all(root.join("d")).unwrap();
        fs::write(root.join("d"), "").unwrap();
    };
    assert_eq!(told(turned), ["d"]);
}

#[test]
fn a_directory_made_anew_hides_what_was_in_it() {
    let again = |root: &Path| {
        fs::remove_dir_all(root.join("d")).unwrap();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/new"), "").unwrap();
    };
    assert_eq!(told(again), ["d", "-d/e", "-d/in", "d/new"]);
}
