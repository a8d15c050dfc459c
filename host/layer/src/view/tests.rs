use super::*;
use crate::testing::{Space, directory, file, hard_link, lines, symlink, view};
use crate::{Entry, EntryKind, Layer};

fn opaque(path: &str) -> Entry {
    Entry { kind: EntryKind::Directory { opaque: true }, ..directory(path) }
}

/// The same layers on disk and as listings.
fn both(space: &Space, layers: &[Vec<Entry>]) -> [View; 3] {
    let snapshots: Vec<_> =
        layers.iter().enumerate().map(|(n, entries)| space.materialised(&format!("layer{n}"), entries)).collect();
    let disk: Vec<_> = snapshots.iter().map(|snapshot| Layer::directory(snapshot).unwrap()).collect();
    let listed: Vec<_> = layers.iter().map(|entries| Layer::listing(entries.clone())).collect();
    let mixed = disk.iter().zip(&listed).enumerate().map(|(n, (disk, listed))| if n % 2 == 0 { disk } else { listed }.clone());
    let mixed = mixed.collect();
    [View::new(disk), View::new(listed), View::new(mixed)]
}

#[test]
fn removals_opaque_directories_and_changes_of_kind_hide_what_lies_below() {
    let space = Space::new();
    let layers = [
        vec![
            directory("d"),
            file("d/a", "1"),
            file("d/b", "1"),
            directory("o"),
            file("o/x", "1"),
            directory("o/sub"),
            file("o/sub/y", "1"),
            file("f", "1"),
            directory("t"),
            file("t/in", "1"),
            directory("gone"),
            file("gone/z", "1"),
        ],
        vec![
            directory("d"),
            Entry::whiteout("d/a"),
            file("d/c", "2"),
            opaque("o"),
            file("o/new", "2"),
            directory("f"),
            file("f/in", "2"),
            file("t", "2"),
            Entry::whiteout("gone"),
        ],
        vec![directory("o"), file("o/top", "3"), directory("gone"), file("gone/new", "3"), directory("t"), file("t/again", "3")],
    ];
    for view in both(&space, &layers) {
        assert_eq!(
            lines(&view),
            [
                "dir 755 0:0 d",
                "file 644 0:0 d/b 1",
                "file 644 0:0 d/c 2",
                "dir 755 0:0 f",
                "file 644 0:0 f/in 2",
                "dir 755 0:0 gone",
                "file 644 0:0 gone/new 3",
                "dir 755 0:0 o",
                "file 644 0:0 o/new 2",
                "file 644 0:0 o/top 3",
                "dir 755 0:0 t",
                "file 644 0:0 t/again 3",
            ]
        );
        assert_eq!(view.read_dir(Path::new("d")).unwrap(), ["b", "c"]);
        assert!(view.lookup(Path::new("o/x")).unwrap().is_none());
        assert!(view.lookup(Path::new("gone/z")).unwrap().is_none());
        assert!(view.lookup(Path::new("nowhere/at/all")).unwrap().is_none());
        assert!(view.read_dir(Path::new("d/b")).is_err());
    }
}

#[test]
fn links_lead_nowhere_but_into_the_image() {
    let space = Space::new();
    let layers = [
        vec![directory("usr"), directory("usr/lib"), file("usr/lib/x", "in"), symlink("lib", "usr/lib"), symlink("loop", "loop")],
        vec![symlink("etc", "/../../../../usr"), symlink("host", "/etc/passwd"), symlink("usr/lib/up", "../../../lib/x")],
    ];
    for view in both(&space, &layers) {
        let resolve = |path: &str| view.resolve(Path::new(path)).map(|r| r.path.to_str().unwrap().to_owned());
        assert_eq!(resolve("/lib/x").unwrap(), "usr/lib/x");
        assert_eq!(resolve("etc/lib/up").unwrap(), "usr/lib/x");
        assert_eq!(resolve("lib/new/deep").unwrap(), "usr/lib/new/deep");
        assert_eq!(resolve("../../lib/../lib").unwrap(), "usr/lib");
        assert!(matches!(view.resolve(Path::new("loop")), Err(ViewError::Links { .. })));
        assert!(matches!(view.resolve(Path::new("lib/x/y")), Err(ViewError::NotADirectory { .. })));
        assert_eq!(view.resolve_parent(Path::new("etc/lib/up")).unwrap().path, Path::new("usr/lib/up"));
        assert_eq!(view.read_file(Path::new("lib/up"), 100).unwrap().unwrap(), b"in");
        assert!(matches!(view.read_file(Path::new("lib/x"), 1), Err(ViewError::TooLarge { .. })));
        assert!(matches!(view.read_file(Path::new("lib"), 1), Err(ViewError::NotAFile { .. })));
        // On the host this is a file; in the image it is `usr/passwd`, which is not there.
        assert_eq!(view.read_file(Path::new("host"), 100_000).unwrap(), None);
    }
}

/// As in CVE-2018-15664 and CVE-2024-1753: a directory of the image that is swapped for a link to the host's.
#[test]
fn a_directory_swapped_for_a_link_is_not_followed() {
    let space = Space::new();
    let snapshot = space.materialised("layer", &[directory("d"), file("d/f", "mine")]);
    let view = view(&[&snapshot]);
    let outside = space.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::remove_dir_all(snapshot.files().join("d")).unwrap();
    std::os::unix::fs::symlink(&outside, snapshot.files().join("d")).unwrap();
    assert!(view.read_dir(Path::new("d")).is_err());
    assert!(view.lookup(Path::new("d/secret")).unwrap().is_none());
}

#[test]
fn names_of_one_file_are_linked_in_a_walk_and_only_there() {
    let space = Space::new();
    let layers = [
        vec![directory("t"), file("t/a", "same"), hard_link("t/b", "t/a"), directory("t/s"), hard_link("t/s/c", "t/a")],
        vec![directory("t"), directory("t/s"), file("t/s/c", "other")],
    ];
    for view in both(&space, &layers) {
        assert_eq!(
            lines(&view)[1..],
            ["file 644 0:0 t/a same", "hard 644 0:0 t/b = t/a", "dir 755 0:0 t/s", "file 644 0:0 t/s/c other",]
        );
        let entry = view.lookup(Path::new("t/b")).unwrap().unwrap();
        assert!(matches!(entry.kind, EntryKind::File { size: 4, .. }));
    }
}

#[test]
fn attributes_come_from_the_topmost_layer_that_tells_them() {
    let space = Space::new();
    let mut home = directory("home");
    (home.mode, home.uid, home.xattrs) = (0o2750, 1000, vec![("user.note".into(), b"x".to_vec())]);
    let layers = [vec![home.clone()], vec![file("home/.profile", "p")]];
    let listed = View::new(layers.iter().map(|entries| Layer::listing(entries.clone())).collect());
    assert_eq!(listed.lookup(Path::new("home")).unwrap().unwrap(), home, "the upper layer only implies it");
    let lower = space.materialised("lower", &layers[0]);
    let upper = space.snapshot("upper");
    crate::materialise(&layers[1], &upper, Some(&view(&[&lower]))).unwrap();
    assert_eq!(view(&[&lower, &upper]).lookup(Path::new("home")).unwrap().unwrap(), home);
}

#[test]
fn an_empty_view_has_a_root_and_nothing_in_it() {
    let view = View::empty();
    assert_eq!(view.entries().count(), 0);
    assert_eq!(view.lookup(Path::new("")).unwrap().unwrap().mode, 0o755);
    assert!(view.read_dir(Path::new("")).unwrap().is_empty());
    assert_eq!(view.resolve(Path::new("/a/b")).unwrap().path, Path::new("a/b"));
}
